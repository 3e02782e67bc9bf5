"""Do images help RNA and proteins on a new donor? BMMC CITE-seq; images paired at random within class.

The study of the papers on other cells: early, intermediate and late fusion without and with images, the
ablation of MM dynamics, subsets of the modalities, and test images that are masked or declared missing. The
pairing is artificial, see `_common.load_paired`.
"""

import numpy as np
import pandas as pd
from _common import (
    BASELINES,
    CELL_IMAGES,
    PAIRED,
    THREE_SEEDS,
    attention,
    compare,
    components_lr,
    concatenations,
    donor_folds,
    early,
    fusions,
    image_fusions,
    load_bmmc,
    load_paired,
    report,
)
from sklearn.linear_model import LogisticRegression

from skmm import ModalityDict
from skmm.fusion import ImageMMDynamics, MMStaticClassifier
from skmm.model_selection import compare_modalities

CELLS = "BMMC CITE-seq, six types, each donor left out once, 3 seeds"
SUBSETS = [["rna"], ["protein"], ["image"], ["rna", "image"], ["protein", "image"], ["rna", "protein"]]


def mask_images(X):
    """X with every pixel of every image at one half, as in the papers' experiment."""
    return ModalityDict({**X, "image": np.full_like(X["image"], 128)})


def drop_images(X):
    """X with every image declared missing."""
    return X[["rna", "protein"]]


def subset_scores(models, folds, tables, images):
    """Scores of each model on subsets of the modalities; what the tables have of it is taken from there."""
    parts = []
    for name, model in models.items():
        known = {"rna + protein + image": images}
        if not isinstance(model, ImageMMDynamics):  # whose table without images has the class for tables
            known["rna + protein"] = tables
        subsets = [
            subset
            for subset in SUBSETS
            if " + ".join(subset) not in known and (len(subset) > 1 or name != "MCAT")
        ]
        scores = compare(
            model,
            load_paired,
            None,
            seeds=THREE_SEEDS,
            function=compare_modalities,
            cv=folds,
            subsets=subsets,
        )
        complete = [
            table[table["estimator"] == name].assign(subset=subset, n_modalities=subset.count("+") + 1)
            for subset, table in known.items()
        ]
        strategy = complete[0]["strategy"].iloc[0]
        scores = pd.concat([scores, *complete], ignore_index=True)
        scores["strategy"] = np.where(scores["n_modalities"] > 1, strategy, "none")
        parts.append(scores.assign(estimator=f"{name}: " + scores["subset"]))
    return pd.concat(parts, ignore_index=True)


def main():
    """Writes the tables without and with images, of subsets, and of changed test images."""
    X, y, donors = load_bmmc(types=CELL_IMAGES)
    shared = {"seeds": THREE_SEEDS, "cv": donor_folds(donors), "baselines": BASELINES}

    estimators = {**concatenations(), "components + LR": components_lr(X), **fusions()}
    tables = compare(estimators, X, y, **shared)
    report(tables, "bmmc_tables", f"{CELLS}, RNA and proteins")

    X_paired, _ = load_paired(0)
    estimators = {**concatenations(), "components + LR": components_lr(X_paired), **image_fusions()}
    changes = {"masked": mask_images, "missing": drop_images}
    images, changed = compare(estimators, load_paired, None, changes=changes, **shared)
    report(images, "bmmc_images", f"{CELLS}, RNA, proteins and images, {PAIRED}")
    as_told = changed.assign(estimator=changed["estimator"] + ", images " + changed["change"])
    report(as_told, "bmmc_masked", f"{CELLS}, trained with images, {PAIRED}; test images masked or missing")

    models = {
        "concat_lr": early(LogisticRegression(max_iter=1000)),
        "MM dynamics": ImageMMDynamics(flips="both"),
        "MM static": MMStaticClassifier(flips="both"),
        **attention(),
    }
    scores = subset_scores(models, shared["cv"], tables, images)
    report(scores, "bmmc_subsets", f"{CELLS}, by modalities, {PAIRED}")


if __name__ == "__main__":
    main()
