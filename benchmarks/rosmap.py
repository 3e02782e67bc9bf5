"""Does fusion of three omics help in Alzheimer's disease? ROSMAP, official split and cross-validation."""

from _common import BASELINES, compare, concatenations, fusions, load_rosmap, report


def main():
    """Two tables: the official test set, and five times five folds of the training part."""
    X, y = load_rosmap("train")
    X_test, y_test = load_rosmap("test")
    estimators = {**concatenations(), **fusions()}
    official = compare(estimators, X, y, cv=None, X_test=X_test, y_test=y_test, baselines=BASELINES)
    report(official, "rosmap_official", "ROSMAP, official split (245 / 106 samples), 5 seeds")
    folds = compare(estimators, X, y, cv=5, baselines=BASELINES)
    report(folds, "rosmap_cv", "ROSMAP, training part, 5-fold cross-validation with 5 seeds")


if __name__ == "__main__":
    main()
