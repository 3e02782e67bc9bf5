"""Which entries of a modality are there: computed once, reading as little as possible."""

import warnings

import numpy as np
import pandas as pd
import scipy.sparse as sp

from skmm.containers import _validation as messages
from skmm.containers._bag_array import BagArray
from skmm.containers._lazy import LazyArray, first_values
from skmm.containers._rows import CHUNK, n_rows, read_rows
from skmm.exceptions import NoModalityWarning


def warn_without_modality(known, consequence, stacklevel=4):
    """Warn, once, of samples that have no modality."""
    if not known.all():
        rows = np.flatnonzero(~known)
        text = messages.nothing_present_warning(len(rows), rows, consequence)
        warnings.warn(text, NoModalityWarning, stacklevel=stacklevel)


def entry_presence(value):
    """Bool array (n_samples,): False where the stored form of a modality says that an entry is missing.

    A row of floats is missing when it is all NaN. Only rows whose first value is NaN are read further;
    integer, sparse and lazy arrays cannot say it and count as present (``present=`` tells), but for
    readers that know which files are missing, and float arrays in memory maps, of which the first value of
    each row is looked at.
    """
    if isinstance(value, BagArray):
        return _bag_presence(value)
    if isinstance(value, pd.DataFrame):
        return _frame_presence(value)
    if isinstance(value, LazyArray):
        if value.present is not None:
            return value.present.copy()
        first = first_values(value)
        return np.ones(len(value), dtype=bool) if first is None else _rows_not_all_nan(value, first)
    if sp.issparse(value) or value.dtype.kind in "biuUSc":
        return np.ones(n_rows(value), dtype=bool)
    if value.ndim == 1:  # text, or images of different sizes
        return np.fromiter((not _is_nothing(entry) for entry in value), dtype=bool, count=len(value))
    return _rows_not_all_nan(value, value[(slice(None), *(0,) * (value.ndim - 1))])


def _is_nothing(entry):
    """Whether an entry of a sequence is None, or an array that is NaN throughout."""
    if not isinstance(entry, np.ndarray):
        return entry is None
    return entry.dtype.kind == "f" and bool(np.isnan(entry.flat[:1]).all()) and bool(np.isnan(entry).all())


def _bag_presence(bags):
    """Bags that have instances, not all of them NaN."""
    present = bags.lengths > 0
    values = bags.values
    if isinstance(values, LazyArray) or values.dtype.kind != "f" or 0 in values.shape[1:]:
        return present
    first = values[(bags.offsets[:-1][present], *(0,) * (values.ndim - 1))]
    for row in np.flatnonzero(present)[np.isnan(first)]:
        present[row] = not np.isnan(bags[row]).all()
    return present


def _frame_presence(frame):
    """Rows of a DataFrame that are not missing throughout."""
    present = np.ones(len(frame), dtype=bool)
    rows = np.flatnonzero(frame.iloc[:, 0].isna().to_numpy())
    present[rows] = ~frame.iloc[rows].isna().all(axis=1).to_numpy()
    return present


def _rows_not_all_nan(value, first):
    """Rows that are not NaN throughout, given the first value of each."""
    present = np.ones(len(first), dtype=bool)
    suspects = np.flatnonzero(pd.isna(first))
    for start in range(0, len(suspects), CHUNK):
        rows = suspects[start : start + CHUNK]
        present[rows] = ~pd.isna(read_rows(value, rows).reshape(len(rows), -1)).all(axis=1)
    return present
