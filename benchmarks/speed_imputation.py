"""How long does imputation of a mixed table take? Beside scikit-learn's IterativeImputer of forests.

5,000 samples, 20 columns (10 of numbers, 10 of 2 to 5 categories), a tenth of the values cut out, 3 sweeps.
The errors of what was filled in stand beside the times.
"""

import sys
import time
import warnings

import numpy as np
import pandas as pd
from _common import RESULTS
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_iterative_imputer  # noqa: F401 - makes the next import work
from sklearn.impute import IterativeImputer, SimpleImputer
from sklearn.preprocessing import OrdinalEncoder

from skmm.impute import RandomForestImputer

SWEEPS = 3
N_NUMBERS = N_CATEGORICAL = 10


def make_table(n_samples=5000, seed=0):
    """A table that five hidden factors make, and where its holes are."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(n_samples, 5))
    columns = {}
    for j in range(N_NUMBERS):
        line, wave = rng.normal(size=(2, 5))
        bend = 0.3 * hidden[:, j % 5] * hidden[:, (j + 1) % 5]
        columns[f"number_{j}"] = (
            hidden @ line / 2 + np.sin(hidden @ wave) + bend + 0.5 * rng.normal(size=n_samples)
        )
    for j in range(N_CATEGORICAL):
        size = 2 + j % 4
        scores = hidden @ rng.normal(size=(5, size)) + 0.8 * np.abs(hidden) @ rng.normal(size=(5, size))
        names = np.array(["north", "east", "south", "west", "centre"][:size], dtype=object)
        columns[f"category_{j}"] = names[(scores + 0.7 * rng.gumbel(size=scores.shape)).argmax(axis=1)]
    table = pd.DataFrame(columns)
    return table, rng.random(table.shape) < 0.1


def timed(function):
    """Seconds of processor time, and what the function returns."""
    start = time.process_time()
    result = function()
    return time.process_time() - start, result


def ours(holed):
    """Impute with skmm."""
    imputer = RandomForestImputer(max_iter=SWEEPS, tol=0, random_state=0)
    seconds, filled = timed(lambda: imputer.fit_transform(holed))
    return seconds, filled, f"RandomForestImputer, {len(imputer.changes_)} sweeps"


def theirs(holed, **forest):
    """Impute with scikit-learn: categories as numbers, rounded to the nearest afterwards."""
    names = [name for name in holed if name.startswith("category")]

    def impute():
        encoder = OrdinalEncoder()
        coded = holed.copy()
        coded[names] = encoder.fit_transform(holed[names])
        imputer = IterativeImputer(
            RandomForestRegressor(random_state=0, **forest), max_iter=SWEEPS, tol=0, random_state=0
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # three sweeps were asked for
            coded[:] = imputer.fit_transform(coded)
        filled = holed.copy()
        filled[names] = encoder.inverse_transform(coded[names].round())
        filled[coded.columns.difference(names)] = coded[coded.columns.difference(names)]
        return filled

    seconds, filled = timed(impute)
    settings = ", ".join(f"{name}={value!r}" for name, value in forest.items()) or "as it comes"
    return seconds, filled, f"IterativeImputer(RandomForestRegressor, {settings})"


def simple(holed):
    """Impute means and most frequent categories."""

    def impute():
        filled = holed.copy()
        for name in holed:
            strategy = "mean" if name.startswith("number") else "most_frequent"
            filled[[name]] = SimpleImputer(strategy=strategy).fit_transform(holed[[name]])
        return filled

    seconds, filled = timed(impute)
    return seconds, filled, "SimpleImputer (mean, most frequent)"


def quality(filled, truth, mask):
    """Root mean squared error of numbers in standard deviations, and accuracy of categories, in the holes."""
    errors, hits = [], []
    for position, name in enumerate(truth):
        got, right = filled[name][mask[:, position]], truth[name][mask[:, position]]
        if name.startswith("number"):
            errors.append(np.sqrt(np.square(got - right).mean()) / truth[name].std())
        else:
            hits.append((got == right).mean())
    return np.mean(errors), np.mean(hits)


def main(n_samples=5000):
    """Print and write times and errors."""
    truth, mask = make_table(n_samples)
    holed = truth.mask(mask)
    same = {"n_estimators": 30, "max_features": "sqrt", "min_samples_leaf": 5}
    runs = [
        ours(holed),
        theirs(holed),
        theirs(holed, **same),
        ours(holed),
        simple(holed),
    ]
    base = runs[1][0]
    shape = f"{n_samples} samples, {truth.shape[1]} columns, {mask.mean():.0%} holes"
    lines = [f"{shape}; seconds of processor time, one thread, one run each (ours twice)"]
    for seconds, filled, name in runs:
        error, accuracy = quality(filled, truth, mask)
        lines.append(
            f"{name}: {seconds:.1f} s, {seconds / base:.3f} of IterativeImputer's time; RMSE {error:.3f} "
            f"standard deviations, accuracy {accuracy:.3f}"
        )
    print("\n".join(lines))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "speed_imputation.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
