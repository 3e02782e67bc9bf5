"""The one entrance for the data of every estimator."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import scipy.sparse as sp

from skmm.containers import _validation as messages
from skmm.containers._handles import from_handles, is_handle_array
from skmm.containers._kinds import KINDS
from skmm.containers._lazy import LazyArray
from skmm.containers._modality_dict import ModalityDict
from skmm.containers._schema import Schema

TABLE = "x"  # the name of a table that comes without one


def is_bare_table(X):
    """Whether ``X`` is one table rather than a mapping of modalities."""
    return (not isinstance(X, Mapping) or sp.issparse(X)) and not is_handle_array(X)


def as_modality_dict(X, kinds=None):
    """A ModalityDict of a mapping, of an object array of handles, or of one table (named "x").

    ``kinds`` are those of fit: they win where ``X`` is a plain mapping that leaves doubt.
    """
    if isinstance(X, ModalityDict):
        return X
    if is_handle_array(X):
        return from_handles(X)
    if is_bare_table(X):
        if isinstance(X, (str, bytes)) or np.ndim(X) != 2:
            raise messages.not_a_mapping(X)
        return ModalityDict({TABLE: _plain(X)}, kinds={TABLE: "table"})
    return ModalityDict(X, kinds={name: kind for name, kind in (kinds or {}).items() if name in X})


def _plain(X):
    """A bare table in memory: scikit-learn maps arrays for its workers, and these are no lazy modalities."""
    return X if isinstance(X, pd.DataFrame) or sp.issparse(X) else np.asarray(X)


def validate_modalities(
    estimator,
    X,
    *,
    reset,
    kinds=None,
    accept=("table",),
    absent="fill",
    order="given",
    numeric=False,
):
    """Check what was handed to an estimator and bring it to a ModalityDict.

    Parameters
    ----------
    estimator : BaseEstimator
        Gets ``modalities_``, ``schema_`` and, where there is one table, ``n_features_in_`` and
        ``feature_names_in_``.
    X : mapping, ModalityDict, object array of handles, or one 2-D table
        The data; a bare table goes through scikit-learn's own checks and becomes modality "x".
    reset : bool
        True in fit; False brings ``X`` in line with ``estimator.schema_``.
    kinds : dict of str -> str, default=None
        Kinds that the estimator declares.
    accept : tuple of str, default=("table",)
        Kinds that it takes.
    absent : {"fill", "leave"}, default="fill"
        What becomes of modalities of fit that ``X`` does not hold.
    order : {"given", "sorted"}, default="given"
        Order of ``modalities_``; sorted, the order of a dict never matters.
    numeric : bool, default=False
        Whether a bare table must be numeric.

    Returns
    -------
    ModalityDict
        In the order of ``estimator.modalities_``.
    """
    if is_bare_table(X):
        X = _validate_bare(estimator, X, reset=reset, numeric=numeric)
    schema = None if reset else estimator.schema_
    X = as_modality_dict(X, kinds=kinds if reset else schema.kinds)
    who = type(estimator).__name__
    if len(X) == 0:
        raise messages.no_samples(who)
    if not reset:
        return schema.align(X, absent=absent, estimator=who)
    for name, kind in X.kinds.items():
        if kind not in accept:
            accepted, instead = [kind for kind in KINDS if kind in accept], getattr(estimator, "_instead", {})
            raise messages.kind_not_taken(name, kind, accepted, who, instead.get(kind))
    if order == "sorted":
        X = X[sorted(X.modalities)]
    estimator.schema_ = Schema.of(X)
    estimator.modalities_ = X.modalities
    _set_n_features(estimator)
    return X


def _validate_bare(estimator, X, *, reset, numeric):
    """Let scikit-learn check a bare table, in its own words; a DataFrame keeps its columns."""
    from sklearn.utils.validation import validate_data

    if isinstance(X, pd.DataFrame):
        validate_data(estimator, X, reset=reset, skip_check_array=True)
        return X
    return validate_data(
        estimator,
        X,
        reset=reset,
        accept_sparse=("csr", "csc"),
        dtype="numeric" if numeric else None,
        ensure_all_finite="allow-nan",
    )


def _set_n_features(estimator):
    """``n_features_in_`` and ``feature_names_in_`` where there is one table, and nowhere else."""
    schema = estimator.schema_
    (name, *others) = schema.names
    for attribute in ("n_features_in_", "feature_names_in_"):
        if hasattr(estimator, attribute):
            delattr(estimator, attribute)
    if others or schema.kinds[name] != "table":
        return
    estimator.n_features_in_ = schema.shapes[name][0]
    names = schema.feature_names[name]
    if names is not None and all(isinstance(feature, str) for feature in names):
        estimator.feature_names_in_ = names


def check_numeric(value, name):
    """A table, or rows of one, as an ndarray or sparse matrix of numbers.

    Raises
    ------
    ValueError
        If a column is not numeric: names it, and the encoder to use.
    """
    if isinstance(value, LazyArray):
        value = value[:]
    if sp.issparse(value):
        return value
    if isinstance(value, pd.DataFrame):
        dtypes = set(value.dtypes)
        if not all(pd.api.types.is_numeric_dtype(dtype) for dtype in dtypes):
            columns = [(column, value.iloc[:, position]) for position, column in enumerate(value.columns)]
            failing = [column for column, values in columns if not _is_numeric(values)]
            if failing:
                raise messages.not_numeric(name, failing)
        dtype = np.float32 if dtypes == {np.dtype(np.float32)} else np.float64
        return value.to_numpy(dtype=dtype, na_value=np.nan)
    if value.dtype.kind not in "biuf":
        failing = [column for column in range(value.shape[1]) if not _is_numeric(value[:, column])]
        if failing:
            raise messages.not_numeric(name, failing)
        return value.astype(np.float64)
    return value


def _is_numeric(column):
    """Whether a column is of numbers, or of objects that are numbers."""
    if column.dtype != object:
        return pd.api.types.is_numeric_dtype(column.dtype)
    try:
        np.asarray(column).astype(np.float64)
    except (TypeError, ValueError):
        return False
    return True


def check_finite(value, present, name, rows=None, *, in_bags=False):
    """Refuse infinities and NaN in the present rows of numeric values.

    Parameters
    ----------
    value : ndarray or sparse matrix of shape (n_samples, ...)
        A modality, or some rows of it.
    present : ndarray of bool of shape (n_samples,)
        Which of the rows are present.
    name : str
        The modality, for messages.
    rows : ndarray of int of shape (n_samples,), default=None
        Numbers of the rows in the caller's data, for messages.
    in_bags : bool, default=False
        Whether the rows are instances of bags, for messages; `rows` are then those of their bags.
    """
    data = value.data if sp.issparse(value) else value
    if data.dtype.kind not in "fc":
        return
    with np.errstate(over="ignore", invalid="ignore"):  # told apart below
        total = data.sum()
    if np.isfinite(total):
        return  # a finite sum has finite terms only
    if sp.issparse(value):
        csr = value.tocsr()
        owner = np.repeat(np.arange(csr.shape[0]), np.diff(csr.indptr))
        infinite, nan = (
            np.bincount(owner[test(csr.data)], minlength=csr.shape[0]) > 0 for test in (np.isinf, np.isnan)
        )
    else:
        flat = value.reshape(len(value), -1)
        infinite, nan = np.isinf(flat).any(axis=1), np.isnan(flat).any(axis=1)
    rows = np.arange(value.shape[0]) if rows is None else np.asarray(rows)
    if (infinite & present).any():
        raise messages.infinite_values(name, np.unique(rows[infinite & present]))
    if (nan & present).any():
        raise messages.partly_nan(name, np.unique(rows[nan & present]), value.ndim, in_bags=in_bags)
