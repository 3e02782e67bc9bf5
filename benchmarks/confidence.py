"""How far are the confidences of MM dynamics right? Against the probability of the true class, by modality.

The error figures of the second work on test samples: ROSMAP's official split, BMMC with RNA and proteins and
with images (paired at random within class) on the donor left out, three seeds each.
"""

import numpy as np
import pandas as pd
from _common import (
    CELL_IMAGES,
    PAIRED,
    RESULTS,
    THREE_SEEDS,
    donor_folds,
    load_bmmc,
    load_paired,
    load_rosmap,
)
from _pages import markdown, restructured, short

from skmm.fusion import ImageMMDynamics, MMDynamicsClassifier
from skmm.metrics import confidence_errors

SHOWN = {
    "confidence": "mean confidence",
    "true_probability": "mean probability of the true class",
    "accuracy": "accuracy alone",
    "mae": "mean absolute error",
    "r2": "R2",
    "beyond_50": "share of errors beyond 50 %",
}


def judge(model, X, y):
    """Figures of each modality of a fitted model on test samples."""
    confidence, alone = model.modality_confidence(X), model.modality_proba(X)
    codes = np.searchsorted(model.classes_, y)
    truth = {name: proba[np.arange(len(y)), codes] for name, proba in alone.items()}
    return confidence_errors(confidence, truth, present=X).assign(
        confidence=confidence.mean(),
        true_probability=pd.Series({name: values.mean() for name, values in truth.items()}),
        accuracy=pd.Series({name: np.mean(proba.argmax(axis=1) == codes) for name, proba in alone.items()}),
    )


def splits():
    """Every run: data, seed, a model, training and test samples."""
    train, test = load_rosmap("train"), load_rosmap("test")
    X, y, donors = load_bmmc(types=CELL_IMAGES)
    for seed in THREE_SEEDS:
        yield "ROSMAP, official split", seed, MMDynamicsClassifier(random_state=seed), train, test
        X_paired, _ = load_paired(seed)
        for rows, held_out in donor_folds(donors):
            yield (
                "BMMC",
                seed,
                MMDynamicsClassifier(random_state=seed),
                (X[rows], y[rows]),
                (
                    X[held_out],
                    y[held_out],
                ),
            )
            images = ImageMMDynamics(flips="both", random_state=seed)
            yield (
                f"BMMC, {PAIRED}",
                seed,
                images,
                (X_paired[rows], y[rows]),
                (
                    X_paired[held_out],
                    y[held_out],
                ),
            )


def main():
    """Writes every figure, and their means and deviations over seeds and donors."""
    parts = []
    for data, seed, model, train, test in splits():
        figures = judge(model.fit(*train), *test).rename_axis("modality").reset_index()
        parts.append(figures.assign(data=data, seed=seed))
        print(data, seed, flush=True)
    figures = pd.concat(parts, ignore_index=True)
    figures.round(5).to_csv(RESULTS / "confidence.csv", index=False)
    spread = figures.groupby(["data", "modality"], sort=False)[list(SHOWN)].agg(["mean", "std"])
    lines = [
        [*name, *(f"{short(row[key, 'mean'])} ± {short(row[key, 'std'])}" for key in SHOWN)]
        for name, row in spread.iterrows()
    ]
    header = ["data", "modality", *SHOWN.values()]
    title = "Confidences of MM dynamics on test samples, mean ± standard deviation over seeds and donors"
    (RESULTS / "confidence.md").write_text(f"# {title}\n\n{markdown(header, lines)}\n", encoding="utf-8")
    (RESULTS / "confidence.rst").write_text(f"{restructured(header, lines)}\n", encoding="utf-8")
    print(markdown(header, lines))


if __name__ == "__main__":
    main()
