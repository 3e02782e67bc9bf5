"""What every comparison checks of its data before a model is fitted."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import column_or_1d

from skmm.containers import ModalityDict, as_modality_dict
from skmm.containers import _validation as messages


def check_labels(X, y, *, suffix=""):  # noqa: ARG001 - as check_targets
    """Labels of one target as an array, checked."""
    y = column_or_1d(y)
    missing = np.flatnonzero(pd.isna(y))
    if len(missing):
        raise ValueError(
            f"y{suffix} has {len(missing)} missing labels (first rows: {missing[:5].tolist()}). "
            "Leave them out."
        )
    target = type_of_target(y)
    if target not in {"binary", "multiclass"}:
        raise ValueError(f"y{suffix} must hold class labels. Got a {target} target instead.")
    if not suffix and len(np.unique(y)) < 2:
        raise ValueError(f"y must hold at least two classes. Got {y[0]} only." if len(y) else "y is empty.")
    return y


def check_samples(X, y, groups=None, *, suffix="", check_y=check_labels):
    """X that scikit-learn can index, labels and groups of equal length.

    Parameters
    ----------
    X : mapping of str -> array, or array-like of shape (n_samples, n_features)
        Mappings become a ModalityDict, everything else stays as it is.
    y : array-like of shape (n_samples,)
        Class labels.
    groups : array-like of shape (n_samples,), default=None
        Default: those of X. They are put into a ModalityDict, so that they reach the fits.
    suffix : {"", "_test"}, default=""
        Of the names of X and y in messages. A test set may be of one class.
    check_y : callable, default=check_labels
        Checks the labels: ``check_y(X, y, suffix=suffix)`` gives them back as an array or DataFrame.

    Returns
    -------
    X, y, groups
        The groups are None where there are none.
    """
    if isinstance(X, Mapping):
        X = as_modality_dict(X)
    elif not hasattr(X, "shape"):
        X = np.asarray(X)
    n_labels = np.shape(y)[0] if np.ndim(y) else 0
    if n_labels != X.shape[0]:
        raise ValueError(
            f"X{suffix} and y{suffix} must have as many samples. "
            f"Got {X.shape[0]} in X{suffix} and {n_labels} in y{suffix}."
        )
    y = check_y(X, y, suffix=suffix)
    if groups is None:
        return X, y, getattr(X, "groups", None)
    groups = column_or_1d(groups)
    if len(groups) != len(y):
        raise ValueError(f"groups must have one entry a sample. Got {len(groups)} for {len(y)} samples.")
    missing = np.flatnonzero(pd.isna(groups))
    if len(missing):
        raise messages.missing_groups(missing)
    if isinstance(X, ModalityDict):
        X = ModalityDict(X, groups=groups)
    return X, y, groups


def select_rows(X, rows):
    """Rows of an array, DataFrame, sparse matrix or ModalityDict."""
    return X.iloc[rows] if hasattr(X, "iloc") else X[rows]


def check_modalities(X, who):
    """X as a ModalityDict with at least two modalities."""
    X = as_modality_dict(X)
    if len(X.modalities) < 2:
        raise ValueError(f"{who} needs at least two modalities. Got {list(X.modalities)} instead.")
    return X
