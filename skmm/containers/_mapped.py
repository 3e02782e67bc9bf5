"""Rows changed one by one by a stateless step, lazily where the rows are lazy."""

import numpy as np

from skmm.containers import _validation_sources as messages
from skmm.containers._bag_array import BagArray
from skmm.containers._entries import object_array
from skmm.containers._lazy import LazyArray
from skmm.containers._sources import RowSource

_PROBE = 16  # side of the image of zeros that stands for images of different sizes


class MappedSource(RowSource):
    """Rows of a lazy array, each changed by a function when it is read."""

    def __init__(self, array, function, shape, dtype, token):
        self.array, self.function, self.token = array, function, token
        self.present, self.location = array.present, array.source.location
        self.entry_shape, self.entry_dtype = tuple(shape), np.dtype(dtype)
        ragged = None in shape
        self.shape = (len(array),) if ragged else (len(array), *shape)
        self.dtype = np.dtype(object) if ragged else self.entry_dtype

    def read(self, rows):
        """Read rows and change them."""
        values = self.array[rows]
        try:
            if values.dtype == object:
                filler = None if self.dtype == object else np.zeros(self.entry_shape, self.entry_dtype)
                values = _each(values, self.function, filler)
            else:
                values = np.asarray(self.function(values))
        except Exception as error:
            where = "" if self.location is None else f" of {self.location}"
            error.add_note(f"Raised by a step on the rows {messages.shown(rows)}{where}, as they were read.")
            raise
        if values.shape != (len(rows), *self.shape[1:]):
            raise messages.wrong_read(self.location, (len(rows), *self.shape[1:]), values.shape)
        return values

    def row_keys(self, rows):
        """The keys of the rows that are read, and what is done to them."""
        keys = self.array.row_keys(rows)
        return None if keys is None else [(key, self.token) for key in keys]


def _each(entries, function, filler=None):
    """A function of rows applied to entries of different shapes, one by one; None stays None.

    With a filler, all that comes out is of its shape, and it stands in the place of None.
    """
    changed = [filler if entry is None else np.asarray(function(entry[np.newaxis]))[0] for entry in entries]
    return object_array(changed) if filler is None else np.stack(changed)


def map_rows(value, function, *, token, shape=None):
    """Change each row of a modality by itself; of a lazy array, at the time when it is read.

    Parameters
    ----------
    value : ndarray, LazyArray, BagArray, or 1-D object array of images
        Rows; of bags, each instance is a row. Images of different sizes are an object array, or a lazy array
        of them; None stands for a missing one and stays None.
    function : callable
        From an array of m rows to an array of m rows. What becomes of a row must depend on that row alone.
        It must be picklable for lazy arrays: a function of a module, a ``functools.partial`` of one, or a
        bound method. Images of different sizes come one at a time, as an array of one row.
    token : object
        What the function does, by value: a tuple of a name and all parameters, of which ``repr`` tells all.
        With the file's path, size and time it stands for the pixels, see :meth:`LazyArray.row_keys`.
    shape : tuple of int, default=None
        Shape of a row that comes out, None for an axis that differs between rows. Needed only where rows of
        different shapes become rows of one shape; elsewhere one row of zeros tells.

    Returns
    -------
    ndarray, LazyArray, BagArray or 1-D object array
        As `value` is; images of different sizes that come out in one shape, none missing, are one array.

    Examples
    --------
    >>> import numpy as np
    >>> from skmm.containers import map_rows
    >>> map_rows(np.array([[1, 2], [3, 4]]), np.negative, token=("negative",))
    array([[-1, -2],
           [-3, -4]])
    """
    if isinstance(value, BagArray):
        return BagArray(map_rows(value.values, function, token=token, shape=shape), value.offsets)
    if isinstance(value, LazyArray):
        return _map_lazy(value, function, token, shape)
    if value.dtype == object and value.ndim == 1:
        changed = _each(value, function)
        one_shape = shape is not None and None not in shape and all(entry is not None for entry in changed)
        return np.stack(changed) if one_shape and len(changed) else changed
    return np.asarray(function(value))


def _map_lazy(lazy, function, token, shape):
    """A lazy array whose rows are changed when they are read; one row of zeros tells what comes out."""
    ragged = lazy.dtype == object
    sizes = [_PROBE if size is None else size for size in lazy.entry_shape]
    probe = np.asarray(function(np.zeros((1, *sizes), lazy.entry_dtype)))
    if shape is None:
        shape = (None, None, *probe.shape[3:]) if ragged else probe.shape[1:]
    return LazyArray(MappedSource(lazy, function, shape, probe.dtype, token))
