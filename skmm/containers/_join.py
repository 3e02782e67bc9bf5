"""Joining by sample id: which ids there are, and the rows of a modality brought into their order."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import scipy.sparse as sp

from skmm.containers import _validation_sources as messages
from skmm.containers._bag_array import BagArray
from skmm.containers._entries import from_torch
from skmm.containers._lazy import LazyArray, is_lazy
from skmm.containers._rows import n_rows, take_rows

_NUMBERS = {"integer": "numbers", "floating": "numbers", "mixed-integer-float": "numbers"}


def split_ids(name, value, kind=None):
    """Sample ids and values of one modality, the values in a form that rows can be taken of."""
    if isinstance(value, Mapping):
        ids, value = pd.Index(value.keys()), list(value.values())
    elif isinstance(value, (pd.DataFrame, pd.Series)):
        ids = value.index
    elif isinstance(value, tuple) and len(value) == 2:
        ids, value = value
        ids = ids if isinstance(ids, pd.Index) else pd.Index(ids)
    else:
        raise messages.not_by_id(name, value)
    value = _indexable(name, value, kind)
    if len(ids) != n_rows(value):
        raise messages.ids_length(name, len(ids), n_rows(value))
    if len(ids) == 0:
        raise messages.no_rows(name)
    is_missing = ids.to_frame().isna().any(axis=1) if isinstance(ids, pd.MultiIndex) else pd.isna(ids)
    if np.any(is_missing):
        raise messages.missing_ids(name, np.flatnonzero(is_missing))
    return ids.astype(ids.categories.dtype) if isinstance(ids, pd.CategoricalIndex) else ids, value


def _indexable(name, value, kind):
    """A modality as an array, a DataFrame, or a list of entries."""
    value = from_torch(value)
    if isinstance(value, pd.Series):
        has_cells = pd.api.types.is_object_dtype(value.dtype) or isinstance(value.dtype, pd.StringDtype)
        if has_cells and kind != "table":
            return value.tolist()
        return value.to_frame(name if value.name is None else value.name)
    if is_lazy(value):
        return LazyArray(value)
    if sp.issparse(value):
        return sp.csr_array(value)
    if isinstance(value, (BagArray, pd.DataFrame, np.ndarray)):
        return value
    if isinstance(value, (str, bytes)) or not hasattr(value, "__len__"):
        raise messages.not_by_id(name, value)
    return list(value)


def check_same_sort(indexes):
    """Raise where the ids of two tables can never be equal."""
    sorts = {name: _sort_of_ids(ids) for name, ids in indexes.items()}
    first = next(iter(sorts))
    for name, sort in sorts.items():
        if sort != sorts[first]:
            raise messages.ids_of_different_sorts(first, sorts[first], name, sort)


def _sort_of_ids(ids):
    """What the ids are, in words."""
    if isinstance(ids, pd.MultiIndex):
        return f"tuples of ({', '.join(_sort_of_ids(level) for level in ids.levels)})"
    sort = pd.api.types.infer_dtype(ids, skipna=False)
    return {"string": "strings", **_NUMBERS}.get(sort, sort)


def join_ids(indexes, how):
    """Ids of the joined samples, in the order in which they first appear."""
    pieces = list(indexes.values())
    ids = pieces[0]
    if how == "outer":
        for piece in pieces[1:]:
            ids = ids.append(piece)
    ids = ids.unique()
    if how == "inner":
        for piece in pieces[1:]:
            ids = ids[ids.isin(piece)]
        if len(ids) == 0:
            raise messages.no_common_ids(list(indexes))
    return ids


def take_or_missing(value, rows):
    """Rows of a modality in the order given; row -1 gives an entry that is missing.

    The entry says so (NaN, None, an empty bag, no stored values) where its data type can, which no type is
    changed for; otherwise zeros, or (in lazy arrays and whole-number columns) the first row, stand there and
    the mask tells.
    """
    absent = rows < 0
    if not absent.any():
        if np.array_equal(rows, np.arange(n_rows(value))):
            return value
        return [value[row] for row in rows] if isinstance(value, list) else take_rows(value, rows)
    filled = np.where(absent, 0, rows)
    if isinstance(value, list):
        return [None if row < 0 else value[row] for row in rows]
    if isinstance(value, BagArray):
        chosen = value[rows[~absent]]
        lengths = np.zeros(len(rows), dtype=np.int64)
        lengths[~absent] = chosen.lengths
        return BagArray(chosen.values, np.concatenate([[0], np.cumsum(lengths)]))
    if isinstance(value, LazyArray):
        return value.select(filled)
    if isinstance(value, pd.DataFrame):
        return _frame_or_missing(value.iloc[filled].copy(), absent)
    if sp.issparse(value):
        empty = sp.csr_array((1, value.shape[1]), dtype=value.dtype)
        return sp.vstack([value, empty], format="csr")[np.where(absent, value.shape[0], rows)]
    chosen = value[filled]
    chosen[absent] = {"f": np.nan, "c": np.nan, "O": None, "M": "NaT", "m": "NaT"}.get(chosen.dtype.kind, 0)
    return chosen


def _frame_or_missing(frame, absent):
    """Put missing values into rows of a DataFrame that may be changed, where a column can hold them."""
    can_hold = [_can_hold_missing(dtype) for dtype in frame.dtypes]
    frame.iloc[np.flatnonzero(absent), np.flatnonzero(can_hold)] = np.nan
    return frame


def _can_hold_missing(dtype):
    """Whether a column can be given missing values without a change of its data type."""
    if isinstance(dtype, np.dtype):
        return dtype.kind not in "biu"
    return not isinstance(dtype, (pd.SparseDtype, pd.IntervalDtype))


def gather_bags(name, value, samples, n_samples):
    """Make a bag for each sample of the rows (or bags) that belong to it.

    ``samples`` is -1 where they belong to none.
    """
    order = np.argsort(samples, kind="stable")
    order = order[samples[order] >= 0]
    counts = np.bincount(samples[order], minlength=n_samples)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    if isinstance(value, BagArray):
        chosen = value[order]
        return BagArray(chosen.values, chosen.offsets[offsets])
    return BagArray(take_rows(_as_instances(name, value), order), offsets)


def _as_instances(name, value):
    """A modality as one array of instances, in memory or lazy."""
    if isinstance(value, LazyArray):
        if value.is_sparse:
            raise messages.cannot_bag(name, "a sparse matrix")
        return value
    if sp.issparse(value):
        raise messages.cannot_bag(name, "a sparse matrix")
    if isinstance(value, pd.DataFrame):
        numeric = [pd.api.types.is_numeric_dtype(dtype) for dtype in value.dtypes]
        if not all(numeric):
            raise messages.cannot_bag(name, f"a table with columns {list(value.columns[~np.array(numeric)])}")
        array = value.to_numpy()
        return value.to_numpy(dtype=float, na_value=np.nan) if array.dtype == object else array
    try:
        array = np.asarray(value)
    except ValueError as error:  # entries of different shapes
        raise messages.cannot_bag(name, "a sequence of arrays of different shapes") from error
    if array.dtype.kind not in "biuf":
        raise messages.cannot_bag(name, f"of dtype {array.dtype}")
    return array
