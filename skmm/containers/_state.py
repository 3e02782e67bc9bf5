"""The pickled form of a ModalityDict: the same for equal contents, so that ``joblib.hash`` is stable.

A DataFrame pickles its blocks and shares its index with others, both of which depend on how it was made;
here it is taken apart into columns and ids.
"""

import numpy as np
import pandas as pd
import scipy.sparse as sp


def plain_order(array):
    """An array as C orders it: hashes tell strides, and whether two names stand for one array of objects."""
    array = np.array(array, order="C") if array.dtype == object else np.ascontiguousarray(array)
    # Where an axis has length one or zero, NumPy calls any strides contiguous.
    return array.reshape(-1).reshape(array.shape) if array.size else np.empty(array.shape, array.dtype)


class FrameState:
    """A DataFrame in parts: one array if all columns are of one NumPy type, else one array a column."""

    def __init__(self, frame):
        self.columns = IndexState(frame.columns)
        self.index = IndexState(frame.index)
        dtypes = set(frame.dtypes)
        self.homogeneous = len(dtypes) == 1 and isinstance(next(iter(dtypes)), np.dtype)
        if self.homogeneous:
            self.values = plain_order(frame.to_numpy())
        else:
            self.values = [_column_state(frame.iloc[:, column].array) for column in range(frame.shape[1])]

    def restore(self):
        """Build the DataFrame again."""
        index = self.index.restore()
        if self.homogeneous:
            return pd.DataFrame(self.values, index=index, columns=self.columns.restore(), copy=False)
        frame = pd.DataFrame(dict(enumerate(self.values)), index=index, copy=False)
        frame.columns = self.columns.restore()
        return frame


class IndexState:
    """An Index as values, type and names."""

    def __init__(self, index):
        self.tuples = isinstance(index, pd.MultiIndex)
        self.names = list(index.names)
        self.dtype = None if self.tuples else str(index.dtype)
        self.values = np.array(index.to_numpy(), order="C")

    def restore(self):
        """Build the Index again."""
        if self.tuples:
            return pd.MultiIndex.from_tuples(self.values.tolist(), names=self.names)
        return pd.Index(self.values, dtype=self.dtype, name=self.names[0])


def _column_state(array):
    """A column's values; NumPy's own where that is what pandas wraps."""
    is_numpy = type(array) is pd.arrays.NumpyExtensionArray  # which that of strings derives from
    return plain_order(array.to_numpy()) if is_numpy else array.copy()


class SparseState:
    """A sparse matrix by its three arrays, without what SciPy notes of them on the way."""

    def __init__(self, matrix):
        self.form, self.shape = type(matrix), matrix.shape
        self.parts = tuple(plain_order(part) for part in (matrix.data, matrix.indices, matrix.indptr))

    def restore(self):
        """Build the matrix again."""
        return self.form(self.parts, shape=self.shape)


def freeze(value):
    """A part of a container as it is pickled."""
    if isinstance(value, pd.DataFrame):
        return FrameState(value)
    if isinstance(value, pd.Index):
        return IndexState(value)
    if sp.issparse(value):
        return SparseState(value)
    if isinstance(value, np.ndarray):
        return plain_order(value)
    return value


def thaw(value):
    """Undo ``freeze``."""
    return value.restore() if isinstance(value, (FrameState, IndexState, SparseState)) else value
