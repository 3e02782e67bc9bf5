"""Ordered classes as a cascade of yes-or-no questions: is it there, and then how severe."""

import numpy as np
import pandas as pd
from joblib import Parallel
from sklearn import get_config
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.metadata_routing import process_routing

from skmm._parallel import delayed
from skmm._training import check_weights, draw_seed, encode_labels, seeded_clone
from skmm.compose._fitting import take_metadata
from skmm.containers import _validation as messages
from skmm.containers._presence import warn_without_modality
from skmm.multiclass._common import (
    WrapsOne,
    check_fitted,
    check_probabilistic,
    check_rows,
    has_something,
    params_of_fit,
    take_samples,
)


def cascade_probabilities(stages):
    """Probabilities of ordered classes from the answers of a cascade.

    Parameters
    ----------
    stages : ndarray of shape (n_samples, n_classes - 1)
        Probability that a sample is above class k, given that it is not below it.

    Returns
    -------
    ndarray of shape (n_samples, n_classes)
        From the lowest class to the highest; rows sum to 1.
    """
    reached = np.cumprod(stages, axis=1)  # column k: above class k
    proba = np.ones((stages.shape[0], stages.shape[1] + 1))
    proba[:, 1:] = reached
    proba[:, :-1] *= 1 - stages
    return proba


def resolve_order(order, classes, y):
    """Classes from the lowest to the highest.

    Parameters
    ----------
    order : list of labels, "sorted" or None
        As given by the user.
    classes : ndarray of shape (n_classes,)
        Labels that occur, sorted.
    y : array-like
        The labels; an ordered categorical knows its order.

    Returns
    -------
    ndarray of shape (n_ordered,)
        The labels in their order, those that do not occur among them.
    """
    dtype = getattr(y, "dtype", None)
    if order is None and isinstance(dtype, pd.CategoricalDtype) and dtype.ordered:
        order = list(dtype.categories)
    if order is None and classes.dtype.kind not in "biuf":
        raise ValueError(
            "The 'order' parameter of OrdinalCascadeClassifier must list the classes from the lowest to the "
            "highest, for labels that are not numbers have no order but the alphabet. Got None and the "
            f"labels {classes.tolist()}: use order=[lowest, ..., highest]."
        )
    if order is None or (isinstance(order, str) and order == "sorted"):
        return classes
    if isinstance(order, str) or np.ndim(order) != 1:
        raise ValueError(
            "The 'order' parameter of OrdinalCascadeClassifier must be a list of labels, 'sorted' or None. "
            f"Got {order!r} instead."
        )
    labels = np.asarray(order)
    if labels.dtype.kind in "US" and classes.dtype == object:
        labels = labels.astype(object)
    if len(labels) < 2 or len(np.unique(labels)) < len(labels):
        raise ValueError(
            "The 'order' parameter of OrdinalCascadeClassifier must hold two or more labels, each once. "
            f"Got {list(order)!r} instead."
        )
    unknown = [label for label in classes.tolist() if label not in set(labels.tolist())]
    if unknown:
        raise ValueError(
            f"The 'order' parameter of OrdinalCascadeClassifier must list all classes, but y also holds "
            f"{unknown}. Got {list(order)!r}: add them in their place."
        )
    return labels


def fit_stage(estimator, X, above, params):
    """Fit the classifier of one stage; at module level, so that it can run in another process."""
    return estimator.fit(X, above, **params)


def probability_above(stage, X, n_samples):
    """Answer of one stage: a constant, or the probability of its class 1."""
    if isinstance(stage, float):
        return np.full(n_samples, stage)
    column = np.flatnonzero(np.asarray(stage.classes_) == 1)
    proba = np.asarray(stage.predict_proba(X), dtype=np.float64)
    return proba[:, column[0]] if len(column) else np.zeros(n_samples)


class OrdinalCascadeClassifier(WrapsOne, ClassifierMixin, BaseEstimator):
    r"""Ordered classes as a cascade of yes-or-no questions: is it there, and then how severe.

    Stage k = 1, ..., K learns, from the samples that are at least :math:`c_{k-1}`, whether they are above it.
    With its answer :math:`p_k(x) = P(y > c_{k-1} \mid y \ge c_{k-1}, x)` the probabilities of the classes
    :math:`c_0 < c_1 < \dots < c_K` are

    .. math::
        P(c_0) = 1 - p_1, \quad P(c_k) = p_1 \cdots p_k \, (1 - p_{k+1}), \quad P(c_K) = p_1 \cdots p_K

    which sum to one for any answers. Three classes of degeneration: stage 1 asks whether there is any, stage
    2 how severe it is.

    Parameters
    ----------
    estimator : classifier
        Answers each question; cloned for each stage, it learns 1 for "above" and 0 for "not above". It needs
        ``predict_proba``, and takes whatever X is: one table, or modalities.
    order : list of labels, "sorted" or None, default=None
        Classes from the lowest to the highest; it may hold classes that the training samples lack. None:
        numbers in ascending order, ordered categoricals of pandas in theirs; other labels are refused, for
        the alphabet is no order. "sorted" takes it all the same.
    n_jobs : int, default=None
        Number of stages fitted at a time.
    random_state : int, RandomState instance or None, default=None
        Seeds the estimator of each stage where its own ``random_state`` is None.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted: the columns of ``predict_proba``.
    order_ : ndarray of shape (n_classes,)
        The same from the lowest to the highest.
    class_prior_ : ndarray of shape (n_classes,)
        Share of each class in the sample weights: what a sample with no modality gets.
    estimators_ : list of classifier or float
        The fitted stages. A number is the answer of a stage whose samples all lie on one side.
    modalities_ : tuple of str
        Names of the modalities, where X holds modalities.
    n_features_in_ : int
        Number of features, where there is one table.
    feature_names_in_ : ndarray of str of shape (n_features,)
        Their names, where the table has names.

    Raises
    ------
    ValueError
        If strings have no order, a label is not in it, there is one class only, or the estimator does not
        take the sample weights that are given.
    TypeError
        If the estimator is no classifier, or has no ``predict_proba``.

    See Also
    --------
    MultiTargetClassifier : Several targets at once.

    Notes
    -----
    Where all samples of a stage lie on one side, its answer is that side with probability 1. So a class in
    `order` that no training sample has keeps its column, with probability 0, and no other class is shifted or
    lost. Samples of weight 0 are left out.

    A ``class_weight`` of the estimator weighs the two sides of each stage.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skmm.multiclass import OrdinalCascadeClassifier
    >>> X = np.array([[0.0], [0.2], [0.9], [1.1], [2.0], [2.1]])
    >>> y = ["normal", "normal", "moderate", "moderate", "severe", "severe"]
    >>> cascade = OrdinalCascadeClassifier(LogisticRegression(C=100), order=["normal", "moderate", "severe"])
    >>> cascade.fit(X, y).predict([[0.1], [1.0], [2.2]])
    array(['normal', 'moderate', 'severe'], dtype='<U8')
    >>> cascade.classes_  # the columns of predict_proba
    array(['moderate', 'normal', 'severe'], dtype='<U8')
    >>> cascade.stage_proba([[1.0]]).round(2)  # it is there, and moderate
    array([[0.96, 0.03]])
    """

    def __init__(self, estimator, *, order=None, n_jobs=None, random_state=None):
        self.estimator = estimator
        self.order = order
        self.n_jobs = n_jobs
        self.random_state = random_state

    def fit(self, X, y, sample_weight=None, groups=None):
        """Fit a classifier for each stage.

        Parameters
        ----------
        X : mapping of str -> array, ModalityDict or array-like of shape (n_samples, ...)
            Samples, in any form that the estimator takes.
        y : array-like of shape (n_samples,)
            Class labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, handed to the estimators; a sample of weight 0 is left out.
        groups : array-like of shape (n_samples,), default=None
            Groups, handed to estimators whose fit takes them. Those of a ModalityDict travel in it.

        Returns
        -------
        self : OrdinalCascadeClassifier
            Fitted.
        """
        check_probabilistic(self.estimator, "The 'estimator' parameter of OrdinalCascadeClassifier")
        vars(self).pop("estimators_", None)  # none of another fit, should this one fail
        X = check_rows(self, X, reset=True)
        seen, codes = encode_labels(self, X, y)
        self.order_ = resolve_order(self.order, seen, y)
        self.classes_ = np.unique(self.order_)
        codes = np.searchsorted(self.classes_, seen)[codes]
        weight = check_weights(sample_weight, len(codes))
        known = has_something(X, len(codes))
        if not known.any():
            raise messages.nothing_present(type(self).__name__)
        warn_without_modality(known, "fit leaves them out", stacklevel=3)
        kept = np.flatnonzero(known & (weight > 0))
        if len(np.unique(codes[kept])) < 2:
            raise ValueError(
                f"OrdinalCascadeClassifier needs samples of at least 2 classes. Got {len(kept)} samples of "
                f"{len(np.unique(codes[kept]))} class."
            )
        totals = np.bincount(codes[kept], weight[kept], minlength=len(self.classes_))
        self.class_prior_ = totals / totals.sum()
        params = self._params_of_fit(None if sample_weight is None else weight, groups)
        rank = np.argsort(np.searchsorted(self.classes_, self.order_))[codes]
        rng = np.random.RandomState(draw_seed(self.random_state))
        stages, tasks = [], {}
        for stage in range(len(self.order_) - 1):
            rows = kept[rank[kept] >= stage]
            above = (rank[rows] > stage).astype(np.int64)
            template = seeded_clone(self.estimator, rng)  # so that a seed belongs to a stage
            stages.append(float(above.all()) if len(rows) else 0.0)
            if len(np.unique(above)) == 2:
                own = {key: take_metadata(value, rows, len(codes)) for key, value in params.items()}
                samples = X if len(rows) == len(codes) else take_samples(X, rows)
                tasks[stage] = delayed(fit_stage)(template, samples, above, own)
        for stage, fitted in zip(tasks, Parallel(n_jobs=self.n_jobs)(tasks.values()), strict=True):
            stages[stage] = fitted
        self.estimators_ = stages
        return self

    def stage_proba(self, X):
        """Answers of the stages: the probability to be above a class, for who is not below it.

        Parameters
        ----------
        X : mapping of str -> array, ModalityDict or array-like of shape (n_samples, ...)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, n_classes - 1)
            Column k is about ``order_[k]``. A sample with no modality has the shares of the training samples.
        """
        check_fitted(self)
        X = check_rows(self, X, reset=False)
        n_samples = X.shape[0]
        known = has_something(X, n_samples)
        warn_without_modality(known, "they get the class prior", stacklevel=3)
        answers = np.tile(self._prior_answers(), (n_samples, 1))
        if known.any():
            samples = X if known.all() else take_samples(X, np.flatnonzero(known))
            for stage, fitted in enumerate(self.estimators_):
                answers[known, stage] = probability_above(fitted, samples, int(known.sum()))
        return answers

    def predict_proba(self, X):
        """Probability of each class.

        Parameters
        ----------
        X : mapping of str -> array, ModalityDict or array-like of shape (n_samples, ...)
            Samples. One with no modality gets the class prior, with one warning.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Rows sum to 1, columns are in the order of ``classes_``.
        """
        ordered = cascade_probabilities(self.stage_proba(X))
        return ordered[:, np.argsort(np.searchsorted(self.classes_, self.order_))]

    def predict(self, X):
        """Most probable class.

        Parameters
        ----------
        X : mapping of str -> array, ModalityDict or array-like of shape (n_samples, ...)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples,)
            Class labels.
        """
        codes = self.predict_proba(X).argmax(axis=1)
        return self.classes_[codes]

    # --- steps ------------------------------------------------------------------------------------

    def _params_of_fit(self, weight, groups):
        """Keyword arguments of the stages' fits, with one entry a sample of all."""
        metadata = {"sample_weight": weight, "groups": groups}
        if get_config()["enable_metadata_routing"]:
            given = {key: value for key, value in metadata.items() if value is not None}
            return process_routing(self, "fit", **given).estimator.fit if given else {}
        return params_of_fit(self.estimator, metadata, "an estimator")

    def _prior_answers(self):
        """What the stages would answer from the class prior alone."""
        prior = self.class_prior_[np.searchsorted(self.classes_, self.order_)]
        at_least = np.cumsum(prior[::-1])[::-1]
        return np.divide(at_least[1:], at_least[:-1], out=np.zeros(len(prior) - 1), where=at_least[:-1] > 0)
