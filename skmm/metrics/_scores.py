"""Scores that stay defined when a fold and an estimator do not know the same classes."""

import warnings

import numpy as np
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import log_loss, recall_score, roc_auc_score
from sklearn.utils.multiclass import unique_labels
from sklearn.utils.validation import check_consistent_length, column_or_1d


def _weighted_rows(y_true, y_score, sample_weight):
    """Return the labels, scores and weights of the rows that count; rows of weight 0 define no class."""
    y_true = column_or_1d(y_true)
    y_score = np.asarray(y_score)
    if len(y_true) == 0:
        raise ValueError("The score needs at least one sample, got none.")
    if sample_weight is None:
        check_consistent_length(y_true, y_score)
        return y_true, y_score, None
    sample_weight = column_or_1d(sample_weight)
    check_consistent_length(y_true, y_score, sample_weight)
    counts = sample_weight != 0
    if not counts.any():
        raise ValueError(
            "All sample weights are zero, so there is nothing to score. Give at least one sample a weight."
        )
    return y_true[counts], y_score[counts], sample_weight[counts]


def _align_columns(y_true, y_score, classes):
    """Return the sorted union of the classes and one score column for each; an unknown class scores 0."""
    classes = np.asarray(classes)
    if y_score.ndim == 1:  # the decision function of two classes speaks for the second one
        y_score = np.column_stack([-y_score, y_score])
    if y_score.ndim != 2 or y_score.shape[1] != len(classes):
        raise ValueError(
            f"The scores must have one column for each of the {len(classes)} classes of the estimator, "
            f'got an array of shape {y_score.shape}. An SVC needs decision_function_shape="ovr".'
        )
    if not np.isfinite(y_score).all():
        rows = np.flatnonzero(~np.isfinite(y_score).all(axis=1))
        raise ValueError(f"The scores must be finite, but {len(rows)} rows are not (the first is {rows[0]}).")
    labels = unique_labels(classes, y_true)
    aligned = np.zeros((len(y_true), len(labels)), dtype=np.float64)
    aligned[:, np.searchsorted(labels, classes)] = y_score
    return labels, aligned


def roc_auc_ovr_score(y_true, y_score, *, classes, sample_weight=None):
    r"""Area under the ROC curve, one class against the rest, averaged over the classes that a fold can judge.

    .. math:: \frac{1}{|D|} \sum_{c \in D} \mathrm{AUC}\big([y_i = c],\; s_{ic}\big)

    where :math:`s_{ic}` is the score of sample :math:`i` for class :math:`c` and :math:`D` holds the classes
    with at least one sample in the class and one outside it. With two classes it is the usual AUC of the
    second one.

    The value is always defined:

    - a class without a sample in ``y_true`` is left out of the average;
    - a class that the estimator never saw has the same score for all samples, hence an AUC of 0.5;
    - when one class only is left, there is nothing to rank: 0.5, with an ``UndefinedMetricWarning``.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels.
    y_score : array-like of shape (n_samples, n_classes) or (n_samples,)
        Probabilities or decision values, columns in the order of `classes`. One dimension: decision values
        of the second of two classes.
    classes : array-like of shape (n_classes,)
        The classes the estimator knows, ``estimator.classes_``.
    sample_weight : array-like of shape (n_samples,), default=None
        Sample weights. Rows of weight 0 do not count.

    Returns
    -------
    score : float
        Between 0 and 1, 0.5 is chance.

    Raises
    ------
    ValueError
        If lengths or columns do not fit, if there is no sample, or if scores are not finite.

    Examples
    --------
    >>> from skmm.metrics import roc_auc_ovr_score
    >>> proba = [[0.7, 0.2, 0.1], [0.2, 0.5, 0.3], [0.6, 0.3, 0.1]]
    >>> roc_auc_ovr_score(["a", "b", "b"], proba, classes=["a", "b", "c"])  # no "c" in this fold
    1.0
    """
    y_true, y_score, sample_weight = _weighted_rows(y_true, y_score, sample_weight)
    labels, aligned = _align_columns(y_true, y_score, classes)
    members = [np.count_nonzero(y_true == label) for label in labels]
    judged = [column for column, count in enumerate(members) if 0 < count < len(y_true)]
    if not judged:
        warnings.warn(
            f"One class only ({y_true[0]}) in y_true: the ROC AUC is set to 0.5 (chance).",
            UndefinedMetricWarning,
            stacklevel=2,
        )
        return 0.5
    if len(labels) == 2:
        judged = [1]  # the first column says the same up to rounding; scikit-learn ranks by the second
    areas = [roc_auc_score(y_true == labels[c], aligned[:, c], sample_weight=sample_weight) for c in judged]
    return float(np.mean(areas))


def binary_roc_auc_score(y_true, y_score, *, classes, sample_weight=None):
    """Return the ROC AUC of two classes; more than two are an error."""
    labels = unique_labels(np.asarray(classes), column_or_1d(y_true))
    if len(labels) > 2:
        raise ValueError(
            f'"roc_auc" needs two classes, got {len(labels)} ({labels.tolist()}). Use "roc_auc_ovr" for more.'
        )
    return roc_auc_ovr_score(y_true, y_score, classes=classes, sample_weight=sample_weight)


def aligned_log_loss(y_true, y_proba, *, classes, sample_weight=None):
    r"""Log-loss with the columns of the estimator's classes, whatever classes a fold holds.

    .. math:: -\frac{1}{\sum_i w_i} \sum_i w_i \log p_{i, y_i}

    where :math:`p_{i, y_i}` is the probability that sample :math:`i` got for its true class, clipped to
    :math:`[\epsilon, 1 - \epsilon]` with the machine precision :math:`\epsilon` of float64, and :math:`w_i`
    its weight. A true class that the estimator never saw has probability 0, which costs
    :math:`-\log \epsilon \approx 36`. When one class only is known and present, the loss is 0.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels.
    y_proba : array-like of shape (n_samples, n_classes)
        Probabilities, columns in the order of `classes`.
    classes : array-like of shape (n_classes,)
        The classes the estimator knows, ``estimator.classes_``.
    sample_weight : array-like of shape (n_samples,), default=None
        Sample weights. Rows of weight 0 do not count.

    Returns
    -------
    loss : float
        Not negative; 0 is best.

    Raises
    ------
    ValueError
        If lengths or columns do not fit, if there is no sample, or if probabilities are not finite.

    Examples
    --------
    >>> from skmm.metrics import aligned_log_loss
    >>> proba = [[0.5, 0.25, 0.25], [0.5, 0.25, 0.25]]
    >>> round(aligned_log_loss(["a", "a"], proba, classes=["a", "b", "c"]), 4)  # log(2)
    0.6931
    """
    y_true, y_proba, sample_weight = _weighted_rows(y_true, y_proba, sample_weight)
    if y_proba.ndim != 2:
        raise ValueError(
            f"Probabilities must have one column a class, got an array of shape {y_proba.shape}."
        )
    labels, aligned = _align_columns(y_true, y_proba, classes)
    # rows that sum to 1 in half or single precision do not in float64: no warning for that
    if y_proba.dtype in (np.float16, np.float32):
        aligned /= aligned.sum(axis=1, keepdims=True)
    if len(labels) == 1:
        return 0.0
    return float(log_loss(y_true, aligned, labels=labels, sample_weight=sample_weight))


def balanced_accuracy(y_true, y_pred, *, sample_weight=None):
    """Return the mean recall of the classes in y_true, without scikit-learn's warning on other ones."""
    return recall_score(
        y_true,
        y_pred,
        labels=unique_labels(y_true),
        average="macro",
        sample_weight=sample_weight,
        zero_division=0,
    )
