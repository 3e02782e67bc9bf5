"""On which side is the tumour? Three series of MRI slices and a clinical table of 61 patients with glioma.

The published grid: slices scaled (GSL) or equalised (HIST); averaged, or pooled by attention; no sampling,
weighted losses, or SMOTE inside the folds; and five classifiers. Five folds with three seeds, and one
hospital held out.
"""

from pathlib import Path

import numpy as np
from _common import MEMORY, THREE_SEEDS, compare, report, sources
from _scans import PREPARED, SERIES, clinical, embed, load_gliomas, write_grid
from imblearn.over_sampling import SMOTE
from imblearn.pipeline import make_pipeline
from joblib import Memory
from lightgbm import LGBMClassifier
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from xgboost import XGBClassifier

from skmm.compose import ConcatModalities, ModalityTransformer
from skmm.embedding import AttentionPooling, AveragePooling
from skmm.fusion import AttentionPoolingClassifier
from skmm.multiclass import ClassWeightClassifier
from skmm.sampling import ModalitySampler

POOLED = {"average": AveragePooling(), "attention": AttentionPooling()}
SAMPLED = {"none": None, "weighted": "balanced", "SMOTE": None}
# Vectors and pooled vectors of a fold serve all classifiers; those of other code are never taken.
STEPS = Memory(Path(MEMORY.location, sources()[:16]), verbose=0)
METRICS = ["accuracy", "balanced_accuracy", "f1_macro", "roc_auc_ovr"]
# With few patients many small trees; LightGBM's default of 20 samples a leaf would leave none to split.
BOOSTED = {"n_estimators": 100, "learning_rate": 0.1}


def classifiers(class_weight):
    """The four classifiers of the published grid, by name."""
    stumps = XGBClassifier(max_depth=1, n_jobs=1, **BOOSTED)
    return {
        "SVC": CalibratedClassifierCV(SVC(kernel="linear", class_weight=class_weight), ensemble=False),
        "LightGBM": LGBMClassifier(
            class_weight=class_weight, min_child_samples=5, n_jobs=1, verbose=-1, **BOOSTED
        ),
        "XGBoost": ClassWeightClassifier(
            XGBClassifier(max_depth=6, n_jobs=1, **BOOSTED), class_weight=class_weight
        ),
        "XGB bagging": BaggingClassifier(
            ClassWeightClassifier(stumps, class_weight=class_weight), 10, max_samples=0.8, max_features=0.8
        ),
    }


def pipelines():
    """Every cell of the grid: {"HIST | attention | SVC | SMOTE": pipeline}."""
    cells = {}
    for prepared in PREPARED:
        for pooled, pooling in POOLED.items():
            vectors = make_pipeline(*(step for _, step in embed(prepared).steps), clone(pooling))
            prepare = ModalityTransformer({SERIES: vectors, "clinical": clinical()})
            for sampled, weight in SAMPLED.items():
                sampler = [ModalitySampler(SMOTE())] if sampled == "SMOTE" else []
                for name, classifier in classifiers(weight).items():
                    cells[f"{prepared} | {pooled} | {name} | {sampled}"] = make_pipeline(
                        clone(prepare), ConcatModalities(), StandardScaler(), *sampler, classifier,
                        memory=STEPS,
                    )  # fmt: skip
            bags = ModalityTransformer({SERIES: embed(prepared), "clinical": clinical()})
            for sampled in ("none", "weighted"):
                network = AttentionPoolingClassifier(pooling=pooled, class_weight=SAMPLED[sampled])
                cells[f"{prepared} | {pooled} | AttentionPooling | {sampled}"] = make_pipeline(
                    clone(bags), network, memory=STEPS
                )
    return cells


def grid(scores, name, title):
    """Write the table in the form of the published one: a row a cell, the best score first."""
    means = scores.pivot_table("value", "estimator", "metric", aggfunc=["mean", "std"])
    weights = {"accuracy": 0.25, "f1_macro": 0.25, "roc_auc_ovr": 0.5}  # as published
    score = sum(share * means["mean", metric] for metric, share in weights.items())
    rows = []
    for cell in score.sort_values(ascending=False).index:
        parts = cell.split(" | ") if " | " in cell else ["", "", cell, ""]
        figures = [f"{means.loc[cell, ('mean', m)]:.3f} ± {means.loc[cell, ('std', m)]:.3f}" for m in METRICS]
        rows.append([*parts, *figures, f"{score[cell]:.3f}"])
    header = ["slices", "pooling", "model", "sampling", "accuracy", "balanced", "macro-F1", "AUC", "score"]
    write_grid(f"{name}_grid", title, header, rows)


def main():
    """Two tables: folds, and one hospital held out."""
    X, y, sites = load_gliomas()
    rows = np.arange(len(y))
    held_out = [(rows[sites != site], rows[sites == site]) for site in ("CS", "DU")]
    backbone = "backbone of random filters, right minus left"
    for name, cv, how in (
        ("lgg_folds", 5, "5 folds with 3 seeds"),
        ("lgg_sites", held_out, "one hospital (16 or 45 patients) held out, 3 seeds"),
    ):
        scores = compare(pipelines(), X, y, cv=cv, seeds=THREE_SEEDS, scoring=METRICS)
        title = f"Side of the tumour, 61 patients with glioma, {backbone}; {how}"
        report(scores, name, title)
        grid(scores, name, title)


if __name__ == "__main__":
    main()
