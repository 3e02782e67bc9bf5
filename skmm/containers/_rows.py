"""Rows of a modality, whatever holds it: select, read, stack, compare, stand in for."""

from itertools import pairwise

import numpy as np
import pandas as pd
import scipy.sparse as sp

from skmm.containers import _validation as messages
from skmm.containers._bag_array import BagArray
from skmm.containers._entries import common_shape, object_array, ragged_shape
from skmm.containers._lazy import LazyArray
from skmm.containers._sources import RowSource, row_bytes

CHUNK = 1024  # rows of a lazy array that are held in memory at once where all of it is passed over
_CHUNK_BYTES = 1 << 25  # and at most this much
_FEW_IMAGES = 16  # of different sizes, so that nothing tells how large they are


def lazy_step(lazy):
    """How many rows of a lazy array are read at once where all of it is passed over."""
    if lazy.dtype == object:  # images of different sizes
        return _FEW_IMAGES
    return int(np.clip(_CHUNK_BYTES // row_bytes(lazy), 1, CHUNK))


def normalize_rows(key, n_samples):
    """Turn any row selector into a slice or an array of non-negative integers.

    Slices, and a single int as a slice of length one, let the selection be a view.
    """
    if isinstance(key, tuple):
        if len(key) != 2 or key[1] is not Ellipsis:  # scikit-learn >= 1.9 sends (rows, Ellipsis)
            raise messages.bad_row_key(key)
        return normalize_rows(key[0], n_samples)
    if isinstance(key, slice):
        return key
    if isinstance(key, (int, np.integer)) and not isinstance(key, (bool, np.bool_)):
        if not -n_samples <= key < n_samples:
            raise messages.rows_out_of_range(n_samples, int(key))
        key = int(key) % n_samples
        return slice(key, key + 1)
    if isinstance(key, (str, bytes)) or not (hasattr(key, "__len__") or hasattr(key, "__array__")):
        raise messages.bad_row_key(key)
    rows = np.asarray(key)
    if rows.ndim == 0 and rows.dtype.kind in "iu":
        return normalize_rows(int(rows), n_samples)
    if rows.size == 0 and rows.ndim == 1 and rows.dtype != bool:
        return np.empty(0, dtype=np.intp)
    if rows.ndim != 1 or rows.dtype.kind not in "biu":
        raise messages.bad_row_key(key)
    if rows.dtype == bool:
        if len(rows) != n_samples:
            raise messages.mask_length(n_samples, len(rows))
        return np.flatnonzero(rows)
    outside = (rows < -n_samples) | (rows >= n_samples)
    if outside.any():
        raise messages.rows_out_of_range(n_samples, int(rows[outside][0]))
    rows = rows.astype(np.intp)
    return np.where(rows < 0, rows + n_samples, rows)


def n_rows(value):
    """Number of samples of a modality."""
    return value.shape[0] if hasattr(value, "shape") else len(value)


def take_rows(value, rows):
    """Rows of a modality; a view where there can be one, and lazy where the modality is."""
    if isinstance(value, LazyArray):
        return value.select(rows)
    return value.iloc[rows] if isinstance(value, pd.DataFrame) else value[rows]


def read_rows(value, rows):
    """Rows of a modality, in memory."""
    if isinstance(value, LazyArray):
        return value[rows]
    chosen = take_rows(value, rows)
    return chosen.read() if isinstance(chosen, BagArray) else chosen


def stack_rows(values):
    """Concatenate pieces of one modality along the samples, in memory."""
    values = [read_rows(value, slice(None)) for value in values]
    if len(values) == 1:
        return values[0]
    if all(isinstance(value, pd.DataFrame) for value in values):
        return pd.concat(values)
    if any(sp.issparse(value) for value in values):
        return sp.vstack([sp.csr_array(value) for value in values], format="csr")
    if all(isinstance(value, BagArray) for value in values):
        instances = [value.values for value in values]
        if any(piece.dtype == object for piece in instances):  # images of different sizes
            instances = [object_array(list(piece)) for piece in instances]
        return BagArray(np.concatenate(instances), _stack_offsets(values))
    return np.concatenate([np.asarray(value) for value in values])


class StackedSource(RowSource):
    """Lazy arrays one after the other, read as one."""

    def __init__(self, pieces):
        self.pieces = pieces
        self.bounds = np.cumsum([0, *map(len, pieces)])
        shapes = {piece.entry_shape for piece in pieces}
        self.entry_shape = shapes.pop() if len(shapes) == 1 else common_shape(shapes)
        self.entry_dtype = np.result_type(*(piece.entry_dtype for piece in pieces))
        ragged = None in self.entry_shape
        self.dtype = np.dtype(object) if ragged else self.entry_dtype
        self.shape = (int(self.bounds[-1]), *(() if ragged else self.entry_shape))
        masks = [np.ones(len(piece), bool) if piece.present is None else piece.present for piece in pieces]
        self.present = None if all(mask.all() for mask in masks) else np.concatenate(masks)
        self.is_sparse = any(piece.is_sparse for piece in pieces)
        self.location = ", ".join(dict.fromkeys(str(piece.source.location) for piece in pieces))

    def read(self, rows):
        """Read from each piece the rows that lie in it."""
        parts = [piece[local] for piece, local in self._by_piece(rows)]
        if self.is_sparse:
            return sp.vstack([sp.csr_array(part) for part in parts], format="csr", dtype=self.dtype)
        if self.dtype == object:
            parts = [object_array(list(part)) for part in parts]
        return np.concatenate(parts, dtype=self.dtype)

    def row_keys(self, rows):
        """The keys of each piece's rows."""
        keys = [piece.row_keys(local) for piece, local in self._by_piece(rows)]
        return None if any(part is None for part in keys) else [key for part in keys for key in part]

    def _by_piece(self, rows):
        """Pieces that hold any of the rows, each with the rows of its own."""
        starts = np.searchsorted(rows, self.bounds)
        return [
            (piece, rows[start:stop] - first)
            for piece, first, (start, stop) in zip(self.pieces, self.bounds, pairwise(starts), strict=False)
            if stop > start
        ]


def chain_rows(values):
    """Concatenate pieces of one modality along the samples; lazy where all of them are."""
    if all(isinstance(value, LazyArray) for value in values):
        return LazyArray(StackedSource(values))
    if all(isinstance(value, BagArray) and isinstance(value.values, LazyArray) for value in values):
        instances = LazyArray(StackedSource([value.values for value in values]))
        return BagArray(instances, _stack_offsets(values))
    return stack_rows(values)


def _stack_offsets(bags):
    """Offsets of several BagArrays, one after the other."""
    return np.concatenate([[0], np.cumsum(np.concatenate([bag.lengths for bag in bags]))]).astype(np.int64)


def placeholder(kind, shape, n_samples, *, sparse=False):
    """Values of a modality that is missing for all samples; they take no memory and never matter."""
    if kind == "bag":
        values = np.empty(0, dtype=object) if None in shape else np.empty((0, *shape))
        return BagArray(values, np.zeros(n_samples + 1, dtype=np.int64))
    if kind == "text" or None in shape:
        return np.full(n_samples, None, dtype=object)
    if sparse:
        return sp.csr_array((n_samples, *shape))
    return np.broadcast_to(np.float32(0), (n_samples, *shape))


def entry_shape(value, kind):
    """Shape of one entry; None stands for an axis that differs between samples."""
    if kind == "bag":
        return value.instance_shape
    if kind == "text":
        return ()
    if isinstance(value, LazyArray):
        return value.entry_shape
    if isinstance(value, np.ndarray) and value.dtype == object and value.ndim == 1:
        return ragged_shape(value)
    return tuple(value.shape[1:])


def same_entries(first, second, rows):
    """Whether two modalities hold equal values at ``rows``; what is lazy is not in memory at once."""
    if any(isinstance(value, BagArray) and isinstance(value.values, LazyArray) for value in (first, second)):
        bags = [value for value in (first, second) if isinstance(value, BagArray)]
        return (
            len(bags) == 2
            and np.array_equal(first.lengths[rows], second.lengths[rows])
            and all(_equal(first[int(row)], second[int(row)]) for row in rows)
        )
    if isinstance(first, LazyArray) or isinstance(second, LazyArray):
        step = min(lazy_step(value) for value in (first, second) if isinstance(value, LazyArray))
        rows = np.arange(n_rows(first))[rows]
        pieces = [rows[start : start + step] for start in range(0, len(rows), step)]
        return all(_equal(read_rows(first, piece), read_rows(second, piece)) for piece in pieces)
    return _equal(read_rows(first, rows), read_rows(second, rows))


def _equal(first, second):
    """Equality by value of two modalities in memory; NaN equals NaN."""
    if isinstance(first, BagArray) or isinstance(second, BagArray):
        return first == second if isinstance(first, BagArray) else False
    if isinstance(first, pd.DataFrame) and isinstance(second, pd.DataFrame):
        return _equal_frames(first, second)
    if sp.issparse(first) and sp.issparse(second):
        first, second = _canonical(first), _canonical(second)
        return first.shape == second.shape and all(
            _equal(getattr(first, part), getattr(second, part)) for part in ("indptr", "indices", "data")
        )
    first, second = (
        value.toarray() if sp.issparse(value) else np.asarray(value) for value in (first, second)
    )
    if first.shape != second.shape:
        return False
    if "O" in (first.dtype.kind, second.dtype.kind):
        return all(_equal_objects(a, b) for a, b in zip(first.ravel(), second.ravel(), strict=True))
    return np.array_equal(first, second, equal_nan=first.dtype.kind in "fcmM" and second.dtype.kind in "fcmM")


def _equal_frames(first, second):
    """Equality by value of two DataFrames, whatever their data types and indexes."""
    first, second = first.reset_index(drop=True), second.reset_index(drop=True)
    if first.equals(second):
        return True
    return first.columns.equals(second.columns) and all(
        _equal(first.iloc[:, column].to_numpy(), second.iloc[:, column].to_numpy())
        for column in range(first.shape[1])
    )


def _canonical(matrix):
    """A copy of a sparse matrix in which equal values are stored equally."""
    csr = sp.csr_array(matrix, copy=True)
    csr.sum_duplicates()
    csr.eliminate_zeros()
    return csr


def _equal_objects(first, second):
    """Equality of two entries of an object array."""
    if isinstance(first, np.ndarray) or isinstance(second, np.ndarray):
        return _equal(np.asarray(first), np.asarray(second))
    missing = pd.isna(first), pd.isna(second)
    return all(missing) if any(missing) else first == second
