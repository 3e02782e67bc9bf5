"""Labels, sample weights, class weights and groups of a fit."""

from numbers import Real

import numpy as np
import pandas as pd
from sklearn.utils import assert_all_finite, check_array
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, column_or_1d

from skmm.containers._validation import shown


def encode_labels(estimator, X, y, classes=None):
    """Labels as numbers from 0.

    Parameters
    ----------
    estimator : BaseEstimator
        Who asks, for messages.
    X : ModalityDict
        The data, for its length.
    y : array-like of shape (n_samples,)
        Labels of any type.
    classes : array-like, default=None
        All labels there are; None for those of ``y``.

    Returns
    -------
    classes : ndarray of shape (n_classes,)
        Sorted.
    codes : ndarray of int64 of shape (n_samples,)
        Position of each label in ``classes``.
    """
    name = type(estimator).__name__
    if y is None:
        raise ValueError(f"{name} requires y to be passed, but the target y is None.")
    y = column_or_1d(y, warn=True)
    assert_all_finite(y, input_name="y")
    if y.dtype == object and pd.isna(y).any():
        rows = np.flatnonzero(pd.isna(y))
        raise ValueError(f"Input y contains NaN, None or NA in {len(rows)} rows ({shown(rows)}).")
    check_classification_targets(y)
    check_consistent_length(X, y)
    seen = np.unique(y)
    classes = seen if classes is None else np.unique(column_or_1d(classes))
    unknown = np.setdiff1d(seen, classes)
    if len(unknown):
        raise ValueError(
            f"y has labels {unknown.tolist()} that are not among the classes {classes.tolist()}."
        )
    return classes, np.searchsorted(classes, y).astype(np.int64)


def check_weights(sample_weight, n_samples):
    """Sample weights as floats, all 1 where none are given.

    Parameters
    ----------
    sample_weight : array-like of shape (n_samples,), float or None
        As given by the user.
    n_samples : int
        How many are expected.

    Returns
    -------
    ndarray of float64 of shape (n_samples,)
        A copy.
    """
    if sample_weight is None or isinstance(sample_weight, Real):
        sample_weight = np.full(n_samples, 1.0 if sample_weight is None else float(sample_weight))
    weights = check_array(
        sample_weight, ensure_2d=False, dtype=np.float64, copy=True, input_name="sample_weight"
    )
    if weights.shape != (n_samples,):
        raise ValueError(f"sample_weight must have shape ({n_samples},). Got shape {weights.shape} instead.")
    if (weights < 0).any():
        negative = np.flatnonzero(weights < 0)
        raise ValueError(f"sample_weight must not be negative. Rows {negative[:5].tolist()} are.")
    if not (weights > 0).any():
        raise ValueError("Sample weights must contain at least one non-zero number. All are zero.")
    return weights


def check_groups(groups, X):
    """Groups as an array: those given, or those that travel with ``X``, or None.

    Parameters
    ----------
    groups : array-like of shape (n_samples,) or None
        As given by the user.
    X : ModalityDict
        The data.

    Returns
    -------
    ndarray of shape (n_samples,) or None
        Numbers of the groups, from 0.
    """
    groups = X.groups if groups is None else groups
    if groups is None:
        return None
    groups = np.asarray(groups)
    if groups.ndim != 1:
        raise ValueError(f"groups must have one entry a sample. Got shape {groups.shape} instead.")
    check_consistent_length(X, groups)
    codes, _ = pd.factorize(groups, sort=True)
    if (codes < 0).any():
        rows = np.flatnonzero(codes < 0)
        raise ValueError(f"groups are missing in {len(rows)} rows ({shown(rows)}): give each sample one.")
    return codes


def class_factors(class_weight, classes, codes, weights):
    """Factor of each sample by its class.

    Parameters
    ----------
    class_weight : None, "balanced" or dict
        "balanced" gives every class the same total of ``weights``.
    classes : ndarray of shape (n_classes,)
        Labels.
    codes : ndarray of int of shape (n_samples,)
        Class of each sample.
    weights : ndarray of float of shape (n_samples,)
        Sample weights.

    Returns
    -------
    ndarray of float of shape (n_samples,)
        The factors.
    """
    if class_weight is None:
        return np.ones(len(codes))
    if class_weight == "balanced":
        totals = np.bincount(codes, weights, minlength=len(classes))
        factors = np.divide(
            weights.sum(), np.count_nonzero(totals) * totals, where=totals > 0, out=np.ones(len(classes))
        )
    else:
        factors = np.asarray(compute_class_weight(class_weight, classes=classes, y=classes), dtype=np.float64)
        if not np.isfinite(factors).all() or (factors < 0).any() or not factors[codes].any():
            raise ValueError(
                "class_weight must be finite, not negative, and not 0 for all classes that there are. "
                f"Got {class_weight!r} instead."
            )
    return factors[codes]
