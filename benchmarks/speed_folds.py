"""How much faster are the folds of a small net in two processes? Wall time, alternating pairs."""

import time

import numpy as np
from _common import RESULTS
from sklearn.model_selection import cross_validate

from skmm.datasets import make_multimodal_classification
from skmm.fusion import MMDynamicsClassifier

PAIRS = 5


def wall_time(X, y, n_jobs):
    """Seconds of ten folds."""
    model = MMDynamicsClassifier(hidden=64, random_state=0)
    start = time.perf_counter()
    cross_validate(model, X, y, cv=10, n_jobs=n_jobs, error_score="raise")
    return time.perf_counter() - start


def main():
    """Prints and writes the speed-up."""
    X, y = make_multimodal_classification(n_samples=1000, random_state=0, return_X_y=True)
    wall_time(X, y, 2)  # starts the workers
    ratios = [wall_time(X, y, 1) / wall_time(X, y, 2) for _ in range(PAIRS)]
    low, median, high = np.percentile(ratios, [25, 50, 75])
    line = (
        f"10 folds, serial / two processes: {median:.2f} (quartiles {low:.2f} to {high:.2f}, {PAIRS} pairs)\n"
    )
    (RESULTS / "speed_folds.txt").write_text(line, encoding="utf-8")
    print(line, end="")


if __name__ == "__main__":
    main()
