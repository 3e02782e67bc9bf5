"""What is predicting an absent modality worth? Scores of classifiers after imputation, and its errors."""

import numpy as np
import pandas as pd
from _common import RESULTS, THREE_SEEDS, compare, load_bmmc, load_handwritten, report
from _scans import SERIES, load_gliomas
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmm import ModalityDict
from skmm.compose import ConcatModalities, ModalityTransformer
from skmm.datasets import drop_modalities
from skmm.fusion import MMDynamicsClassifier, MMStaticClassifier
from skmm.impute import PseudoModalityImputer

STRATEGIES = ("denoising", "variational", "nearest", "mean")
BASELINES = ("majority", "concat_lr")
N_DIGITS = 400  # training digits: all of them make every model right


def regression(*steps):
    """Steps that end in logistic regression on standardized columns."""
    return make_pipeline(*steps, StandardScaler(), LogisticRegression(max_iter=2000))


def estimators():
    """Each strategy before logistic regression and before a network, and what they are compared with."""
    imputed = {
        f"{strategy}, then LR": regression(PseudoModalityImputer(strategy), ConcatModalities())
        for strategy in STRATEGIES
    }
    return {
        **imputed,
        "zero, then LR": regression(ConcatModalities(missing=0.0)),
        "denoising, then MM dynamics": make_pipeline(
            PseudoModalityImputer("denoising"), MMDynamicsClassifier()
        ),
        "MM dynamics, neutral": MMDynamicsClassifier(),
        "MM static, neutral": MMStaticClassifier(),
        "MM static, zero": MMStaticClassifier(missing="zero"),
    }


def digits():
    """Training and test digits; their labels."""
    X, y = load_handwritten("train")
    rows, _ = train_test_split(np.arange(len(X)), train_size=N_DIGITS, stratify=y, random_state=0)
    X_test, y_test = load_handwritten("test")
    return X[rows], y[rows], X_test, y_test


def cells():
    """Cells of a donor to train on and of another to test on, RNA as 50 components of the former."""
    X, y, _ = load_bmmc("train")
    X_test, y_test, _ = load_bmmc("test")
    reduce = ModalityTransformer({"rna": PCA(50, random_state=0)}).fit(X)
    return reduce.transform(X), y, reduce.transform(X_test), y_test


def gliomas():
    """Series of 61 patients as how the two sides of the head differ; the side of the tumour; the patients."""
    X, y, _ = load_gliomas()
    data = {}
    for name in SERIES:
        slices = [bag.mean(axis=0) if len(bag) else np.zeros((80, 80)) for bag in X[name]]
        cut = np.stack(slices).reshape(len(X), 8, 10, 8, 10).mean(axis=(2, 4))
        data[name] = (cut - cut[:, :, ::-1])[:, :, :4].reshape(len(X), -1)
    return ModalityDict(data, present={name: X.is_present(name) for name in SERIES}, groups=X.groups), y


def errors(name, X, X_test, seed):
    """Error of each strategy and modality on test samples, where it is known."""
    parts = [
        PseudoModalityImputer(strategy, random_state=seed)
        .fit(X)
        .reconstruction_error(X_test)
        .assign(data=name, strategy=strategy, seed=seed)
        for strategy in STRATEGIES
    ]
    return pd.concat(parts, ignore_index=True)


def simulated(name, X, y, X_test, y_test, rate):
    """Scores and errors where a share of the entries is dropped from training and test."""
    scores, found = [], []
    for seed in THREE_SEEDS:
        train = drop_modalities(X, rate, random_state=seed)
        test = drop_modalities(X_test, rate, random_state=1000 + seed)
        options = {"cv": None, "X_test": test, "y_test": y_test, "baselines": BASELINES}
        scores.append(compare(estimators(), train, y, seeds=(seed,), **options))
        found.append(errors(name, train, test, seed))
    return pd.concat(scores, ignore_index=True), pd.concat(found, ignore_index=True)


def main():
    """One table a data set, and one of the errors."""
    data = {"digits": (*digits(), 0.5), "cells": (*cells(), 0.3)}
    titles = {
        "digits": f"Handwritten, {N_DIGITS} training digits, 50% of the entries missing, 3 seeds",
        "cells": "BMMC, a new donor, 30% of the entries missing, 3 seeds",
        "gliomas": "LGG, side of the tumour, 5 of 183 series really missing and 30% more dropped, 3 seeds",
    }
    found = []
    for name, args in data.items():
        scores, error = simulated(name, *args)
        report(scores, f"imputation_{name}", titles[name])
        found.append(error)
    X, y = gliomas()
    parts = []
    for seed in THREE_SEEDS:
        dropped = drop_modalities(X, 0.3, random_state=seed)
        folds = list(StratifiedGroupKFold(5, shuffle=True, random_state=seed).split(y, y, X.groups))
        parts.append(compare(estimators(), dropped, y, seeds=(seed,), cv=folds, baselines=BASELINES))
        found += [errors("gliomas", dropped[train], dropped[test], seed) for train, test in folds]
    report(pd.concat(parts, ignore_index=True), "imputation_gliomas", titles["gliomas"])
    table = pd.concat(found).groupby(["data", "modality", "strategy"])[
        ["mse", "r2", "cosine_distance", "mean_mse", "mean_cosine_distance"]
    ]
    table.mean().round(4).to_csv(RESULTS / "imputation_errors.csv")


if __name__ == "__main__":
    main()
