"""Images of different sizes in one file: their bytes in a row."""

import numpy as np

from skmm.containers._entries import common_shape, object_array
from skmm.containers._lazy import is_lazy
from skmm.containers._sources import MemmapSource, RowSource, find_source


class RaggedSource(RowSource):
    """Images of different sizes, one after the other in an array of bytes.

    Parameters
    ----------
    flat : memmap of uint8 of shape (n_bytes,), or ndarray where it is empty
        The bytes.
    shapes : ndarray of int of shape (n_samples, n_axes)
        Shape of each image; -1 for axes that it does not have, and throughout where it is missing.
    dtypes : list of str or None
        Data type of each.
    """

    def __init__(self, flat, shapes, dtypes):
        self.flat = find_source(flat) if is_lazy(flat) else flat
        self.shapes, self.dtypes = shapes, dtypes
        present = np.array([dtype is not None for dtype in dtypes], dtype=bool)
        self.present = None if present.all() else present
        sizes = [0 if dtype is None else np.dtype(dtype).itemsize for dtype in dtypes]
        n_bytes = np.where(shapes >= 0, shapes, 1).prod(axis=1) * np.array(sizes, dtype=np.int64)
        self.bounds = np.concatenate([[0], np.cumsum(n_bytes, dtype=np.int64)])
        self.entry_shape = common_shape({self._shape(row) for row in np.flatnonzero(present)})
        known = {np.dtype(dtype) for dtype in dtypes if dtype is not None}
        self.entry_dtype = np.result_type(*known) if known else np.dtype(np.uint8)
        self.shape, self.dtype = (len(dtypes),), np.dtype(object)
        self.location = self.flat.location if isinstance(self.flat, MemmapSource) else None

    def _shape(self, row):
        """Shape of one image."""
        return tuple(int(size) for size in self.shapes[row] if size >= 0)

    def read(self, rows):
        """Copy images out of the bytes."""
        flat = self.flat.open() if isinstance(self.flat, MemmapSource) else self.flat
        images = [None] * len(rows)
        for place, row in enumerate(rows):
            if self.dtypes[row] is not None:
                part = np.array(flat[self.bounds[row] : self.bounds[row + 1]], subok=False)
                images[place] = part.view(self.dtypes[row]).reshape(self._shape(row))
        return object_array(images)

    def row_keys(self, rows):
        """Keys of the first bytes of each image, its shape and data type."""
        if not isinstance(self.flat, MemmapSource):
            return None
        # A missing image at the end starts behind the last byte.
        starts = self.flat.row_keys(self.bounds[rows])
        if starts is None:
            return None
        return [(key, self._shape(row), self.dtypes[row]) for key, row in zip(starts, rows, strict=True)]
