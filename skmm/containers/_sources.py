"""Where lazy arrays read from: memory maps, HDF5, zarr, sparse matrices in files, any object with rows.

A file is held by its path and re-opened in each process, so a pickle never carries data or open handles.
"""

import math
import os
from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from skmm._optional import import_optional
from skmm.containers import _validation_sources as messages

_GAP_BYTES = 1 << 16  # reading this much in vain takes about as long as one more call to HDF5
_RUN_BYTES = 1 << 24  # at most this much is read in one call where rows are picked out of it
_FEW_ROWS = 16  # for which a call to HDF5 is not worth while
# joblib hands large arrays to its workers through files that it deletes: arrays in memory, seen from outside.
_JOBLIB_FOLDER = "joblib_memmapping_folder_"


class RowSource(ABC):
    """What a LazyArray needs: ``shape``, ``dtype`` and ``read(rows)``; readers of files derive from it.

    `read` is given sorted, unique, non-negative rows (an int array, never empty) and returns them in memory:
    an ndarray, or a CSR array where ``is_sparse``. `location` names the source in messages. Images of
    different sizes are a 1-D source of dtype object, whose `entry_shape` and `entry_dtype` tell what an image
    is: (None, None) or (None, None, channels).
    """

    is_sparse = False
    location = None
    present = None  # bool array (n_rows,) where the source knows that rows are missing
    entry_shape = entry_dtype = None  # those of the shape and data type, where rows have one size

    @abstractmethod
    def read(self, rows):
        """Read rows, an int array in increasing order without repeats."""

    def row_keys(self, rows):
        """A key for each of some rows, which changes when its content may have; None where there is none."""
        del rows


def as_slice(rows):
    """Rows in increasing order as a slice where there is no gap between them, else as they are."""
    first, last = int(rows[0]), int(rows[-1])
    return slice(first, last + 1) if last - first + 1 == len(rows) else rows


def row_bytes(source):
    """Bytes that one row of a dense array takes."""
    return max(1, math.prod(source.shape[1:]) * np.dtype(source.dtype).itemsize)


def iter_runs(rows, n_bytes):
    """Yield (start, stop) positions of `rows` that are close enough together to be read in one slice."""
    breaks = np.diff(rows) - 1 > _GAP_BYTES // n_bytes
    starts = np.concatenate([[0], np.flatnonzero(breaks) + 1])
    longest = max(1, _RUN_BYTES // n_bytes)
    for start, stop in zip(starts, [*starts[1:], len(rows)], strict=True):
        while start < stop:
            end = min(int(stop), int(np.searchsorted(rows, rows[start] + longest)))
            yield start, end
            start = end  # noqa: PLW2901 - the rest of a run that is too long


def file_stamp(path):
    """Size and time of change of a file, or None: so that hashes tell a file from its later version."""
    try:
        status = os.stat(path)  # noqa: PTH116 - the path of an h5py file may be bytes-like or strange
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


class _FileSource(RowSource):
    """An array in a file: by path, with the object that is open in this process where there is one."""

    def __init__(self, path, shape, dtype, live=None):
        self.location = os.path.realpath(path)
        self.shape = tuple(int(size) for size in shape)
        self.dtype = np.dtype(dtype)
        self._keep(live)

    def _keep(self, live):
        """Remember an open object of this process; a forked child must not share it."""
        self._live, self._pid = live, os.getpid()

    def __getstate__(self):
        state = {key: value for key, value in vars(self).items() if key not in ("_live", "_pid")}
        return {**state, "stamp": file_stamp(self.location)}

    def __setstate__(self, state):
        vars(self).update(state)
        del self.stamp  # of the time of pickling
        self._keep(None)

    def check(self, found):
        """Raise unless the file still holds an array of the shape and data type that it had."""
        if tuple(found.shape) != self.shape or np.dtype(found.dtype) != self.dtype:
            raise messages.file_changed(
                self.location, self.shape, self.dtype, tuple(found.shape), found.dtype
            )
        return found

    def check_exists(self):
        """Raise where the file is gone."""
        if not os.path.exists(self.location):  # noqa: PTH110 - see file_stamp
            raise messages.file_gone(self.location)


class MemmapSource(_FileSource):
    """A part of a file in NumPy's binary layout."""

    def __init__(self, path, shape, dtype, offset, order, *, writable=True):
        super().__init__(path, shape, dtype)
        self.offset, self.order, self.writable = int(offset), order, writable

    def open(self):
        """Map the file into memory; a map is kept while the file stays as it is, since new ones are slow."""
        stamp = file_stamp(self.location)
        if self._live is not None and self._live[0] == stamp:
            return self._live[1]
        self.check_exists()
        try:
            array = np.memmap(self.location, self.dtype, "r", self.offset, self.shape, self.order)
        except ValueError as error:  # shorter than it was: reading would kill the process
            raise messages.file_too_short(self.location, self.shape, self.dtype) from error
        self._keep((stamp, array))
        return array

    def read(self, rows):
        """Copy rows out of the map."""
        return np.array(self.open()[as_slice(rows)], subok=False)

    def row_keys(self, rows):
        """Path, size, time and layout of the file, and the row."""
        # Writing through a map need not change the time of its file.
        stamp = None if self.writable else file_stamp(self.location)
        if stamp is None:
            return None
        layout = (self.location, *stamp, self.offset, self.order, self.shape, self.dtype.str)
        return [(*layout, int(row)) for row in rows]


class H5Source(_FileSource):
    """A dataset of an HDF5 file."""

    def __init__(self, dataset):
        super().__init__(dataset.file.filename, dataset.shape, dataset.dtype, dataset)
        self.name = dataset.name

    def read(self, rows):
        """Read rows through the open file where this process has it open, else re-open it."""
        if self._live and self._pid == os.getpid():  # a dataset of a closed file is False
            return self._read(self._live, rows)
        h5py = import_optional("h5py", extra="singlecell", who=f"Reading {self.location}")
        self.check_exists()
        try:
            file = h5py.File(self.location, "r")
        except OSError as error:
            raise messages.file_unreadable(self.location, error) from error
        with file:
            if self.name not in file:
                raise messages.not_in_file(self.location, self.name)
            return self._read(self.check(file[self.name]), rows)

    def _read(self, dataset, rows):
        """Read rows in slices where each is of many rows, else let h5py pick them."""
        runs = list(iter_runs(rows, row_bytes(self)))
        if len(runs) > 1 and len(runs) * _FEW_ROWS > len(rows):
            return dataset[rows]
        out = np.empty((len(rows), *self.shape[1:]), dtype=self.dtype)
        for start, stop in runs:
            run = rows[start:stop]
            out[start:stop] = dataset[int(run[0]) : int(run[-1]) + 1][run - run[0]]
        return out


class ZarrSource(_FileSource):
    """A zarr array in a directory or in a zip file."""

    def __init__(self, array):
        super().__init__(_zarr_path(array), array.shape, array.dtype, array)
        self.name = array.path

    def read(self, rows):
        """Read rows, each chunk once."""
        if self._live is None or self._pid != os.getpid():
            zarr = import_optional("zarr", extra="singlecell", who=f"Reading {self.location}")
            self.check_exists()
            is_folder = Path(self.location).is_dir()
            store = self.location if is_folder else zarr.storage.ZipStore(self.location, mode="r")
            try:
                array = zarr.open_array(store=store, path=self.name, mode="r")
            except FileNotFoundError as error:
                raise messages.not_in_file(self.location, self.name) from error
            self._keep(self.check(array))
        return read_object(self._live, as_slice(rows))


def _zarr_path(array):
    """Path of the directory or zip file that holds a zarr array.

    None for other stores, which pickle by themselves.
    """
    if type(array.store).__name__ == "ZipStore":
        return array.store.path
    return getattr(array.store, "root", None)


class CSRSource(RowSource):
    """A sparse matrix stored by rows as three arrays (AnnData's layout); reads give CSR."""

    is_sparse = True

    def __init__(self, data, indices, indptr, shape):
        self.data, self.indices, self.indptr = data, indices, indptr
        self.shape = tuple(int(size) for size in shape)
        self.dtype = np.dtype(data.dtype)
        self.location = data.location
        self._bounds = None

    def __getstate__(self):
        return {**vars(self), "_bounds": None}

    def read(self, rows):
        """Read the stored values of the rows."""
        if self._bounds is None:
            self._bounds = self.indptr.read(np.arange(self.shape[0] + 1)).astype(np.int64)
        starts, lengths = self._bounds[rows], self._bounds[rows + 1] - self._bounds[rows]
        indptr = np.concatenate([[0], np.cumsum(lengths)])
        where = np.arange(indptr[-1]) + np.repeat(starts - indptr[:-1], lengths)
        data = self.data.read(where) if len(where) else np.empty(0, self.dtype)
        indices = self.indices.read(where) if len(where) else np.empty(0, np.int32)
        return sp.csr_array((data, indices, indptr), shape=(len(rows), self.shape[1]))


class ColumnsSource(RowSource):
    """Some columns of a table in another source."""

    def __init__(self, source, columns):
        self.source, self.columns = source, np.asarray(columns)
        self.shape, self.dtype = (source.shape[0], len(self.columns)), source.dtype
        self.is_sparse, self.location = source.is_sparse, source.location

    def read(self, rows):
        """Read rows and keep the columns."""
        return self.source.read(rows)[:, self.columns]


class ObjectSource(RowSource):
    """Any object with ``shape``, ``dtype`` and ``[rows]``, kept as it is."""

    def __init__(self, array):
        self.array = array
        self.shape, self.dtype = tuple(int(size) for size in array.shape), np.dtype(array.dtype)
        self.location = type(array).__name__

    def read(self, rows):
        """Ask the object for the rows, and check what it gives."""
        values = read_object(self.array, rows)
        if values.shape != (len(rows), *self.shape[1:]):
            raise messages.wrong_read(self.location, (len(rows), *self.shape[1:]), values.shape)
        return values

    def row_keys(self, rows):
        """The keys that the object gives."""
        return self.array.row_keys(rows) if hasattr(self.array, "row_keys") else None


def read_object(array, rows):
    """Rows of an array-like object as an ndarray; zarr arrays select along one axis by ``oindex``."""
    values = array.oindex[rows] if hasattr(array, "oindex") else array[rows]
    values = values.compute() if hasattr(values, "compute") else values  # dask
    return values.toarray() if sp.issparse(values) else np.asarray(values)


def memmap_source(array):
    """Source of a np.memmap, or None where its memory is not one block of a file that others can open.

    Copy-on-write maps have changes that are in no file; temporary files of joblib stand for arrays in memory.
    """
    root = array
    while isinstance(root.base, np.memmap):
        root = root.base
    path = root.filename
    if path is None or root.offset is None or array.mode == "c" or _JOBLIB_FOLDER in str(path):
        return None
    if array.ndim == 0 or array.size == 0 or not (array.flags.c_contiguous or array.flags.f_contiguous):
        return None
    address = array.__array_interface__["data"][0] - root.__array_interface__["data"][0]
    order = "C" if array.flags.c_contiguous else "F"
    writable = root.mode != "r"
    return MemmapSource(path, array.shape, array.dtype, root.offset + address, order, writable=writable)


def find_source(array):
    """Source that reads an array-like object lazily."""
    package = type(array).__module__.partition(".")[0]
    if isinstance(array, RowSource):
        return array
    if isinstance(array, np.memmap):
        source = memmap_source(array)
        if source is None:
            raise messages.not_lazy(array)
        return source
    if package == "h5py" and hasattr(array, "id") and hasattr(array, "chunks"):
        return H5Source(array)
    if package == "zarr" and _zarr_path(array) is not None:
        return ZarrSource(array)
    if package == "anndata" and hasattr(array, "group"):
        if array.format != "csr":
            raise messages.stored_by_columns(array)
        return CSRSource(
            *(find_source(array.group[part]) for part in ("data", "indices", "indptr")), array.shape
        )
    return ObjectSource(array)
