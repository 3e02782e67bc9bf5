"""Kinds of modalities: inferred only where there is no doubt, and the form in which each is stored."""

from collections.abc import Mapping
from datetime import date, timedelta

import numpy as np
import pandas as pd
import scipy.sparse as sp

from skmm.containers import _validation as messages
from skmm.containers._bag_array import BagArray, as_instances, is_ragged
from skmm.containers._entries import CHANNELS, from_torch, is_missing, object_array
from skmm.containers._lazy import LazyArray, is_lazy
from skmm.containers._rows import entry_shape, placeholder

KINDS = ("table", "image", "volume", "bag", "text")
IMAGE_DTYPES = (np.uint8, np.uint16)


class OneChannel:
    """A lazy array that is read with an axis for its only channel."""

    def __init__(self, volumes):
        self.volumes, self.shape, self.dtype = volumes, (*volumes.shape, 1), volumes.dtype

    def __getitem__(self, rows):
        """Volumes ``rows``."""
        return self.volumes[rows][..., np.newaxis]


def coerce(value, name, kind=None):
    """Bring a modality to its stored form.

    Parameters
    ----------
    value : object
        What the user gave.
    name : str
        Its name, for messages.
    kind : str or None
        The declared kind; it wins.

    Returns
    -------
    value, kind, present : stored form, its kind, and a bool array of the entries that are not None
        (None where the form itself tells which are missing).
    """
    if kind is not None and kind not in KINDS:
        raise messages.unknown_kind(name, kind, KINDS)
    value = from_torch(value)
    if isinstance(value, np.ma.MaskedArray):
        raise messages.masked_array(name)
    if isinstance(value, BagArray):
        if kind not in (None, "bag"):
            raise messages.kind_does_not_fit(name, kind, "a BagArray")
        _check_numbers(value, name, "bag")
        return value, "bag", None
    if sp.issparse(value):
        if kind not in (None, "table"):
            raise messages.kind_does_not_fit(name, kind, "a sparse matrix")
        if value.ndim != 2:
            raise messages.kind_does_not_fit(name, "table", f"a sparse array of shape {value.shape}")
        return _check_table(value.tocsr(), name), "table", None  # rows of other formats are slow to select
    if isinstance(value, pd.DataFrame):
        if kind not in (None, "table"):
            raise messages.kind_does_not_fit(name, kind, "a DataFrame")
        return _check_table(value, name), "table", None
    if isinstance(value, pd.Series):
        if kind == "table":
            return value.to_frame(), "table", None
        if isinstance(value.dtype, pd.CategoricalDtype) and kind is None:
            raise messages.one_dimensional(name)
        return _coerce_sequence(value.tolist(), name, kind)
    if is_lazy(value):
        return *_coerce_array(value if isinstance(value, LazyArray) else LazyArray(value), name, kind), None
    if isinstance(value, np.ndarray):
        if value.ndim == 1 and value.dtype.kind in "OUST":
            return _coerce_sequence(value.tolist(), name, kind)
        return *_coerce_array(np.asarray(value), name, kind), None
    if isinstance(value, (str, bytes, Mapping)) or not (
        hasattr(value, "__len__") and hasattr(value, "__getitem__")
    ):
        raise messages.not_a_modality(name, value)
    return _coerce_sequence(list(value), name, kind)


def _check_table(value, name):
    """A table has features, and no complex ones."""
    if value.shape[1] == 0:
        raise messages.no_features(name)
    dtypes = set(value.dtypes) if isinstance(value, pd.DataFrame) else {value.dtype}
    if any(dtype.kind == "c" for dtype in dtypes):
        raise messages.complex_numbers(name)
    if any(dtype.kind == "V" for dtype in dtypes):
        raise messages.structured(name)
    return value


def _check_numbers(value, name, kind):
    """Images, volumes and bags hold real numbers, or images of different sizes that do."""
    if value.dtype.kind not in "biuf" and None not in entry_shape(value, kind):
        raise messages.not_numbers(name, kind, value.dtype)


def _coerce_array(value, name, kind):
    """An array, in memory or lazy, as the kind that its shape tells."""
    if isinstance(value, LazyArray) and None in value.entry_shape:
        if kind not in (None, "image"):
            raise messages.kind_does_not_fit(name, kind, "lazy images of different sizes")
        return value, "image"
    if value.ndim == 1 and kind == "table" and isinstance(value, np.ndarray):
        value = value.reshape(-1, 1)
    if value.ndim < 2:
        raise messages.one_dimensional(name) if value.ndim else messages.not_a_modality(name, value)
    inferred = _kind_of_shape(value.shape)
    if kind is None and inferred is None:
        if value.ndim == 4:
            raise messages.channels_first(name, value.shape)
        raise messages.doubtful_kind(name, f"an array with {value.ndim} axes", ("bag", "volume"))
    kind = kind or inferred
    axes = {"table": (2,), "image": (3, 4), "volume": (4, 5), "bag": range(2, 100), "text": ()}
    if value.ndim not in axes[kind]:
        raise messages.kind_does_not_fit(name, kind, f"an array of shape {value.shape}")
    if kind == "table":
        return _check_table(value, name), kind
    _check_numbers(value, name, kind)
    if 0 in value.shape[1 + (kind == "bag") :]:
        raise messages.empty_entries(name, kind, value.shape)
    if kind == "bag":
        return BagArray._from_stack(value), kind
    if kind == "volume" and value.ndim == 4:
        value = value[..., np.newaxis] if isinstance(value, np.ndarray) else LazyArray(OneChannel(value))
    return value, kind


def _kind_of_shape(shape):
    """The kind of an array, or None where its shape leaves doubt."""
    if len(shape) == 4:
        return "image" if shape[-1] in CHANNELS else None
    return {2: "table", 3: "image", 5: "volume"}.get(len(shape))


def _coerce_sequence(entries, name, kind):
    """A sequence of str or of arrays, with None where missing."""
    present = np.fromiter((not is_missing(entry) for entry in entries), dtype=bool, count=len(entries))
    first = next((entry for entry in entries if not is_missing(entry)), None)
    if first is None:
        if kind is None:
            raise messages.all_entries_missing(name)
        return _all_missing(kind, len(entries)), kind, present
    if isinstance(first, str):
        return _coerce_text(entries, present, name, kind), "text", present
    if as_instances(first).ndim == 0:
        if kind == "table":
            return (
                np.array(
                    [entry if ok else np.nan for entry, ok in zip(entries, present, strict=True)]
                ).reshape(-1, 1),
                kind,
                present,
            )
        raise (
            messages.one_dimensional(name)
            if isinstance(first, (int, float, np.number, np.bool_, np.datetime64, date, timedelta))
            else messages.mixed_sequence(name, int(np.argmax(present)), first)
        )
    if kind == "text":
        raise messages.kind_does_not_fit(name, kind, f"a sequence of {type(first).__name__}")
    nested_lists = not hasattr(first, "dtype")
    entries = [from_torch(entry) for entry in entries]
    arrays = [
        _as_entry(entry, row, name) if ok else None
        for row, (entry, ok) in enumerate(zip(entries, present, strict=True))
    ]
    shapes = [array.shape for array in arrays if array is not None]
    ragged = any(array is not None and is_ragged(array) for array in arrays)
    if ragged and kind not in (None, "bag"):
        raise messages.kind_does_not_fit(name, kind, "bags of images of different sizes")
    if ragged:
        kind = "bag"
    if kind is None:
        dtype = next(array.dtype for array in arrays if array is not None)
        kind = _kind_of_entries(shapes, dtype, name, nested_lists=nested_lists)
    if kind == "bag":
        return BagArray._from_list(arrays, name=name), "bag", present
    if len(set(shapes)) == 1:
        filler = np.zeros(shapes[0], next(array.dtype for array in arrays if array is not None))
        stacked = np.stack([filler if array is None else array for array in arrays])
        return *_coerce_array(stacked, name, kind), present
    if kind == "table":
        raise messages.kind_does_not_fit(
            name, kind, f"rows of different lengths: {messages.shown(sorted(set(shapes)))}"
        )
    wrong = next(
        (shape for shape in shapes if len(shape) not in {"image": (2, 3), "volume": (3, 4)}[kind]), None
    )
    if wrong is not None:
        raise messages.kind_does_not_fit(name, kind, f"a sequence with an array of shape {wrong}")
    return object_array(arrays), kind, present


def _all_missing(kind, n_samples):
    """What a modality of a declared kind holds where nothing is known of its shape."""
    shape = {"table": (1,), "volume": (1, 1, 1, 1)}.get(kind, ())
    return placeholder(kind, (None,) if kind == "image" else shape, n_samples)


def _as_entry(entry, row, name):
    """One entry of a sequence as an array with at least one axis."""
    array = as_instances(entry)
    if array.ndim == 0 or any(
        part.dtype.kind not in "biuf" for part in (array if is_ragged(array) else [array])
    ):
        raise messages.mixed_sequence(name, row, entry)
    return array


def _coerce_text(entries, present, name, kind):
    """Documents as a 1-D object array of str, None where missing."""
    if kind not in (None, "text"):
        raise messages.kind_does_not_fit(name, kind, "a sequence of str")
    for row, (entry, ok) in enumerate(zip(entries, present, strict=True)):
        if ok and not isinstance(entry, str):
            raise messages.mixed_sequence(name, row, entry)
    return object_array([str(entry) if ok else None for entry, ok in zip(entries, present, strict=True)])


def _kind_of_entries(shapes, dtype, name, *, nested_lists):
    """The kind of a sequence of arrays, or an error where image, bag and table all fit."""
    n_axes = {len(shape) for shape in shapes}
    if len(n_axes) > 1:
        raise messages.doubtful_kind(
            name, f"a sequence of arrays with {sorted(n_axes)} axes", ("image", "bag")
        )
    n_axes = n_axes.pop()
    equal = len(set(shapes)) == 1
    same_instances = len({shape[1:] for shape in shapes}) == 1
    if n_axes == 1:
        if nested_lists and equal:
            return "table"
        raise messages.doubtful_kind(name, "a sequence of 1-D arrays", ("table", "bag"))
    image_like = n_axes == 2 or (n_axes == 3 and all(shape[-1] in CHANNELS for shape in shapes))
    if not same_instances:
        if image_like:
            return "image"
        raise messages.doubtful_kind(
            name,
            f"a sequence of arrays of shapes {messages.shown(sorted(set(shapes)))}",
            ("image", "bag", "volume"),
        )
    if not image_like:
        return "bag"
    if n_axes == 2 and not equal and dtype not in IMAGE_DTYPES:
        return "bag"  # e.g. embeddings of slices: same width, different numbers of instances
    raise messages.doubtful_kind(
        name, f"a sequence of arrays of shapes {messages.shown(sorted(set(shapes)))}", ("image", "bag")
    )
