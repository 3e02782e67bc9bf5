"""One scikit-learn classifier on one modality: what it is handed, its probabilities, its default."""

import numpy as np
import pandas as pd
from scipy.special import expit, softmax
from sklearn import get_config
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags

from skmm.compose._plan import fit_metadata
from skmm.containers import LazyArray, check_finite, check_numeric, n_rows, read_rows
from skmm.containers import _validation as messages

_CHUNK = 1024  # rows of a lazy modality that are read at a time for a prediction


def align_to_classes(proba, columns, prior):
    """Probabilities of some classes as probabilities of all, neutral on the classes not known.

    A classifier that has never seen a class says nothing about it: the class keeps its prior, and the others
    share what is left of it, p(c) = p(c | known) * sum of the prior over the known classes. So a classifier
    of one class gives the prior.

    Parameters
    ----------
    proba : ndarray of shape (n_samples, n_known)
        Probabilities of the known classes.
    columns : ndarray of int of shape (n_known,)
        Which of all classes these are.
    prior : ndarray of shape (n_classes,)
        Class prior.

    Returns
    -------
    ndarray of shape (n_samples, n_classes)
        Rows sum to 1.
    """
    if len(columns) == len(prior):
        return np.asarray(proba, dtype=np.float64)
    aligned = np.tile(prior, (len(proba), 1))
    aligned[:, columns] = proba * prior[columns].sum()
    return aligned


def class_probabilities(estimator, value):
    """Probabilities, or the logistic (softmax) function of the decisions of a classifier that has none."""
    if hasattr(estimator, "predict_proba"):
        return estimator.predict_proba(value)
    decisions = estimator.decision_function(value)
    if decisions.ndim == 1:
        positive = expit(decisions)
        return np.column_stack([1 - positive, positive])
    return softmax(decisions, axis=1)


def default_classifier(value):
    """Logistic regression on standardized features, its penalty scaled to their number.

    With C = 0.7 / sqrt(n_features) the fit is as smooth on 20 features as on 2000. A sparse table is scaled
    and not centred, which changes nothing but the unpenalized intercept.
    """
    return standardized_regression(0.7 / np.sqrt(value.shape[1]), with_mean=isinstance(value, np.ndarray))


def standardized_regression(C, *, with_mean=True):
    """Logistic regression on standardized features; sample weights count in both steps."""
    # Arrays also where scikit-learn as a whole is told to put out DataFrames, which cannot be sparse.
    scaler = StandardScaler(with_mean=with_mean).set_output(transform="default")
    regression = LogisticRegression(C=C, tol=1e-6, max_iter=2000)
    if get_config()["enable_metadata_routing"]:
        scaler.set_fit_request(sample_weight=True)
        regression.set_fit_request(sample_weight=True)
    return make_pipeline(scaler, regression)


def weight_params(estimator, weight):
    """Keyword arguments of fit that hand on sample weights, where the estimator takes them."""
    metadata = {} if weight is None else {"sample_weight": weight}
    return metadata if get_config()["enable_metadata_routing"] else fit_metadata(estimator, metadata)


def takes_rows_of_numbers(estimator):
    """Whether an estimator wants (n_samples, n_features), so that images are flattened."""
    if estimator is None:
        return True
    if isinstance(estimator, Pipeline):
        steps = [step for _, step in estimator.steps if step is not None and not isinstance(step, str)]
        return takes_rows_of_numbers(steps[0])
    tags = get_tags(estimator)
    return tags.input_tags.two_d_array and not tags.input_tags.three_d_array and not tags.no_validation


def flatten_rows(value, name):
    """Images and volumes as one row of numbers each."""
    if value.dtype == object:
        raise ValueError(
            f"Modality {name!r} holds images of different sizes, which cannot be flattened into rows of one "
            f"width. Resize them, or give LateFusionClassifier an estimator for {name!r} that takes them, "
            "such as a Pipeline that begins with an embedder."
        )
    return value.reshape(n_rows(value), -1)


class ModalityClassifier:
    """A classifier of one modality, with the probabilities of all classes.

    Parameters
    ----------
    estimator : classifier or None
        Cloned in fit; None is :func:`default_classifier`.
    name : str
        The modality.
    kind : str
        Its kind.
    """

    def __init__(self, estimator, name, kind):
        self.estimator = estimator
        self.name = name
        self.kind = kind

    def fit(self, value, codes, weight, params, rows):
        """Fit on the present rows.

        Parameters
        ----------
        value : array
            Rows of the modality, in memory.
        codes : ndarray of int of shape (n_rows,)
            Classes as numbers.
        weight : ndarray of shape (n_rows,) or None
            Sample weights, handed to what takes them where `params` is None.
        params : dict or None
            Keyword arguments of fit that were routed.
        rows : ndarray of int of shape (n_rows,)
            Numbers of the rows in the caller's data, for messages.
        """
        self.columns_, local = np.unique(codes, return_inverse=True)
        if len(self.columns_) < 2:
            self.estimator_ = DummyClassifier(strategy="prior")
            if len(rows):
                self.estimator_.fit(np.zeros((len(rows), 1)), local)
            return self
        value = self._handed(value, rows)
        self.estimator_ = default_classifier(value) if self.estimator is None else clone(self.estimator)
        if params is None or self.estimator is None:
            params = weight_params(self.estimator_, weight)
        self._told(self.estimator_.fit, value, rows, local, **params)
        return self

    def predict_proba(self, value, rows, prior):
        """Probabilities of all classes for present rows, numbered ``rows``; lazy ones read piece by piece."""
        step = _CHUNK if isinstance(value, LazyArray) else max(len(rows), 1)
        pieces = [slice(start, start + step) for start in range(0, len(rows), step)]
        probas = [self._predict(read_rows(value, piece), rows[piece], prior) for piece in pieces]
        return np.concatenate(probas) if probas else np.empty((0, len(prior)))

    def _predict(self, value, rows, prior):
        """Probabilities for rows that are in memory."""
        if len(self.columns_) < 2:
            return np.tile(prior, (len(rows), 1))
        value = self._handed(value, rows)
        value = _as_fitted(value, self.estimator_, self.name)
        proba = self._told(lambda X: class_probabilities(self.estimator_, X), value, rows)
        return align_to_classes(proba, self.columns_, prior)

    def _handed(self, value, rows):
        """What the estimator is handed: checked numbers for the default one, else the modality as it is."""
        if self.kind in ("image", "volume") and takes_rows_of_numbers(self.estimator):
            value = flatten_rows(value, self.name)
        if self.estimator is None:
            value = check_numeric(value, self.name)
            check_finite(value, np.ones(len(rows), dtype=bool), self.name, rows)
        return value

    def _told(self, method, value, rows, *args, **params):
        """Call a method of the estimator; where it fails, find the cause and say in which modality it is."""
        try:
            return method(value, *args, **params)
        except (TypeError, ValueError) as error:
            if self.kind == "table":
                check_finite(check_numeric(value, self.name), np.ones(len(rows), dtype=bool), self.name, rows)
            error.add_note(f"Raised by {self.estimator!r} on modality {self.name!r}.")
            raise


def _as_fitted(value, estimator, name):
    """A DataFrame where the estimator was fitted on one, and an array where it was not."""
    columns = getattr(estimator, "feature_names_in_", None)
    if columns is None and isinstance(value, pd.DataFrame) and hasattr(estimator, "n_features_in_"):
        return check_numeric(value, name)
    if columns is not None and isinstance(value, np.ndarray):
        return pd.DataFrame(value, columns=columns)
    return value


def check_classifier(estimator, where, *, needs_proba):
    """Refuse what is no classifier, or has no probabilities where they are needed."""
    if isinstance(estimator, type):
        raise TypeError(f"{where} must be a classifier instance. Got the class {estimator.__name__}: add ().")
    if not hasattr(estimator, "fit") or not hasattr(estimator, "predict"):
        raise TypeError(f"{where} must be a classifier with fit and predict. Got {estimator!r} instead.")
    if hasattr(estimator, "predict_proba"):
        return
    advice = f"CalibratedClassifierCV({type(estimator).__name__}(...), ensemble=False)"
    if needs_proba or not hasattr(estimator, "decision_function"):
        raise TypeError(
            f"{where} must have predict_proba, for its probabilities are needed. Got {estimator!r}, which "
            f"has none: use {advice}."
        )


def check_kind(estimator, name, kind):
    """Refuse bags and text for estimators of numbers."""
    if kind in ("bag", "text") and takes_rows_of_numbers(estimator):
        who = "LateFusionClassifier" if estimator is None else type(estimator).__name__
        raise messages.kind_not_taken(name, kind, ("table", "image", "volume"), who)


def fit_part(part, value, codes, weight, params, rows):
    """Fit a clone of one modality's classifier; at module level, so that it can run in another process."""
    part = ModalityClassifier(part.estimator, part.name, part.kind)
    return part.fit(read_rows(value, slice(None)), codes, weight, params, rows)


def fit_and_judge(part, value, codes, weight, params, rows, test_value, test_rows, prior):
    """Probabilities of test rows by a classifier that has been fitted on the training rows of a fold."""
    fitted = fit_part(part, value, codes, weight, params, rows)
    return fitted.predict_proba(test_value, test_rows, prior)
