"""BagArray: bags of instances (slices of a scan, patches, cells), stored flat."""

import numpy as np

from skmm.containers import _validation as messages
from skmm.containers._entries import from_torch, is_image, is_missing, object_array, ragged_shape
from skmm.containers._lazy import LazyArray, is_lazy
from skmm.containers._state import freeze


def _instance_rows(starts, lengths):
    """Row numbers of the instances of bags that start at ``starts`` and have ``lengths``."""
    total = int(lengths.sum())
    if total == 0:
        return np.empty(0, dtype=np.intp)
    shift = np.repeat(starts - (np.cumsum(lengths) - lengths), lengths)
    return np.arange(total, dtype=np.intp) + shift


def _check_offsets(offsets, n_instances):
    """Offsets as int64, or an error that says what is wrong with them."""
    offsets = np.asarray(offsets)
    if offsets.ndim != 1 or len(offsets) == 0 or offsets.dtype.kind not in "iu":
        raise messages.bad_offsets(f"got an array of shape {offsets.shape} and dtype {offsets.dtype}")
    offsets = offsets.astype(np.int64, copy=False)
    if offsets[0] != 0:
        raise messages.bad_offsets(f"they start at {offsets[0]}")
    if (np.diff(offsets) < 0).any():
        raise messages.bad_offsets(f"they decrease after bag {int(np.argmax(np.diff(offsets) < 0))}")
    if offsets[-1] != n_instances:
        raise messages.bad_offsets(f"they end at {offsets[-1]}, but there are {n_instances} instances")
    return offsets


def is_ragged(instances):
    """Whether the instances of a bag are a 1-D object array of arrays, as images of different sizes are."""
    return (
        instances.dtype == object
        and instances.ndim == 1
        and all(isinstance(instance, np.ndarray) for instance in instances)
    )


def as_instances(bag):
    """One bag as an array; as a 1-D object array of arrays where its instances differ in shape."""
    bag = from_torch(bag)
    try:
        return np.asarray(bag)
    except ValueError:  # NumPy has no array for them
        pass
    try:
        return object_array([np.asarray(from_torch(instance)) for instance in bag])
    except ValueError:  # nor for one of them
        return np.array(None)


def _shapes_of(instances):
    """Shapes of the instances of a bag, one of each."""
    if is_ragged(instances):
        return list(dict.fromkeys(instance.shape for instance in instances))
    return [instances.shape[1:]]


def _join_images(pieces, dtype, name):
    """Images of different sizes as a 1-D object array of copies of one data type."""
    images = [image for piece in pieces for image in piece]
    if images and dtype in (None, object):
        dtype = np.result_type(*{image.dtype for image in images})
        if dtype.kind not in "biuf":
            raise messages.not_numbers(name or "bag", "bag", dtype)
    return object_array([np.array(image, dtype=dtype) for image in images])


class EqualBags:
    """An array (n_samples, n_instances, ...) that is read as its flat instances.

    So that a lazy stack of equal bags becomes a BagArray without being read.
    """

    def __init__(self, stacks):
        self.stacks = stacks
        self.n_instances = stacks.shape[1]
        self.shape = (stacks.shape[0] * self.n_instances, *stacks.shape[2:])
        self.dtype = stacks.dtype

    def __getitem__(self, rows):
        """Instances ``rows`` (sorted, unique), read from the samples that hold them."""
        rows = np.arange(self.shape[0])[rows]
        samples, inverse = np.unique(rows // self.n_instances, return_inverse=True)
        return np.asarray(self.stacks[samples])[inverse, rows % self.n_instances]

    def row_keys(self, rows):
        """Keys of the samples that hold the instances, and which instances they are."""
        keys = self.stacks.row_keys(rows // self.n_instances) if isinstance(self.stacks, LazyArray) else None
        if keys is None:
            return None
        return [(key, int(row) % self.n_instances) for key, row in zip(keys, rows, strict=True)]


class BagArray:
    """Bags of instances, one bag a sample, stored as one flat array.

    Bag :math:`i` is ``values[offsets[i]:offsets[i + 1]]``. An empty bag is a missing entry.

    Parameters
    ----------
    values : array of shape (total_instances, ...)
        All instances, bag after bag. A lazy array (``np.memmap``, zarr, h5py) stays lazy.
    offsets : array of int of shape (n_samples + 1,)
        Where each bag begins; the last entry is ``total_instances``.

    Attributes
    ----------
    values : array of shape (total_instances, ...)
        The instances.
    offsets : ndarray of int64 of shape (n_samples + 1,)
        The bounds of the bags.
    lengths : ndarray of int64 of shape (n_samples,)
        Number of instances of each bag.
    instance_shape : tuple
        Shape of one instance.
    dtype : numpy.dtype
        Data type of the instances.

    Raises
    ------
    ValueError
        If the offsets do not start at 0, decrease, or do not end at ``total_instances``.

    Examples
    --------
    >>> import numpy as np
    >>> from skmm import BagArray
    >>> bags = BagArray(np.arange(10).reshape(5, 2), offsets=[0, 2, 2, 5])
    >>> bags
    BagArray(3 bags, 0 to 3 instances of shape (2,), int64)
    >>> bags[0]
    array([[0, 1],
           [2, 3]])
    >>> bags[[2, 0]].lengths
    array([3, 2])
    """

    def __init__(self, values, offsets):
        if isinstance(values, np.ndarray) and not isinstance(values, np.memmap):
            self._values = values
        elif is_lazy(values):
            self._values = values if isinstance(values, LazyArray) else LazyArray(values)
        else:
            self._values = np.asarray(from_torch(values))
        if self._values.ndim == 0:
            raise messages.bad_offsets("values is a scalar")
        self._offsets = _check_offsets(offsets, self._values.shape[0])

    @classmethod
    def from_list(cls, bags, *, instance_shape=None, dtype=None):
        """Make a BagArray of a sequence of arrays.

        Parameters
        ----------
        bags : sequence of array-like of shape (n_instances_i, ...), or None
            One bag a sample; None (or NaN) is an empty bag. Images may differ in size, within a bag too (a
            sequence of them); ``values`` is then a 1-D object array of images.
        instance_shape : tuple, default=None
            Shape of one instance; needed only where every bag is None.
        dtype : numpy dtype, default=None
            Data type of the result; the common one of the bags when None.

        Returns
        -------
        BagArray
            The bags, copied into one array.

        Raises
        ------
        ValueError
            If instances that are no images differ in shape, or no bag tells the shape.

        Examples
        --------
        >>> from skmm import BagArray
        >>> BagArray.from_list([[[1.0, 2.0]], None, [[3.0, 4.0], [5.0, 6.0]]]).lengths
        array([1, 0, 2])
        """
        return cls._from_list(bags, instance_shape=instance_shape, dtype=dtype)

    @classmethod
    def _from_list(cls, bags, *, instance_shape=None, dtype=None, name=None):
        """``from_list`` whose messages name the modality."""
        bags, pieces = list(bags), {}
        lengths = np.zeros(len(bags), dtype=np.int64)
        for row, bag in enumerate(bags):
            if is_missing(bag):
                continue
            piece = as_instances(bag)
            if piece.ndim == 0:
                raise messages.mixed_sequence(name or "bag", row, bag)
            if len(piece):
                lengths[row], pieces[row] = len(piece), piece
        shapes = [(shape, row) for row, piece in pieces.items() for shape in _shapes_of(piece)]
        if instance_shape is None:
            if not shapes:
                raise messages.all_entries_missing(name) if name else messages.no_instance_shape()
            expected, may_differ = shapes[0][0], True
        else:
            expected, may_differ = tuple(instance_shape), None in instance_shape
        differing = next(((shape, row) for shape, row in shapes if shape != expected), None)
        if differing and not (may_differ and all(is_image(s) and len(s) == len(expected) for s, _ in shapes)):
            raise messages.instance_shapes(name, differing[1], expected, differing[0])
        if differing or None in expected:
            values = _join_images(pieces.values(), dtype, name)
        elif pieces:
            values = np.concatenate([np.stack(p) if is_ragged(p) else p for p in pieces.values()])
            values = values if dtype is None else values.astype(dtype, copy=False)
        else:
            values = np.empty((0, *expected), dtype=dtype or np.float64)
        return cls(values, np.concatenate([[0], np.cumsum(lengths)]))

    @classmethod
    def _from_stack(cls, stacks):
        """Equal bags from one array (n_samples, n_instances, ...), without copying or reading it."""
        n_samples, n_instances = stacks.shape[:2]
        offsets = np.arange(n_samples + 1, dtype=np.int64) * n_instances
        if isinstance(stacks, np.ndarray):
            return cls(stacks.reshape(n_samples * n_instances, *stacks.shape[2:]), offsets)
        return cls(LazyArray(EqualBags(stacks)), offsets)

    @property
    def values(self):
        """Instances of all bags, (total_instances, ...)."""
        return self._values

    @property
    def offsets(self):
        """Bounds of the bags, (n_samples + 1,)."""
        return self._offsets

    @property
    def lengths(self):
        """Number of instances of each bag, (n_samples,)."""
        return np.diff(self._offsets)

    @property
    def instance_shape(self):
        """Shape of one instance; None stands for an axis that differs between images."""
        if isinstance(self._values, LazyArray):
            return self._values.entry_shape
        return ragged_shape(self._values) if self._values.dtype == object else tuple(self._values.shape[1:])

    @property
    def dtype(self):
        """Data type of the instances."""
        return self._values.dtype

    def __len__(self):
        """Number of bags."""
        return len(self._offsets) - 1

    def __getitem__(self, rows):
        """One bag for an int; a BagArray for a slice, an integer array or a mask."""
        from skmm.containers._rows import normalize_rows

        if isinstance(rows, (int, np.integer)) and not isinstance(rows, bool):
            rows = normalize_rows(rows, len(self)).start
            return self._values[int(self._offsets[rows]) : int(self._offsets[rows + 1])]
        rows = normalize_rows(rows, len(self))
        if isinstance(rows, slice):
            start, stop, step = rows.indices(len(self))
            if step == 1:
                first, last = int(self._offsets[start]), int(self._offsets[max(start, stop)])
                return self._select(slice(first, last), self._offsets[start : max(start, stop) + 1] - first)
            rows = np.arange(start, stop, step)
        lengths = self.lengths[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        return self._select(_instance_rows(self._offsets[:-1][rows], lengths), offsets)

    def _select(self, instances, offsets):
        """BagArray of some instances; a lazy array stays lazy."""
        values = self._values
        chosen = values.select(instances) if isinstance(values, LazyArray) else values[instances]
        return type(self)(chosen, offsets)

    def read(self):
        """Read the instances into memory.

        Returns
        -------
        BagArray
            The same bags, with ``values`` an ndarray.

        Examples
        --------
        >>> from skmm import BagArray
        >>> type(BagArray.from_list([[[1.0]]]).read().values)
        <class 'numpy.ndarray'>
        """
        return (
            type(self)(np.asarray(self._values), self._offsets)
            if isinstance(self._values, LazyArray)
            else self
        )

    def __iter__(self):
        """Each bag in turn."""
        return (self[row] for row in range(len(self)))

    def __eq__(self, other):
        """Whether offsets and values are equal."""
        if not isinstance(other, BagArray):
            return NotImplemented
        if not np.array_equal(self._offsets, other._offsets):
            return False
        from skmm.containers._rows import same_entries

        return same_entries(self._values, other._values, slice(None))

    __hash__ = None

    def __array__(self, dtype=None, copy=None):
        """One object array of bags: NumPy has no other shape for them."""
        if dtype is not None and np.dtype(dtype) != object:
            raise messages.bags_to_float()
        return object_array(list(self))

    def __getstate__(self):
        """State that is the same for equal bags, so that ``joblib.hash`` is stable."""
        return {"_values": freeze(self._values), "_offsets": freeze(self._offsets)}

    def __repr__(self):
        """Counts, shape and data type."""
        lengths = self.lengths
        span = f"{lengths.min()} to {lengths.max()}" if len(lengths) else "0"
        lazy = ", lazy" if isinstance(self._values, LazyArray) else ""
        return (
            f"BagArray({len(self)} bags, {span} instances of shape {self.instance_shape}, {self.dtype}{lazy})"
        )
