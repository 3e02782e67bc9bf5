"""Comparisons with several targets, each scored on the samples that have a label for it."""

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, is_classifier
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import type_of_target

from skmm.multiclass import MultiTargetClassifier
from skmm.multiclass._targets import as_targets, check_same_samples, labels_of


def has_targets(y):
    """Whether y holds several targets: a DataFrame, or an array of two columns or more."""
    return isinstance(y, pd.DataFrame) or (np.ndim(y) == 2 and np.shape(y)[1] > 1)


def check_targets(X, y, *, suffix=""):
    """Labels of several targets as a DataFrame, checked; a test set may be of one class."""
    y = as_targets(y, "compare_estimators")
    check_same_samples(X, y)
    for target in y.columns:
        labels = np.asarray(labels_of(y[target].dropna()))
        if not len(labels):
            raise ValueError(f"y{suffix}[{target!r}] has no label. Leave it out.")
        kind = type_of_target(labels)
        if kind not in {"binary", "multiclass"}:
            raise ValueError(f"y{suffix}[{target!r}] must hold class labels. Got a {kind} target instead.")
        if not suffix and len(np.unique(labels)) < 2:
            raise ValueError(f"y[{target!r}] must hold at least two classes. Got {labels[0]} only.")
    return y


def strata_of(y, stratify):
    """What folds are stratified by: labels of one target, holes as its most frequent class; or nothing."""
    if stratify is None:
        return np.zeros(len(y), dtype=int)
    if stratify not in y:
        raise ValueError(f"stratify must name a target of y, one of {list(y.columns)}. Got {stratify!r}.")
    codes = pd.factorize(y[stratify], sort=False)[0]
    return np.where(codes < 0, np.bincount(codes[codes >= 0]).argmax(), codes)


def check_labels_in_folds(y, folds):
    """Raise where a target has no label on one side of a fold: nothing to learn from, or to score."""
    for splits in folds.values():
        for number, split in enumerate(splits):
            for rows, side in zip(split, ("training", "test"), strict=True):
                empty = y.columns[y.iloc[rows].isna().all()].tolist()
                if empty:
                    raise ValueError(
                        f"Fold {number} has no label of {empty} in its {side} samples. Use fewer folds, "
                        "stratify by that target, or leave it out."
                    )


def per_target(estimator):
    """An estimator of several targets as it is; an ordinary classifier once a target."""
    return MultiTargetClassifier(estimator) if is_classifier(estimator) else estimator


class TargetView(ClassifierMixin, BaseEstimator):
    """What a fitted model said of one target's samples, as a classifier that scorers can ask.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        Labels that the model knows.
    labels : ndarray of shape (n_samples,)
        Its predictions.
    proba : ndarray of shape (n_samples, n_classes) or None
        Its probabilities, where it gives them.
    """

    def __init__(self, classes, labels, proba):
        self.classes = classes
        self.labels = labels
        self.proba = proba
        self.classes_ = classes

    def fit(self, X, y):
        """Nothing is left to learn."""
        return self

    def predict(self, X):
        """Labels of the samples that the view was made for."""
        return self.labels

    @available_if(lambda self: self.proba is not None)
    def predict_proba(self, X):
        """Probabilities of the same."""
        return self.proba


def target_views(fitted, X, y):
    """What a fitted model says of each target, and the true labels, where there are any.

    Parameters
    ----------
    fitted : estimator
        ``predict`` gives a DataFrame with a column a target, ``predict_proba`` a dict of DataFrames.
    X, y : samples, DataFrame of labels
        To be predicted.

    Yields
    ------
    target, view, rows, labels
        ``rows`` are the numbers of the samples that have labels.
    """
    predicted = fitted.predict(X)
    if not isinstance(predicted, pd.DataFrame) or list(predicted.columns) != list(y.columns):
        raise ValueError(
            f"With several targets predict must give a DataFrame with the columns of y, {list(y.columns)}. "
            "Use MultiTargetClassifier, alone or as the last step of a Pipeline."
        )
    probas = fitted.predict_proba(X) if hasattr(fitted, "predict_proba") else {}
    for target in y.columns:
        rows = np.flatnonzero(y[target].notna())
        if not len(rows):
            continue
        labels, answers = (np.asarray(labels_of(part[target].iloc[rows])) for part in (y, predicted))
        if target in probas:
            proba = probas[target].iloc[rows]
            view = TargetView(np.asarray(proba.columns), answers, proba.to_numpy())
        else:
            view = TargetView(np.unique(np.concatenate([labels, answers])), answers, None)
        yield target, view, rows, labels
