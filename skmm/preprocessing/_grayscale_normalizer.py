"""GrayscaleNormalizer: grey images of one type and, if asked, one size."""

from functools import partial
from numbers import Integral, Real

import numpy as np

from skmm.containers import BagArray, entry_shape
from skmm.preprocessing._images import ImageStep, flat_slices, float_type, luma

_PIXELS = 1 << 20  # pixels of the images that are worked on at once
_TOP = {"uint8": 255, "float32": 1}  # white


def percentile_bounds(values, percentiles):
    """What becomes black and white in each row of values (n, n_pixels): two percentiles.

    Where both are one value, as where most of an image is background, the lowest and the highest value.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # told below
        low, high = np.percentile(values, percentiles, axis=1).astype(values.dtype)
        same = np.flatnonzero(high <= low)
        if len(same):
            low[same], high[same] = values[same].min(axis=1), values[same].max(axis=1)
        if not np.isfinite(high - low).all():
            raise ValueError(
                "GrayscaleNormalizer got an image whose pixels are further apart than the largest "
                f"{values.dtype} ({np.finfo(values.dtype).max:.1e}). Divide its pixels by some number."
            )
    return low, high


def stretch(grey, percentiles, top):
    """Images (n, height, width) with black at 0 and white at `top`, as float32."""
    if grey.dtype == np.uint8:
        return grey.astype(np.float32) * np.float32(top / 255)
    if percentiles is None:
        return _stretch_type(grey, top)
    values = grey.reshape(len(grey), -1).astype(float_type(grey.dtype))
    low, high = percentile_bounds(values, percentiles)
    span = high - low
    span[span == 0] = 1  # one value throughout: black
    np.clip(values, low[:, np.newaxis], high[:, np.newaxis], out=values)
    values -= low[:, np.newaxis]
    values /= span[:, np.newaxis]
    values *= top
    return values.reshape(grey.shape).astype(np.float32, copy=False)


def _stretch_type(grey, top):
    """Images whose type tells what is black and what is white."""
    if grey.dtype == np.uint16:
        return grey.astype(np.float32) * np.float32(top / 65535)
    if grey.dtype.kind == "f" and grey.min() >= 0 and grey.max() <= 1:
        return grey.astype(np.float32) * np.float32(top)
    raise ValueError(
        "GrayscaleNormalizer(percentiles=None) takes uint8, uint16, and floats within [0, 1]. Got "
        f"{grey.dtype} from {float(grey.min()):.4g} to {float(grey.max()):.4g} instead: give percentiles, "
        "(0, 100) for the whole range."
    )


def resize(values, size):
    """Images (n, height, width) of float32 at another size: bilinear, averaging where they shrink."""
    if values.shape[1:] == size:
        return values
    import torch

    images = torch.from_numpy(values)[:, None]
    return torch.nn.functional.interpolate(images, size, mode="bilinear", antialias=True)[:, 0].numpy()


def normalize_rows(images, *, size, percentiles, dtype):
    """Make grey images (n, height, width) of images; volumes keep an axis for their channel."""
    slices = flat_slices(images)
    old = slices.shape[1:3]
    out = np.empty((len(slices), *(size or old)), dtype)
    at_once = max(1, _PIXELS // (old[0] * old[1]))
    for start in range(0, len(slices), at_once):
        rows = slice(start, start + at_once)
        out[rows] = _normalize(slices[rows], size or old, percentiles, dtype)
    return out.reshape(*images.shape[:2], *out.shape[1:], 1) if images.ndim == 5 else out


def _normalize(images, size, percentiles, dtype):
    """Grey images of a type and size."""
    if images.ndim == 4:
        images = images[..., 0] if images.shape[-1] == 1 else luma(images)
    if images.dtype == dtype == "uint8" and images.shape[1:] == size:
        return images
    values = resize(stretch(images, percentiles, _TOP[dtype]), size)
    return np.rint(values, out=values) if dtype == "uint8" else values


class GrayscaleNormalizer(ImageStep, auto_wrap_output_keys=None):
    r"""Make grey images of one type, and of one size if asked, whatever scanner or camera they are from.

    1. Colours become grey, :math:`0.299 R + 0.587 G + 0.114 B` (ITU-R BT.601; uint8 and uint16 rounded as
       by OpenCV's ``cvtColor``); alpha is left out.
    2. Pixels of 12 and 16 bits, and floats, are scaled to :math:`[0, 1]`, image by image:
       :math:`(x - p_l) / (p_h - p_l)`, clipped, where :math:`p_l` and :math:`p_h` are two percentiles of the
       image's pixels. Nothing is cut off at 255. uint8 images are ready for display and stay as they are.
    3. Images are resized: bilinear, and averaging where they shrink, as Pillow's ``resize`` does.

    Each slice of a bag or a volume is an image of its own. Nothing is learned.

    Parameters
    ----------
    size : int or tuple of (height, width), default=None
        Pixels of the images that come out; None leaves sizes as they are. With a size, images of different
        sizes become one array.
    percentiles : tuple of (low, high) or None, default=(0.5, 99.5)
        Percentiles of an image's pixels that become black and white; (0, 100) is the whole range. Where both
        are one value, the lowest and highest pixel take their place; an image of one value becomes black.
        None keeps brightness comparable between images: uint16 is divided by 65535, and floats must lie
        within [0, 1].
    dtype : "uint8" or "float32", default="uint8"
        Type that comes out: 0 to 255, rounded, or 0 to 1.

    Raises
    ------
    ValueError
        If a parameter is not allowed; if images hold NaN or infinity, have no pixels, or another number of
        channels than 1, 3 or 4; if pixels do not fit ``percentiles=None``.
    TypeError
        If X is no image: a table, text, a mapping.

    See Also
    --------
    HistogramEqualizer : Spreads the grey levels of each image.

    Notes
    -----
    X may be an array of images (n_samples, height, width[, channels]) or volumes (n_samples, depth, height,
    width, channels), a :class:`~skmm.BagArray` of slices, a list or object array of images of different sizes
    (None is a missing one and stays None), or a lazy array of any of these, which stays lazy: its images are
    changed when they are read. What comes out is grey, (n_samples, height, width), without an axis for
    channels; volumes keep theirs, (n_samples, depth, height, width, 1), and their depth.

    Examples
    --------
    >>> import numpy as np
    >>> from skmm.preprocessing import GrayscaleNormalizer
    >>> scan = np.array([[[0, 1000], [2000, 4000]]], dtype=np.uint16)
    >>> GrayscaleNormalizer(percentiles=(0, 100)).fit_transform(scan)
    array([[[  0,  64],
            [128, 255]]], dtype=uint8)
    >>> photos = [np.zeros((30, 40, 3), np.uint8), np.full((50, 20), 255, np.uint8)]
    >>> GrayscaleNormalizer(size=8).fit_transform(photos).shape
    (2, 8, 8)
    """

    def __init__(self, size=None, *, percentiles=(0.5, 99.5), dtype="uint8"):
        self.size = size
        self.percentiles = percentiles
        self.dtype = dtype

    def _check(self):
        """Raise for parameters that are not allowed."""
        from skmm._training import Choice, Number, Pair, check_parameters

        count, share = Number(Integral, 1), Number(Real, 0, 100, closed="both")
        rules = {
            "size": (Choice((None,)), count, Pair(count, "a tuple of (height, width)")),
            "percentiles": (Choice((None,)), Pair(share, "a tuple of (low, high)")),
            "dtype": (Choice(("uint8", "float32")),),
        }
        check_parameters(self, rules)
        if self.percentiles is not None and self.percentiles[0] >= self.percentiles[1]:
            raise ValueError(
                "The 'percentiles' parameter of GrayscaleNormalizer must be a low one and a higher one. "
                f"Got {self.percentiles!r} instead."
            )

    def _step(self, X):
        """Return what normalizes rows, the shape of what comes out, and a token."""
        size = (self.size, self.size) if isinstance(self.size, Integral) else self.size
        options = {
            "size": None if size is None else tuple(map(int, size)),
            "percentiles": None if self.percentiles is None else tuple(map(float, self.percentiles)),
            "dtype": str(self.dtype),
        }
        shape, entry = options["size"], entry_shape(X, "bag" if isinstance(X, BagArray) else "image")
        if size is not None and len(entry) == 4:
            shape = (entry[0], *shape, 1)
        return partial(normalize_rows, **options), shape, tuple(options.items())
