"""Does fusion of RNA and proteins carry over to a new donor? BMMC CITE-seq, one donor each."""

from _common import BASELINES, compare, concatenations, fusions, load_bmmc, report


def main():
    """Trains on donor s1d1 and tests on donor s1d2."""
    X, y, _ = load_bmmc("train")
    X_test, y_test, _ = load_bmmc("test")
    estimators = {**concatenations(), **fusions()}
    scores = compare(estimators, X, y, cv=None, X_test=X_test, y_test=y_test, baselines=BASELINES)
    report(scores, "bmmc_donors", "BMMC CITE-seq, coarse types, train donor s1d1, test donor s1d2, 5 seeds")


if __name__ == "__main__":
    main()
