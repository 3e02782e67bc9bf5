"""How do models bear missing modalities? Six views of handwritten digits, 0 to 70 % of them missing."""

import pandas as pd
from _common import BASELINES, RESULTS, THREE_SEEDS, attention, compare, late, load_handwritten, report
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmm.compose import ConcatModalities
from skmm.datasets import drop_modalities
from skmm.fusion import MMDynamicsClassifier, MMStaticClassifier

RATES = (0.0, 0.3, 0.5, 0.7)


def main():
    """One table a rate; the same share is missing in training and test, drawn anew with each seed."""
    X, y = load_handwritten("train")
    X_test, y_test = load_handwritten("test")
    estimators = {
        "MM dynamics": MMDynamicsClassifier(),
        "MM dynamics, modality dropout": MMDynamicsClassifier(modality_dropout=0.3),
        "MM static": MMStaticClassifier(),
        **attention(),
        **late(),
        "concat + LR, presence as columns": make_pipeline(
            ConcatModalities(add_presence=True), StandardScaler(), LogisticRegression(max_iter=2000)
        ),
    }
    parts = []
    for rate in RATES:
        for seed in THREE_SEEDS:
            scores = compare(
                estimators,
                drop_modalities(X, rate, random_state=seed),
                y,
                seeds=(seed,),
                cv=None,
                X_test=drop_modalities(X_test, rate, random_state=1000 + seed),
                y_test=y_test,
                baselines=BASELINES if rate == 0 else BASELINES[:2],
            )
            parts.append(scores.assign(missing_rate=rate))
    scores = pd.concat(parts, ignore_index=True)
    for rate, part in scores.groupby("missing_rate"):
        report(
            part,
            f"handwritten_missing_{rate:.1f}",
            f"Handwritten, {rate:.0%} of the entries missing, 3 seeds",
        )
    accuracy = scores[scores["metric"] == "accuracy"]
    summary = accuracy.groupby(["missing_rate", "estimator"])["value"].agg(["mean", "std"]).round(4)
    summary.to_csv(RESULTS / "handwritten_missing.csv")


if __name__ == "__main__":
    main()
