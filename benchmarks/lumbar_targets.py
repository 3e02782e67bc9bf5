"""What do the other levels of a spine tell about one level? 25 ordered targets with holes, from labels alone.

The labels of the RSNA 2024 lumbar data: five conditions at five levels of 1,975 patients, each normal or
mild, moderate, or severe; 572 labels are missing. There are NO IMAGES here. Each target is predicted from the
grades of all conditions at the OTHER four levels of the same patient, and from how many series of each kind
there are; so the figures say how far degeneration at one level goes with that at others, and what a cascade
and balanced weights do to rare grades. They are no figures of a reader of scans.
"""

import os
import sys
from pathlib import Path

import pandas as pd
from _common import compare, report
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBClassifier

from skmm import ModalityDict
from skmm.compose import ConcatModalities, ModalityTransformer
from skmm.impute import RandomForestImputer
from skmm.model_selection import comparison_table
from skmm.multiclass import ClassWeightClassifier, MultiTargetClassifier, OrdinalCascadeClassifier

GRADES = ["Normal/Mild", "Moderate", "Severe"]
LEVELS = ("l1_l2", "l2_l3", "l3_l4", "l4_l5", "l5_s1")
TITLE = (
    "25 lumbar targets from the grades at the other levels (labels alone, no images; 1,975 patients), 3 folds"
)


def load_lumbar():
    """Grades by level as tables of numbers with holes, counts of series, and the 25 targets."""
    if "SKMM_TEST_DATA" not in os.environ:
        print("Skipped: set SKMM_TEST_DATA to the folder of the real data sets.")
        sys.exit(0)
    folder = Path(os.environ["SKMM_TEST_DATA"], "rsna2024_labels_only")
    y = pd.read_csv(folder / "true_labels.csv.gz", index_col="study_id")
    series = pd.read_csv(folder / "train_series_descriptions.csv.gz")  # its column age is made up: not used
    counts = pd.crosstab(series["study_id"], series["series_description"]).reindex(y.index)
    grades = y.apply(lambda column: column.map({grade: float(k) for k, grade in enumerate(GRADES)}))
    X = {level: grades[[target for target in y if target.endswith(level)]] for level in LEVELS}
    return ModalityDict({**X, "series": counts.astype(float)}), y


def other_levels(targets):
    """Modalities that each target may see: never those of its own level."""
    return {
        target: [*(level for level in LEVELS if not target.endswith(level)), "series"] for target in targets
    }


def models(y):
    """Classifiers around which each target's own is made; holes among grades are imputed once for all."""
    lr = LogisticRegression(tol=1e-3, max_iter=500)
    balanced = LogisticRegression(tol=1e-3, max_iter=500, class_weight="balanced")
    boosted = XGBClassifier(n_estimators=30, max_depth=3, n_jobs=1)
    classifiers = {
        "LR": lr,
        "LR, balanced": balanced,
        "cascade of LR": OrdinalCascadeClassifier(lr, order=GRADES),
        "cascade of LR, balanced": OrdinalCascadeClassifier(balanced, order=GRADES),
        "XGBoost, balanced": ClassWeightClassifier(boosted),
        "cascade of XGBoost, balanced": OrdinalCascadeClassifier(
            ClassWeightClassifier(boosted), order=GRADES
        ),
    }
    impute = ModalityTransformer(dict.fromkeys(LEVELS, RandomForestImputer(10, max_iter=2)))
    return {
        name: make_pipeline(
            impute,
            MultiTargetClassifier(
                make_pipeline(ConcatModalities(), StandardScaler(), classifier), modalities=other_levels(y)
            ),
        )
        for name, classifier in classifiers.items()
    }


def main():
    """A table of means over the targets, and the scores of each in the file of numbers."""
    X, y = load_lumbar()
    # concat_lr would see the grades that are to be predicted: each target's LR above takes its place.
    scores = compare(
        models(y), X, y, seeds=(0,), cv=3, baselines="majority", stratify="left_subarticular_stenosis_l4_l5",
        scoring=["f1_macro", "balanced_accuracy", "roc_auc_ovr", "accuracy"],
    )  # fmt: skip
    report(scores, "lumbar_targets", TITLE)
    print(comparison_table(scores, metrics="f1_macro", by_target=True, format="markdown"))


if __name__ == "__main__":
    main()
