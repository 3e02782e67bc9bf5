"""Does fusion of RNA and proteins carry over to a new donor? BMMC CITE-seq, one donor each."""

from _common import SEEDS, concatenations, fusions, load_bmmc, report

from skmm.model_selection import compare_estimators


def main():
    """Trains on donor s1d1 and tests on donor s1d2."""
    X, y = load_bmmc("train")
    X_test, y_test = load_bmmc("test")
    scores = compare_estimators(
        {**concatenations(), **fusions()},
        X,
        y,
        cv=None,
        X_test=X_test,
        y_test=y_test,
        random_states=SEEDS,
        baselines=("majority", "concat_lr", "single_lr"),
        n_jobs=2,
        verbose=1,
    )
    report(scores, "bmmc_donors", "BMMC CITE-seq, coarse types, train donor s1d1, test donor s1d2, 5 seeds")


if __name__ == "__main__":
    main()
