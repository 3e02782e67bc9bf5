"""What stands for a series that is missing? Gliomas again: more and more series of the test patients go.

Zeros, a learned neutral vector, weights renormalised over what is there, and predicted vectors
(pseudo-modalities); five folds with three seeds. Slices are embedded once: the backbone learns nothing.
"""

import pandas as pd
from _common import RESULTS, THREE_SEEDS
from _scans import SERIES, embed, load_gliomas, write_grid
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmm.compose import ConcatModalities, ModalityTransformer
from skmm.embedding import AveragePooling
from skmm.fusion import AttentionPoolingClassifier
from skmm.impute import PseudoModalityImputer
from skmm.model_selection import missing_modality_curve

RATES = (0.0, 0.3, 0.6)  # each patient keeps a series: of three no more than two thirds can go
TARGETS = ("flair", "overall")


def averaged(*steps):
    """Series averaged over their slices, some steps, logistic regression."""
    average = ModalityTransformer({SERIES: AveragePooling()})
    return make_pipeline(average, *steps, StandardScaler(), LogisticRegression(C=0.01, max_iter=2000))


def estimators():
    """What is compared, by name."""
    learned = {
        "network, zero": {"missing": "zero"},
        "network, neutral": {"missing": "neutral"},
        "network, neutral, modality dropout": {"missing": "neutral", "modality_dropout": 0.3},
        "network, dynamic": {"fusion": "dynamic"},
        "network, dynamic, modality dropout": {"fusion": "dynamic", "modality_dropout": 0.3},
        "network, late": {"fusion": "late"},
    }
    imputed = {
        f"pseudo-modality ({strategy}) + LR": averaged(PseudoModalityImputer(strategy), ConcatModalities())
        for strategy in ("denoising", "variational", "nearest", "mean")
    }
    return {
        "majority": DummyClassifier(),
        "zero + LR": averaged(ConcatModalities(missing=0.0)),
        "mean + LR (concat_lr)": averaged(ConcatModalities()),
        **imputed,
        **{name: AttentionPoolingClassifier(**params) for name, params in learned.items()},
    }


def main():
    """One table: macro-F1 and AUC by what is missing and how much."""
    X, y, _ = load_gliomas()
    X = ModalityTransformer({SERIES: embed()}, remainder="drop").fit_transform(X)
    curves = []
    for name, estimator in estimators().items():
        print(name, flush=True)
        scores = missing_modality_curve(
            estimator, X, y, rates=RATES, modalities=TARGETS, scoring=["f1_macro", "roc_auc_ovr"],
            random_states=THREE_SEEDS, n_jobs=2,
        )  # fmt: skip
        curves.append(scores.assign(estimator=name))
    scores = pd.concat(curves, ignore_index=True)
    scores.round(5).to_csv(RESULTS / "lgg_missing.csv", index=False)
    table = scores.pivot_table(
        "value",
        ["estimator", "metric"],
        ["modality", "rate"],
        aggfunc=lambda values: f"{values.mean():.3f} ± {values.std():.3f}",
        sort=False,
    )
    table.columns = [f"{what} {rate:.0%}" for what, rate in table.columns]
    title = "Side of the tumour, series of the test patients missing; 5 folds with 3 seeds"
    header = ["model", "metric", *table.columns]
    rows = [[*map(str, key), *cells] for key, cells in zip(table.index, table.to_numpy(), strict=True)]
    write_grid("lgg_missing_grid", title, header, rows)


if __name__ == "__main__":
    main()
