"""What an embedder is given, images, bags or volumes, in memory or lazy, and how a net is to see them."""

import threading
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch.nn.functional import interpolate

from skmm.containers import BagArray, LazyArray, is_lazy
from skmm.containers._entries import CHANNELS, LUMA, from_torch, is_missing, object_array
from skmm.containers._validation import shown

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # mean and deviation of red, green and blue
_TOLERANCE = 1e-3  # what resampling may leave outside [0, 1]
_TWELVE_BITS = 4095


@dataclass(frozen=True)
class Preparation:
    """How images become what a net takes, by value."""

    n_axes: int  # 2 for images, 3 for volumes
    n_channels: int
    size: tuple | None  # of the axes
    normalize: str | None  # "imagenet", "zscore" or None
    dtype: torch.dtype


class Rows:
    """Images or volumes, one a row, which are read when they are asked for."""

    def __init__(self, values, n_axes):
        self.values, self.n_axes = values, n_axes
        self.is_lazy = isinstance(values, LazyArray)

    def __len__(self):
        return len(self.values)

    def present(self):
        """Which rows are there, as far as it can be told without reading; (n_rows,)."""
        if self.is_lazy:
            known = self.values.present
            return np.ones(len(self), bool) if known is None else np.asarray(known)
        if self.values.dtype == object:
            return np.array([entry is not None for entry in self.values], dtype=bool)
        present = np.ones(len(self), bool)
        if self.values.dtype.kind == "f" and self.values[0].size:
            first = self.values.reshape(len(self), -1)[:, 0]
            for row in np.flatnonzero(np.isnan(first)):
                present[row] = not np.isnan(self.values[row]).all()
        return present

    def keys(self, rows):
        """Keys that stand for the content of rows without reading them, or None."""
        return self.values.row_keys(rows) if self.is_lazy else None

    def read(self, rows):
        """Entries of some rows, a list of arrays; views where they are in memory."""
        return (
            list(self.values[np.asarray(rows)]) if self.is_lazy else [self.values[int(row)] for row in rows]
        )


class Stacks(Rows):
    """Bags of slices, each as one volume."""

    def __init__(self, bags):
        super().__init__(bags.values, 3)
        self.bags = bags

    def __len__(self):
        return len(self.bags)

    def present(self):
        """Bags that are not empty."""
        return self.bags.lengths > 0

    def keys(self, rows):
        """The keys of all slices of each bag."""
        if not self.is_lazy:
            return None
        offsets = self.bags.offsets
        slices = [np.arange(offsets[row], offsets[row + 1]) for row in rows]
        keys = self.values.row_keys(np.concatenate(slices)) if slices else []
        if keys is None:
            return None
        ends = np.cumsum([0, *map(len, slices)])
        return [("stack", *keys[start:stop]) for start, stop in pairwise(ends)]

    def read(self, rows):
        """Each bag as a volume of its slices."""
        return [self._stack(self.bags[int(row)], int(row)) for row in rows]

    def _stack(self, bag, row):
        """Slices of one bag, one array."""
        if bag.dtype != object:
            return np.asarray(bag)
        shapes = {np.shape(entry) for entry in bag}
        if len(shapes) > 1:
            raise ValueError(
                f"Bag {row} holds slices of different sizes {shown(sorted(shapes))}, which make no volume. "
                "Resize them first, as GrayscaleNormalizer does."
            )
        return np.stack(list(bag))


def as_rows(X, n_axes, who):
    """What was given as rows of images or volumes, and the bounds of bags where they stay bags.

    Parameters
    ----------
    X : array-like
        See `ImageEmbedder.transform`.
    n_axes : int or None
        2 for a backbone of images, 3 for one of volumes; None takes both.
    who : str
        For messages.

    Returns
    -------
    rows : Rows
        What is embedded, one by one.
    offsets : ndarray or None
        Bounds of the bags, where each of their slices is embedded.
    """
    X = from_torch(X)
    if hasattr(X, "iloc") or hasattr(X, "keys") or hasattr(X, "tocsr") or isinstance(X, (str, bytes)):
        raise ValueError(
            f"{who} takes images, volumes or bags of slices, one modality. Got {type(X).__name__} instead: "
            "in a ModalityTransformer it is given its own modality."
        )
    if is_lazy(X) and not isinstance(X, (BagArray, LazyArray)):
        X = LazyArray(X)
    elif isinstance(X, np.ndarray) and X.dtype != object:
        X = np.asarray(X)
    elif not isinstance(X, (BagArray, LazyArray)):
        X = _from_list(X, n_axes)
    if isinstance(X, BagArray):
        n_axes = _axes_of(X.instance_shape, n_axes, who, in_bag=True)
        return (Stacks(X), None) if n_axes == 3 else (Rows(X.values, 2), X.offsets)
    shape = X.entry_shape if isinstance(X, LazyArray) else X.shape[1:]
    if X.dtype == object and not isinstance(X, LazyArray):
        shape = next((np.shape(entry) for entry in X if entry is not None), (None,) * (n_axes or 2))
    return Rows(X, _axes_of(shape, n_axes, who)), None


def _axes_of(shape, wants, who, *, in_bag=False):
    """The number of axes of an image or volume of a shape, or an error that says what is wanted."""
    is_image = len(shape) == 2 or (len(shape) == 3 and shape[-1] in CHANNELS)
    is_volume = len(shape) == 3 or (len(shape) == 4 and shape[-1] in CHANNELS)
    if wants != 3 and is_image:
        return 2
    if in_bag and wants == 3 and is_image:
        return 3
    if not in_bag and wants != 2 and is_volume and not (wants == 3 and is_image):
        return 3
    expected = {2: "images", 3: "volumes or bags of slices", None: "images, volumes or bags of slices"}[wants]
    shapes = {
        2: "(height, width) or (height, width, 1, 3 or 4 channels)",
        3: "(depth, height, width) or (depth, height, width, 1, 3 or 4 channels)",
    }
    shapes = shapes[2] if in_bag else shapes.get(wants, f"{shapes[2]}, or {shapes[3]}")
    hint = ""
    if wants == 2 and is_volume:
        hint = (
            " A volume is no image: make it a bag of slices (kinds={...: 'bag'} in a ModalityDict, or "
            "BagArray.from_list), each of which is embedded, or take a backbone for volumes such as "
            "'medicalnet_resnet10'."
        )
    elif wants == 3 and is_image:
        hint = " Give the slices of each scan as a bag, or take a backbone for images such as 'resnet50'."
    raise ValueError(
        f"{who} with this backbone takes {expected}, entries of shape {shapes}. Got entries of shape "
        f"{tuple(shape)} instead.{hint}"
    )


def _from_list(entries, n_axes):
    """Images of a sequence as a 1-D object array; stacks of slices as bags for a backbone of images."""
    if isinstance(entries, np.ndarray) and entries.ndim != 1:
        entries = list(entries)
    arrays = []
    for row, entry in enumerate(entries):
        array = None if is_missing(entry) else np.asarray(from_torch(entry))
        if array is not None and (array.ndim < 2 or array.dtype.kind not in "biuf"):
            raise ValueError(
                f"Entry {row} must be an image, an array of numbers with 2 axes or more. Got an array of "
                f"shape {array.shape} and dtype {array.dtype} instead."
            )
        arrays.append(array)
    first = next((array for array in arrays if array is not None), None)
    if n_axes == 2 and first is not None and first.ndim == 3 and first.shape[-1] not in CHANNELS:
        return BagArray.from_list([array if array is not None else first[:0] for array in arrays])
    return object_array(arrays)


class Preparer:
    """Images as a net is to see them; it remembers the largest values, to warn of 12 bits in 16.

    Parameters
    ----------
    how : Preparation
        By value.
    who : str
        For messages.
    """

    def __init__(self, how, who):
        self.how, self.who = how, who
        self.highest, self._lock = None, threading.Lock()

    def __call__(self, image, row):
        """One image, (height, width[, channels]), or volume, as a tensor (channels, ..., height, width)."""
        how = self.how
        channels_last = image.ndim == how.n_axes + 1
        if image.ndim not in (how.n_axes, how.n_axes + 1) or (
            channels_last and image.shape[-1] not in CHANNELS
        ):
            raise ValueError(f"{self.who} cannot take row {row}, an array of shape {image.shape}.")
        if not image.size:
            raise ValueError(f"{self.who} cannot take row {row}, an empty image of shape {image.shape}.")
        dtype = np.float64 if how.dtype == torch.float64 else np.float32
        values = torch.from_numpy(self._unit(image, dtype, row))
        values = values.movedim(-1, 0) if channels_last else values[None]
        values = _to_channels(values, how.n_channels, self.who)
        if how.size is not None and tuple(values.shape[1:]) != how.size:
            values = resize(values, how.size)
        if how.normalize == "imagenet":
            mean, deviation = (
                torch.tensor(part, dtype=values.dtype).view(-1, *(1,) * how.n_axes) for part in IMAGENET
            )
            return (values - mean) / deviation
        return zscore(values) if how.normalize == "zscore" else values

    def _unit(self, image, dtype, row):
        """Values within [0, 1], by their data type; any finite ones where each image is standardized."""
        kind = image.dtype.kind
        if kind == "f":
            values = image.astype(dtype)
            low, high = float(values.min()), float(values.max())
            if not (np.isfinite(low) and np.isfinite(high)):
                raise ValueError(
                    f"{self.who} cannot take row {row}: the image holds NaN or infinities. Leave it out, or "
                    "declare it missing, or fill the holes."
                )
            if self.how.normalize != "zscore" and (low < -_TOLERANCE or high > 1 + _TOLERANCE):
                raise self._no_range(image, row, low, high)
            return values
        if kind == "b" or self.how.normalize == "zscore":
            return image.astype(dtype)
        if image.dtype == np.uint8:
            return np.divide(image, dtype(255), dtype=dtype)
        if image.dtype == np.uint16:
            with self._lock:
                self.highest = max(self.highest or 0, int(image.max()))
            return np.divide(image, dtype(65535), dtype=dtype)
        raise self._no_range(image, row, image.min(), image.max())

    def _no_range(self, image, row, low, high):
        """Values of which nobody knows what is black and what is white."""
        return ValueError(
            f"{self.who} takes images of uint8 (0 to 255), uint16 (0 to 65535) or floats within [0, 1]. Row "
            f"{row} is {image.dtype} from {low:g} to {high:g} instead: divide by the largest possible value, "
            "or put skmm.preprocessing.GrayscaleNormalizer first, which scales by percentiles."
        )

    def warning(self):
        """What is to be said of all images that were seen, or None."""
        if self.highest is None or self.highest > _TWELVE_BITS:
            return None
        return (
            f"{self.who} divides uint16 by 65535, but no value exceeded {self.highest}: these look like 12 "
            "bits or fewer, and become nearly black. Put skmm.preprocessing.GrayscaleNormalizer first."
        )


def _to_channels(values, n_channels, who):
    """An image with as many channels as the net takes: grey repeated, colour made grey, no opacity."""
    if values.shape[0] == 4 and n_channels != 4:
        values = values[:3]
    if values.shape[0] == n_channels:
        return values
    if values.shape[0] == 3 and n_channels == 1:
        weights = torch.tensor(LUMA, dtype=values.dtype)
        return torch.tensordot(weights, values, dims=1)[None]
    if values.shape[0] == 1:
        return values.expand(n_channels, *values.shape[1:])
    raise ValueError(
        f"{who} cannot give {n_channels} channels to a backbone from images of {values.shape[0]}."
    )


def resize(values, size):
    """Resample (channels, [depth,] height, width) linearly, antialiased where it shrinks."""
    shape = tuple(values.shape)
    if shape[-2:] != size[-2:]:
        flat = values.reshape(1, -1, *shape[-2:])
        flat = interpolate(flat, size[-2:], mode="bilinear", align_corners=False, antialias=True)
        values = flat.reshape(*shape[:-2], *size[-2:])
    if len(size) == 3 and shape[1] != size[0]:
        flat = values.reshape(shape[0], 1, shape[1], -1)
        flat = interpolate(
            flat, (size[0], flat.shape[-1]), mode="bilinear", align_corners=False, antialias=True
        )
        values = flat.reshape(shape[0], *size)
    return values


def zscore(values):
    """Standardize an image by its foreground, values above 0, or all where some are negative.

    NOTE[DIFF] MedicalNet fills the background with noise drawn anew each time; here it is 0, the mean of
    that noise, so that a scan has one embedding.
    """
    front = values > 0 if values.min() >= 0 else torch.ones_like(values, dtype=torch.bool)
    if not front.any():
        return torch.zeros_like(values)
    seen = values[front].double()
    deviation = float(seen.std(unbiased=False))
    scaled = (values - float(seen.mean())) / (deviation if deviation > 0 else 1.0)
    return torch.where(front, scaled, torch.zeros_like(scaled))
