"""LazyArray: an array on disk that is read row by row, when it is asked for."""

import numpy as np
import scipy.sparse as sp

from skmm.containers import _validation_sources as messages
from skmm.containers._sources import ColumnsSource, MemmapSource, find_source, memmap_source

# Their arrays and columns have a shape, a dtype and [rows] too, but live in memory.
_IN_MEMORY = {"builtins", "cupy", "numpy", "pandas", "polars", "pyarrow", "scipy", "tensorflow", "torch"}


def is_lazy(value):
    """Whether a value is an array that is read on demand.

    Parameters
    ----------
    value : object
        Anything.

    Returns
    -------
    bool
        True for a `LazyArray`, a `np.memmap` of a file, and any object outside NumPy, SciPy, pandas and
        torch that has ``shape``, ``dtype`` and ``[rows]``, such as arrays of h5py, zarr and dask. A
        copy-on-write or strided memory map is an ordinary array.

    Examples
    --------
    >>> import numpy as np
    >>> from skmm.containers import is_lazy
    >>> is_lazy(np.zeros((2, 3)))
    False
    """
    if isinstance(value, np.memmap):
        return memmap_source(value) is not None
    if isinstance(value, np.ndarray) or sp.issparse(value) or isinstance(value, type):
        return False
    if type(value).__module__.partition(".")[0] in _IN_MEMORY:
        return False
    if not (hasattr(value, "dtype") and hasattr(value, "__getitem__")):
        return False
    return isinstance(getattr(value, "shape", None), tuple) and len(value.shape) > 0


class LazyArray:
    """A read-only array on disk, or in any reader, of which rows are read when they are asked for.

    Rows may be asked for in any order and repeatedly: the source is read once a row, in increasing order. A
    pickle carries the path and the row numbers, never the data; other processes re-open the file.

    Parameters
    ----------
    source : array-like of shape (n_samples, ...)
        A `np.memmap`, an h5py dataset, a zarr array, a sparse dataset of a backed AnnData object, or any
        object with ``shape``, ``dtype`` and ``[rows]``, where rows are an int array in increasing order.

    Attributes
    ----------
    shape : tuple of int
        Shape, samples first.
    dtype : numpy.dtype
        Data type.
    ndim : int
        Number of axes.
    is_sparse : bool
        Whether reads give a `scipy.sparse.csr_array` instead of an ndarray.

    Raises
    ------
    ValueError
        If the source cannot be read lazily, or (on reading) its file has another shape than it had.
    FileNotFoundError
        On reading, if the file is gone.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> from skmm.containers import LazyArray
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "rna.npy")
    >>> np.save(path, np.arange(6).reshape(3, 2))
    >>> lazy = LazyArray(np.load(path, mmap_mode="r"))
    >>> lazy[[2, 0, 2]]
    array([[4, 5],
           [0, 1],
           [4, 5]])
    >>> lazy.select([2, 1]).shape
    (2, 2)
    >>> folder.cleanup()
    """

    def __init__(self, source):
        if isinstance(source, LazyArray):
            self._source, self._rows = source._source, source._rows
        else:
            self._source, self._rows = find_source(source), None
        if len(self._source.shape) == 0:
            raise messages.not_lazy(source)

    @property
    def source(self):
        """What is read: an object with ``shape``, ``dtype``, ``location`` and ``read(rows)``."""
        return self._source

    @property
    def rows(self):
        """Rows of the source that this array shows, or None for all in order."""
        return self._rows

    @property
    def shape(self):
        """Shape, samples first."""
        return (len(self), *self._source.shape[1:])

    @property
    def dtype(self):
        """Data type."""
        return np.dtype(self._source.dtype)

    @property
    def ndim(self):
        """Number of axes."""
        return len(self._source.shape)

    @property
    def is_sparse(self):
        """Whether reads give a CSR array."""
        return self._source.is_sparse

    @property
    def entry_shape(self):
        """Shape of one row; None stands for an axis that differs between images."""
        return self.shape[1:] if self._source.entry_shape is None else tuple(self._source.entry_shape)

    @property
    def entry_dtype(self):
        """Data type of what a row holds: that of the array, but for images of different sizes."""
        return self.dtype if self._source.entry_dtype is None else np.dtype(self._source.entry_dtype)

    @property
    def present(self):
        """Which rows are there, (n_samples,), where the source knows that some are missing; else None."""
        present = self._source.present
        return present if present is None or self._rows is None else present[self._rows]

    def row_keys(self, rows):
        """Keys that stand for the content of rows, without reading them.

        Parameters
        ----------
        rows : int, slice, array-like of int or mask
            Rows of this array.

        Returns
        -------
        list of tuple, or None
            For rows of files: path, size and time of change of the file, the place in it, and the stateless
            steps of :func:`map_rows` on the way. None where nothing but the content tells.

        Examples
        --------
        >>> import os, tempfile
        >>> import numpy as np
        >>> from skmm.containers import LazyArray
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "rna.npy")
        ...     np.save(path, np.eye(3))
        ...     keys = LazyArray(np.load(path, mmap_mode="r")).row_keys([0, 2])
        >>> len(set(keys))
        2
        """
        rows = self._source_rows(rows)
        unique, inverse = np.unique(rows, return_inverse=True)
        keys = self._source.row_keys(unique)
        return None if keys is None else [keys[position] for position in inverse]

    def __len__(self):
        return self._source.shape[0] if self._rows is None else len(self._rows)

    def __getitem__(self, key):
        """Read rows into memory; a single int drops the first axis, as in NumPy, but of a sparse array."""
        values = self._read(self._source_rows(key))
        is_one = isinstance(key, (int, np.integer)) and not isinstance(key, (bool, np.bool_))
        return values[0] if is_one and not self.is_sparse else values

    def __array__(self, dtype=None, copy=None):
        """Read all rows into one ndarray."""
        if copy is False:
            raise messages.reading_copies()
        values = self._read(self._source_rows(slice(None)))
        return np.asarray(values.toarray() if self.is_sparse else values, dtype=dtype)

    def __repr__(self):
        return f"LazyArray(shape={self.shape}, dtype={self.dtype}, source={self._source.location!r})"

    def select(self, rows):
        """Select rows without reading them.

        Parameters
        ----------
        rows : int, slice, array-like of int or mask
            Rows of this array, in any order, repeats allowed.

        Returns
        -------
        LazyArray
            A view of the same source.

        Raises
        ------
        IndexError
            If a row is out of range or a mask has the wrong length.

        Examples
        --------
        See :class:`LazyArray`.
        """
        chosen = self._source_rows(rows)
        n_rows = self._source.shape[0]
        view = object.__new__(type(self))
        # All rows in order are None, so that equal arrays have equal hashes.
        is_all = len(chosen) == n_rows and np.array_equal(chosen, np.arange(n_rows))
        view._source, view._rows = self._source, None if is_all else chosen
        return view

    def _source_rows(self, key):
        """Row numbers of the source for any row selector of this array."""
        from skmm.containers._rows import normalize_rows  # that module imports this one

        rows = normalize_rows(key, len(self))
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(len(self)))
        return rows if self._rows is None else self._rows[rows]

    def _read(self, rows):
        """Read rows of the source, each once and in increasing order, and restore the order asked for."""
        if len(rows) == 0:
            empty = (0, *self._source.shape[1:])
            return sp.csr_array(empty, dtype=self.dtype) if self.is_sparse else np.empty(empty, self.dtype)
        if np.all(rows[1:] > rows[:-1]):
            return self._source.read(rows)
        unique, inverse = np.unique(rows, return_inverse=True)
        return self._source.read(unique)[inverse]


def first_values(lazy):
    """First scalar of each row of a float array in a memory map, one page a row.

    None for all other sources.
    """
    source = lazy.source
    if not isinstance(source, MemmapSource) or lazy.dtype.kind != "f" or 0 in source.shape:
        return None
    rows = slice(None) if lazy.rows is None else lazy.rows
    return np.array(source.open()[(rows, *(0,) * (lazy.ndim - 1))], subok=False)


def select_columns(lazy, columns):
    """Columns of a lazy table, as a lazy table."""
    chosen = LazyArray(ColumnsSource(lazy.source, columns))
    return chosen if lazy.rows is None else chosen.select(lazy.rows)
