"""Does fusion of three omics help in Alzheimer's disease? ROSMAP, official split and cross-validation."""

from _common import SEEDS, concatenations, fusions, load_rosmap, report

from skmm.model_selection import compare_estimators

METRICS = ["accuracy", "f1_macro", "f1_weighted", "balanced_accuracy", "roc_auc"]


def main():
    """Two tables: the official test set, and five times five folds of the training part."""
    X, y = load_rosmap("train")
    X_test, y_test = load_rosmap("test")
    estimators = {**concatenations(), **fusions()}
    shared = {
        "random_states": SEEDS,
        "baselines": ("majority", "concat_lr", "single_lr"),
        "n_jobs": 2,
        "verbose": 1,
    }
    official = compare_estimators(estimators, X, y, cv=None, X_test=X_test, y_test=y_test, **shared)
    report(official, "rosmap_official", "ROSMAP, official split (245 / 106 samples), 5 seeds")
    folds = compare_estimators(estimators, X, y, cv=5, **shared)
    report(folds, "rosmap_cv", "ROSMAP, training part, 5-fold cross-validation with 5 seeds")


if __name__ == "__main__":
    main()
