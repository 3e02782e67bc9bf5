"""Scorers by name: callables ``scorer(estimator, X, y, sample_weight=None)`` for ``scoring=``."""

import copy

from sklearn.metrics import accuracy_score, f1_score, make_scorer, precision_score, recall_score
from sklearn.utils.metadata_routing import MetadataRequest

from ._scores import aligned_log_loss, balanced_accuracy, binary_roc_auc_score, roc_auc_ovr_score


class _ClassAlignedScorer:
    """Scorer that hands ``estimator.classes_`` to its score, which scikit-learn's make_scorer cannot."""

    def __init__(self, score_func, *, response_methods, sign=1):
        self._score_func = score_func
        self._response_methods = response_methods
        self._sign = sign
        self._weight_request = None

    def __call__(self, estimator, X, y, sample_weight=None):
        """Score the fitted estimator on (X, y); greater is better."""
        return self._sign * self._score_func(
            y, self._response(estimator, X), classes=self._classes(estimator), sample_weight=sample_weight
        )

    def _classes(self, estimator):
        """Return the classes of a fitted classifier."""
        if not hasattr(estimator, "classes_"):
            raise TypeError(
                f"{self!r} needs a fitted classifier with `classes_`, got {type(estimator).__name__}."
            )
        return estimator.classes_

    def _response(self, estimator, X):
        """Return the output of the first response method that the estimator has."""
        for method in self._response_methods:
            if hasattr(estimator, method):
                return getattr(estimator, method)(X)
        wanted = " or ".join(self._response_methods)
        raise AttributeError(
            f"{self!r} needs an estimator with {wanted}, which {type(estimator).__name__} does not have."
        )

    def set_score_request(self, *, sample_weight):
        """Request `sample_weight` in metadata routing, as for scikit-learn's scorers."""
        self._weight_request = sample_weight
        return self

    def get_metadata_routing(self):
        """Return what the scorer requests in metadata routing."""
        # Made when asked for: one from before imbalanced-learn is imported lacks what that adds to the class.
        request = MetadataRequest(owner=type(self).__name__)
        request.score.add_request(param="sample_weight", alias=self._weight_request)
        return request

    def _accept_sample_weight(self):
        """Say that weights are taken: while routing is off, scikit-learn asks each scorer of a dict."""
        return True

    def __repr__(self):
        return f"<skmm scorer of {self._score_func.__name__}>"


_RANKING = ("predict_proba", "decision_function")
# An average has no positive class; scikit-learn's default of 1 would refuse two classes that are strings.
_AVERAGED = {"pos_label": None, "zero_division": 0}

_SCORERS = {
    "f1_weighted": make_scorer(f1_score, average="weighted", **_AVERAGED),
    "f1_macro": make_scorer(f1_score, average="macro", **_AVERAGED),
    "recall_weighted": make_scorer(recall_score, average="weighted", **_AVERAGED),
    "recall_macro": make_scorer(recall_score, average="macro", **_AVERAGED),
    "precision_weighted": make_scorer(precision_score, average="weighted", **_AVERAGED),
    "precision_macro": make_scorer(precision_score, average="macro", **_AVERAGED),
    "accuracy": make_scorer(accuracy_score),
    "balanced_accuracy": make_scorer(balanced_accuracy),
    "roc_auc": _ClassAlignedScorer(binary_roc_auc_score, response_methods=_RANKING),
    "roc_auc_ovr": _ClassAlignedScorer(roc_auc_ovr_score, response_methods=_RANKING),
    "neg_log_loss": _ClassAlignedScorer(aligned_log_loss, response_methods=("predict_proba",), sign=-1),
}

# The columns of the papers' tables. "roc_auc" is for two classes only, and macro recall is balanced accuracy
# but for classes that were predicted and have no sample, so they are not among them.
_PAPER_NAMES = (
    "f1_weighted",
    "f1_macro",
    "recall_weighted",
    "precision_weighted",
    "accuracy",
    "balanced_accuracy",
    "roc_auc_ovr",
    "neg_log_loss",
)


def get_scorer_names():
    """Return the names that `get_scorer` knows.

    Returns
    -------
    names : list of str
        Sorted.

    Examples
    --------
    >>> from skmm.metrics import get_scorer_names
    >>> "roc_auc_ovr" in get_scorer_names()
    True
    """
    return sorted(_SCORERS)


def get_scorer(name):
    """Return the scorer of that name, a callable ``scorer(estimator, X, y, sample_weight=None)``.

    The names mean what they mean in scikit-learn, and the scores are scikit-learn's. The difference: every
    score has a value when a fold lacks a class or holds one that the estimator never saw.

    ==================== ==================================================================================
    name                 score
    ==================== ==================================================================================
    f1_weighted          F1 of each class, weighted by its share of the samples
    f1_macro             F1 of each class, plain mean
    recall_weighted      recall of each class, weighted by its share; the same number as accuracy
    recall_macro         recall of each class, plain mean over the classes true or predicted
    precision_weighted   precision of each class, weighted by its share
    precision_macro      precision of each class, plain mean
    accuracy             share of right predictions
    balanced_accuracy    recall of each class, plain mean over the classes with samples
    roc_auc              area under the ROC curve of the second of two classes
    roc_auc_ovr          the same, each class against the rest, plain mean: see `roc_auc_ovr_score`
    neg_log_loss         minus the log-loss: see `aligned_log_loss`
    ==================== ==================================================================================

    F1 and precision of a class that is never predicted are 0. ROC AUC takes ``predict_proba``, or else
    ``decision_function``, so that a support vector machine needs no probabilities.

    Parameters
    ----------
    name : str
        One of `get_scorer_names`.

    Returns
    -------
    scorer : callable
        Greater is better. A copy, so that a metadata request set on it stays yours.

    Raises
    ------
    ValueError
        If the name is unknown.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.dummy import DummyClassifier
    >>> from skmm.metrics import get_scorer
    >>> X, y = load_iris(return_X_y=True)
    >>> get_scorer("roc_auc_ovr")(DummyClassifier().fit(X, y), X, y)
    0.5
    """
    if name not in get_scorer_names():
        raise ValueError(f"Unknown scorer {name!r}. Choose one of {get_scorer_names()}.")
    return copy.deepcopy(_SCORERS[name])


def paper_scorers(names=None):
    """Return the scorers of the papers' tables as a dict for ``scoring=``.

    Parameters
    ----------
    names : str or iterable of str, default=None
        Names of scorers, see `get_scorer`. None: weighted and macro F1, weighted recall and precision,
        accuracy, balanced accuracy, one-vs-rest ROC AUC and the negative log-loss.

    Returns
    -------
    scorers : dict of str to callable
        In the order of `names`.

    Raises
    ------
    ValueError
        If a name is unknown, or if there is none.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import cross_validate
    >>> from skmm.metrics import paper_scorers
    >>> X, y = load_iris(return_X_y=True)
    >>> scoring = paper_scorers(["accuracy", "roc_auc_ovr"])
    >>> result = cross_validate(LogisticRegression(max_iter=500), X, y, scoring=scoring)
    >>> round(float(result["test_accuracy"].mean()), 2)
    0.97
    """
    if names is None:
        names = _PAPER_NAMES
    names = [names] if isinstance(names, str) else list(names)
    if not names:
        raise ValueError(
            f"Name at least one scorer, of {get_scorer_names()}, or leave names=None for the papers' tables."
        )
    return {name: get_scorer(name) for name in names}
