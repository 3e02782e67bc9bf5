"""What an estimator returns, brought to a form that can be compared row by row."""

import random
import sys
import warnings
from collections.abc import Mapping

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.base import clone

from skmm.containers import BagArray, read_rows
from skmm.exceptions import MissingModalityError

METHODS = ("predict_proba", "decision_function", "predict", "transform")


def fitted(estimator, X, y, *, seed=0, **fit_params):
    """A fitted clone, with a seed where the estimator takes one."""
    estimator = clone(estimator)
    if "random_state" in estimator.get_params(deep=False):
        estimator.set_params(random_state=seed)
    return estimator.fit(X, y, **fit_params)


def fitted_if_taken(estimator, X, y):
    """A fitted clone; None where the estimator declares, by its error, that it takes no missing modality."""
    try:
        return fitted(estimator, X, y)
    except MissingModalityError:
        return None


def outputs(estimator, X):
    """Results of a fitted estimator, as a dict of arrays with one entry a row.

    Labels are left out where there are probabilities or decisions, for these differ by no more than rounding.
    """
    methods = [method for method in METHODS if hasattr(estimator, method)]
    if {"predict_proba", "decision_function"} & set(methods):
        methods.remove("predict")
    return {key: value for method in methods for key, value in _rows(getattr(estimator, method)(X), method)}


def _rows(result, method):
    """Pairs of a name and an array with one entry a row."""
    if isinstance(result, Mapping) and not sp.issparse(result):
        for name in result:
            here = result.is_present(name)
            if here.any():
                yield f"{method} of {name!r}", _with_holes(read_rows(result[name], slice(None)), here)
        return
    if sp.issparse(result):
        result = result.toarray()
    yield method, np.asarray(result)


def _with_holes(value, present):
    """A modality as an array, NaN (or None) where it is missing."""
    if isinstance(value, BagArray) or (isinstance(value, np.ndarray) and value.dtype == object):
        out = np.empty(len(present), dtype=object)
        for row in np.flatnonzero(present):
            out[row] = value[row]
        return out
    if sp.issparse(value):
        value = value.toarray()
    value = np.array(value, dtype=object if isinstance(value, pd.DataFrame) else float)
    value[~present] = np.nan
    return value


def take(results, rows):
    """Some rows of results."""
    return {name: value[rows] for name, value in results.items()}


def assert_same(got, expected, what, *, rtol=1e-5, atol=1e-6, only=None):
    """Raise an AssertionError that says in words which result differs, where and by how much.

    Parameters
    ----------
    got, expected : dict of str -> ndarray
        Results by name. A name may lack where its rows are missing throughout.
    what : str
        The law, for the message.
    rtol, atol : float
        Tolerances.
    only : callable, default=None
        Which names to compare.
    """
    for name in [*expected, *(name for name in got if name not in expected)]:
        if only is not None and not only(name):
            continue
        if name not in got or name not in expected:
            value = got.get(name, expected.get(name))
            assert _all_missing(value), f"{what}: {name} is there only once."
            continue
        first, second = got[name], expected[name]
        assert first.shape == second.shape, (
            f"{what}: {name} has shape {first.shape}, expected {second.shape}."
        )
        rows = _differing_rows(first, second, rtol, atol)
        assert not len(rows), (
            f"{what}: {name} differs in {len(rows)} of {len(first)} rows, the first of which is row "
            f"{rows[0]}: "
            f"{first[rows[0]]!r}, expected {second[rows[0]]!r}."
        )


def _all_missing(value):
    """Whether an output says nothing of any row."""
    return (value.dtype == object and all(np.all(pd.isna(v)) for v in value)) or bool(np.all(pd.isna(value)))


def _differing_rows(first, second, rtol, atol):
    """Rows that are not equal."""
    if first.dtype.kind in "fiub" and second.dtype.kind in "fiub":
        same = np.isclose(first.astype(float), second.astype(float), rtol=rtol, atol=atol, equal_nan=True)
    elif first.dtype == object:
        same = np.array([_same_entry(a, b, rtol, atol) for a, b in zip(first, second, strict=True)])
    else:
        same = first == second
    return np.flatnonzero(~same.reshape(len(same), -1).all(axis=1))


def _same_entry(first, second, rtol, atol):
    """Whether two entries of an array of objects are equal."""
    if first is None or second is None:
        return first is second
    first, second = np.asarray(first), np.asarray(second)
    if first.shape != second.shape:
        return False
    try:
        return np.allclose(first.astype(float), second.astype(float), rtol=rtol, atol=atol, equal_nan=True)
    except (TypeError, ValueError):
        return bool((first == second).all())


def global_state():
    """State that an estimator must leave alone, as comparable values by name."""
    _, keys, position, *_ = np.random.get_state()  # noqa: NPY002 - the global state is what is looked at
    state = {
        "Python's random state": random.getstate(),
        "NumPy's global random state": (keys.tobytes(), position),
        "the warning filters": tuple(warnings.filters),
    }
    torch = sys.modules.get("torch")
    if torch is not None:
        state["torch's global random state"] = torch.get_rng_state().numpy().tobytes()
        state["torch's number of threads"] = torch.get_num_threads()
    return state
