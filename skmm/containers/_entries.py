"""Entries of sequences, as users hand them over."""

import numpy as np
import pandas as pd


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


def from_torch(value):
    """A tensor as an ndarray, wherever it is; all else as it is."""
    if type(value).__module__.partition(".")[0] != "torch":
        return value
    value = value.detach().cpu()
    return (value.float() if value.is_floating_point() and value.itemsize < 4 else value).numpy()
