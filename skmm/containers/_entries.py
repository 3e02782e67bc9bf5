"""Entries of sequences, as users hand them over."""

import numpy as np
import pandas as pd

CHANNELS = (1, 3, 4)  # of images, as their last axis
LUMA = (0.299, 0.587, 0.114)  # shares of red, green and blue in grey, ITU-R BT.601


def is_missing(value):
    """Whether an entry of a sequence stands for a missing one: None, NaN, NaT or pandas' NA."""
    if value is None:
        return True
    return not hasattr(value, "__len__") and np.ndim(value) == 0 and bool(pd.isna(value))


def object_array(entries):
    """A 1-D object array, one entry a sample; np.array would stack equal arrays and unpack tuples."""
    array = np.empty(len(entries), dtype=object)
    for row, entry in enumerate(entries):
        array[row] = entry
    return array


def ragged_shape(value):
    """(None, None[, channels]) of images of different sizes; None too where all are missing."""
    return common_shape({entry.shape for entry in value if entry is not None})


def common_shape(shapes):
    """Shape of images of different sizes: None for height and width, and for what else differs."""
    if not shapes or len({len(shape) for shape in shapes}) != 1:
        return (None, None)
    return tuple(
        sizes[0] if len(set(sizes)) == 1 and axis >= 2 else None
        for axis, sizes in enumerate(zip(*shapes, strict=True))
    )


def is_image(shape):
    """Whether a shape is that of an image: (height, width), or with an axis of channels."""
    return len(shape) == 2 or (len(shape) == 3 and shape[-1] in CHANNELS)


def from_torch(value):
    """A tensor as an ndarray, wherever it is; all else as it is."""
    if type(value).__module__.partition(".")[0] != "torch":
        return value
    value = value.detach().cpu()
    return (value.float() if value.is_floating_point() and value.itemsize < 4 else value).numpy()


def cast_numbers(numbers, dtype):
    """Numbers in the type of a column: integers are rounded and kept in range, booleans are at least 0.5."""
    dtype = np.dtype(getattr(dtype, "numpy_dtype", dtype))
    if dtype.kind == "b":
        return numbers >= 0.5
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        rounded = np.rint(numbers)
        beyond = rounded >= limits.max  # where the float next to the limit may be beyond it
        whole = np.clip(np.where(beyond, 0, rounded), limits.min, None).astype(dtype)
        return np.where(beyond, dtype.type(limits.max), whole)
    with np.errstate(over="ignore"):  # looked for afterwards
        return numbers.astype(dtype)
