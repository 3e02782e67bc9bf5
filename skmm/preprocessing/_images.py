"""What the steps on images share: the forms that they take, the checks of pixels, and the mapping of rows."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import partial

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator, TransformerMixin

from skmm.containers import BagArray, LazyArray, is_lazy, map_rows
from skmm.containers._entries import CHANNELS, LUMA, from_torch, is_missing, object_array
from skmm.containers._validation import shown

# The shares of red, green and blue in grey, in units of 2 ** -15, as OpenCV has them.
UNITS, UNIT_BITS = (9798, 19235, 3735), 15

_FORMS = (
    "images (n, height, width[, channels]) with 1, 3 or 4 channels, volumes (n, depth, height, width, "
    "channels), a BagArray of slices, or a sequence of images"
)


# --- pixels ---------------------------------------------------------------------------------------------


def luma(colours):
    """Grey of red, green and blue (and alpha, which is left out) in the last axis.

    Integers of 8 and 16 bits are rounded as OpenCV rounds them, so equal its result; the rest becomes floats.
    """
    red, green, blue = (colours[..., channel] for channel in range(3))
    if colours.dtype in (np.uint8, np.uint16):
        total = red * np.uint32(UNITS[0])
        total += green * np.uint32(UNITS[1])
        total += blue * np.uint32(UNITS[2])
        total += np.uint32(1 << (UNIT_BITS - 1))
        total >>= np.uint32(UNIT_BITS)
        return total.astype(colours.dtype)
    share = [float_type(colours.dtype).type(part) for part in LUMA]
    return red * share[0] + green * share[1] + blue * share[2]


def float_type(dtype):
    """The float type for numbers of a type: float64 for 64-bit floats and integers of 32, else float32."""
    return np.dtype(np.float32 if dtype.itemsize <= (4 if dtype.kind == "f" else 2) else np.float64)


def native(values):
    """Values in the byte order of this machine."""
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def flat_slices(values):
    """Slices of images and volumes in one array, (n_slices, height, width[, channels])."""
    return values.reshape(-1, *values.shape[2:]) if values.ndim == 5 else values


def infinite_rows(values):
    """Numbers of the rows that hold NaN or infinity."""
    if values.dtype.kind != "f":
        return np.empty(0, dtype=np.intp)
    with np.errstate(over="ignore", invalid="ignore"):  # told apart below
        if np.isfinite(values.sum(dtype=np.float64)):
            return np.empty(0, dtype=np.intp)  # a finite sum has finite terms only
    return np.flatnonzero([not np.isfinite(row).all() for row in values])


def not_finite(who, rows, where):
    """Error for pixels that are no numbers."""
    return ValueError(
        f"{who} needs pixels that are finite numbers. There is NaN or infinity in {len(rows)} {where} "
        f"{shown(rows)}. Fill these pixels, as np.nan_to_num does, or leave the images out: in a "
        "ModalityTransformer, one that is None, or NaN throughout, is missing and never gets here."
    )


def step_on_rows(values, function, who):
    """What a lazy array does with rows that it has read: check their pixels, then change them."""
    rows = infinite_rows(values)
    if len(rows):
        raise not_finite(who, rows, f"of {len(values)} images that were read together, numbers")
    return function(native(values))


# --- what comes in --------------------------------------------------------------------------------------


def as_images(X, who):
    """Bring images, in any form that a user or a ModalityTransformer hands over, to a form for `map_rows`.

    Parameters
    ----------
    X : object
        What `fit` or `transform` got.
    who : str
        The transformer, for messages.

    Returns
    -------
    ndarray, LazyArray, BagArray or 1-D object array
        Checked: numbers, the right axes and channels, no image without pixels and, in memory, all finite.
    """
    X = from_torch(X)
    if isinstance(X, np.ma.MaskedArray):
        raise TypeError(
            f"{who} got a NumPy masked array. Use .filled() to say what stands for masked pixels."
        )
    if isinstance(X, BagArray):
        if isinstance(X.values, LazyArray):
            check_entry(X.values.entry_shape, X.values.entry_dtype, who)
            return X
        return BagArray(_in_memory(X.values, who, X.offsets), X.offsets)
    if is_lazy(X):
        X = X if isinstance(X, LazyArray) else LazyArray(X)
        _check_length(len(X), who)
        check_entry(X.entry_shape, X.entry_dtype, who)
        return X
    if isinstance(X, np.ndarray) and X.dtype != object:
        if X.ndim == 0:
            raise not_images(X, who)
        return _in_memory(np.asarray(X), who)
    if isinstance(X, (list, tuple)) or (isinstance(X, np.ndarray) and X.ndim == 1):
        return _in_memory(object_array(X), who)
    raise not_images(X, who)


def pixel_types(X):
    """Data types of the pixels of what `as_images` gives."""
    values = X.values if isinstance(X, BagArray) else X
    if isinstance(values, LazyArray):
        return {values.entry_dtype}
    if values.dtype != object:
        return {values.dtype}
    return {image.dtype for image in values if image is not None}


def _in_memory(values, who, offsets=None):
    """Images in memory, checked one by one where they differ in size; as one array where they do not.

    Offsets are those of the bags whose slices they are.
    """
    n_samples = len(values) if offsets is None else len(offsets) - 1
    _check_length(n_samples, who)
    if values.dtype == object:
        values = _stacked([_one_image(entry, row, who) for row, entry in enumerate(values)], who)
    else:
        check_entry(values.shape[1:], values.dtype, who)
        values = native(values)
    if values.dtype == object:
        rows = [
            row for row, image in enumerate(values) if image is not None and len(infinite_rows(image[None]))
        ]
    else:
        rows = infinite_rows(values)
    if len(rows):
        what = "images"
        if offsets is not None:
            rows, what = np.unique(np.searchsorted(offsets, rows, side="right") - 1), "bags"
        raise not_finite(who, rows, f"of {n_samples} {what}, rows")
    return values


def _stacked(images, who):
    """Images as one array where all have one shape and type, else as an object array of them."""
    forms = {None if image is None else (image.shape, image.dtype) for image in images}
    if forms == {None}:
        raise ValueError(f"{who} needs at least one image. All {len(images)} of them are missing.")
    return np.stack(images) if len(forms) == 1 else object_array(images)


def _one_image(entry, row, who):
    """One entry of a sequence: an image, or None where it is missing."""
    if is_missing(entry):
        return None
    image = None if isinstance(entry, (str, bytes, Mapping)) else np.asarray(from_torch(entry))
    if image is None or image.ndim not in {2, 3}:
        raise not_images(entry if image is None else image, who, f" at row {row}")
    check_entry(image.shape, image.dtype, who, f" at row {row}")
    return native(image)


def _check_length(n_samples, who):
    """There is something to work on."""
    if n_samples == 0:
        raise ValueError(f"{who} needs at least one image. Got none.")


def check_entry(shape, dtype, who, where=""):
    """A row is a grey image, one with channels, or a volume with channels; of real numbers; not empty."""
    if dtype.kind not in "biuf":
        raise ValueError(f"{who} needs images of real numbers. Got dtype {dtype}{where} instead.")
    if len(shape) not in {2, 3, 4}:
        raise ValueError(
            f"{who} takes {_FORMS}. Got rows of shape {tuple(shape)}{where} instead: a single image needs an "
            "axis for the samples, image[np.newaxis]; a table has no pixels."
        )
    if len(shape) > 2 and shape[-1] not in CHANNELS:
        raise ValueError(
            f"{who} takes {_FORMS}. Got rows of shape {tuple(shape)}{where} instead, whose last axis is no "
            "number of channels. Channels-first arrays need np.moveaxis(X, 1, -1); grey volumes an axis for "
            "their channel, X[..., np.newaxis]; stacks of slices a BagArray, BagArray.from_list(X)."
        )
    if 0 in shape:
        raise ValueError(
            f"{who} needs images with pixels. Got images of shape {tuple(shape)}{where} instead."
        )


def not_images(X, who, where=""):
    """Error for what is no image."""
    what = type(X).__name__
    if isinstance(X, np.ndarray):
        what = f"an array of shape {X.shape} and dtype {X.dtype}"
    elif sp.issparse(X):
        what = f"a sparse table of shape {X.shape}"
    advice = " A ModalityTransformer hands it one modality of a mapping." if isinstance(X, Mapping) else ""
    return TypeError(f"{who} takes {_FORMS}. Got {what}{where} instead.{advice}")


# --- the estimators -------------------------------------------------------------------------------------


class ImageStep(TransformerMixin, BaseEstimator, ABC, auto_wrap_output_keys=None):
    """A stateless transformer of images: it changes each slice by itself, lazily where its input is lazy.

    A subclass checks its parameters in `_check`, and says in `_step` what is done to an array of rows. What
    is kept of an image file beyond this process is found by class, `_recipe` and parameters.
    """

    _accepts_lazy = True
    _recipe = 1  # one more whenever other pixels come out for the same parameters

    def fit(self, X, y=None):
        """Check the parameters and the images; nothing is learned.

        Parameters
        ----------
        X : ndarray, BagArray, lazy array, or sequence of arrays
            Images, as the class describes them.
        y : None
            Not used.

        Returns
        -------
        self : object
            The transformer.

        Examples
        --------
        See the example of the class.
        """
        self._check()
        self._step(as_images(X, type(self).__name__))
        return self

    def transform(self, X):
        """Change each image by itself.

        Parameters
        ----------
        X : ndarray, BagArray, lazy array, or sequence of arrays
            Images, as the class describes them.

        Returns
        -------
        ndarray, BagArray, LazyArray, or 1-D object array
            As X is: lazy arrays stay lazy, and images of different sizes are an object array.

        Examples
        --------
        See the example of the class.
        """
        self._check()
        who = type(self).__name__
        X = as_images(X, who)
        function, shape, token = self._step(X)
        if isinstance(X.values if isinstance(X, BagArray) else X, LazyArray):
            function = partial(step_on_rows, function=function, who=who)
        cls = type(self)
        token = (f"{cls.__module__}.{cls.__qualname__}", cls._recipe, *token)
        return map_rows(X, function, token=token, shape=shape)

    @abstractmethod
    def _check(self):
        """Raise for parameters that are not allowed."""

    @abstractmethod
    def _step(self, X):
        """Return what changes an array of rows, the shape of a row that comes out, and a token.

        Raises where the step is not for such images. The token holds by value all parameters that change
        pixels.
        """

    def __sklearn_is_fitted__(self):
        """There is nothing to learn."""
        return True

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        return tags
