"""HistogramEqualizer: spread the grey levels of each image over their range."""

from functools import partial
from numbers import Integral, Real

import numpy as np

from skmm._optional import import_optional
from skmm.preprocessing._images import ImageStep, flat_slices, float_type, luma, pixel_types

_LEVELS = {np.dtype(np.uint8): 256, np.dtype(np.uint16): 65536}  # types that keep their levels


# --- one grey image -------------------------------------------------------------------------------------


def table_of_bytes(counts):
    """The new level of each of 256, as OpenCV's equalizeHist gives it; None where there is one level only."""
    first = int((counts > 0).argmax())
    rest = counts.sum() - counts[first]
    if rest == 0:
        return None
    upto = np.cumsum(counts) - counts[first]
    upto[:first] = 0
    # in float32, whose rounding decides where the exact value lies halfway between two levels
    return np.rint(upto.astype(np.float32) * (np.float32(255) / np.float32(rest))).astype(np.uint8)


def equalize_bytes(image, out):
    """Equalize a uint8 image as OpenCV does, without it."""
    table = table_of_bytes(np.bincount(image.ravel(), minlength=256))
    if table is None:
        out[...] = image
    else:  # the fastest look-up of bytes that there is without another package
        out[...] = np.frombuffer(image.tobytes().translate(table.tobytes()), np.uint8).reshape(image.shape)


def equalize_words(image, out):
    """Equalize a uint16 image: the formula of bytes, over 65536 levels."""
    counts = np.bincount(image.ravel(), minlength=65536)
    first = int((counts > 0).argmax())
    upto = np.cumsum(counts) - counts[first]
    if upto[-1] == 0:
        out[...] = image
    else:
        upto[:first] = 0
        out[...] = np.rint(upto * (65535 / upto[-1])).astype(np.uint16)[image]


def equalize_numbers(image, out):
    """Equalize an image of other numbers: each distinct value is a level, and they spread over [0, 1]."""
    values, level, counts = np.unique(image, return_inverse=True, return_counts=True)
    if len(values) == 1:
        out[...] = np.clip(image, 0, 1)
    else:
        upto = np.cumsum(counts) - counts[0]
        out[...] = (upto / upto[-1])[level].reshape(image.shape)


# --- many images, with channels or without --------------------------------------------------------------


def equalize_rows(images, *, method, clip_limit, tile_grid_size, color, backend):
    """Equalize each slice of images (n, height, width[, channels]) or volumes, which have one axis more."""
    slices = flat_slices(images)
    equalize = _find_function(slices.dtype, method, clip_limit, tile_grid_size, backend)
    out = np.empty(slices.shape, slices.dtype if slices.dtype in _LEVELS else float_type(slices.dtype))
    if slices.ndim == 3 or slices.shape[-1] == 1:
        pairs = slices.reshape(slices.shape[:3]), out.reshape(slices.shape[:3])
        for image, target in zip(*pairs, strict=True):
            equalize(image, target)
    else:
        change = equalize_channels if color == "channels" else equalize_luma
        for image, target in zip(slices, out, strict=True):
            change(image, target, equalize)
    return out.reshape(images.shape)


def equalize_channels(image, out, equalize):
    """Equalize red, green and blue by themselves; alpha stays."""
    changed = np.empty(image.shape[:2], out.dtype)
    for channel in range(3):
        equalize(np.ascontiguousarray(image[..., channel]), changed)
        out[..., channel] = changed
    out[..., 3:] = image[..., 3:]


def equalize_luma(image, out, equalize):
    """Equalize the luma, and add its change to red, green and blue: so their differences stay; alpha too."""
    colours, grey = image[..., :3], luma(image)
    if image.dtype not in _LEVELS and not (colours.min() >= 0 and colours.max() <= 1):
        raise ValueError(
            "HistogramEqualizer takes colours that are uint8, uint16, or within [0, 1]. Got "
            f"{image.dtype} from {colours.min():.4g} to {colours.max():.4g} instead: divide them by the "
            "largest possible value."
        )
    changed = np.empty(grey.shape, out.dtype)
    equalize(grey, changed)
    signed = {1: np.int16, 2: np.int32}.get(out.itemsize, out.dtype)  # or float
    moved = colours.astype(signed)
    moved += (changed.astype(signed) - grey)[..., np.newaxis]
    out[..., :3] = np.clip(moved, 0, _LEVELS.get(out.dtype, 2) - 1)
    out[..., 3:] = image[..., 3:]


def _find_function(dtype, method, clip_limit, tile_grid_size, backend):
    """What equalizes one grey image of a type: a function of the image and the array for the result."""
    if method == "clahe":
        rows, columns = tile_grid_size
        cv2 = import_optional("cv2", extra="image", who="HistogramEqualizer(method='clahe')")
        return cv2.createCLAHE(clipLimit=clip_limit, tileGridSize=(columns, rows)).apply
    if dtype == np.uint8:
        cv2 = None if backend == "numpy" else _find_opencv(required=backend == "opencv")
        return equalize_bytes if cv2 is None else cv2.equalizeHist
    return equalize_words if dtype == np.uint16 else equalize_numbers


def _find_opencv(*, required):
    """OpenCV, or None where it is not there (or broken) and not asked for."""
    try:
        return import_optional("cv2", extra="image", who="HistogramEqualizer(backend='opencv')")
    except ImportError:
        if required:
            raise
        return None


class HistogramEqualizer(ImageStep, auto_wrap_output_keys=None):
    r"""Equalize the histogram of each image, so that its grey levels are used evenly.

    Of an image with :math:`N` pixels, :math:`c(v)` of which are not brighter than :math:`v`, and darkest
    level :math:`v_0`, level :math:`v` becomes

    .. math:: t(v) = L \, \frac{c(v) - c(v_0)}{N - c(v_0)}

    - uint8: :math:`L = 255`, rounded. Equal to OpenCV's ``equalizeHist``, pixel for pixel, with OpenCV
      or without.
    - uint16: the same with :math:`L = 65535` and all 65536 levels.
    - All other numbers, floats and signed integers: each distinct value is a level, there are no bins, and
      :math:`L = 1`. The result is float32, or float64 for floats of 64 bits and integers of 32 and more.

    An image of one level has nothing to spread and stays as it is, numbers of the third kind clipped to
    [0, 1]. Each slice of a bag or a volume is an image of its own. Nothing is learned.

    Parameters
    ----------
    method : "global" or "clahe", default="global"
        One histogram an image, or contrast-limited adaptive equalization: one for each tile, mixed
        between tiles, as OpenCV's ``createCLAHE`` does it. That needs the extra ``image``, and uint8 or
        uint16; :class:`GrayscaleNormalizer` makes uint8 of other images.
    clip_limit : float, default=2.0
        CLAHE: largest count of a level, as a multiple of the mean count of a tile; what is above is shared
        out among all levels. 0 is no limit. OpenCV's name: ``clipLimit``.
    tile_grid_size : int or tuple of (rows, columns), default=(8, 8)
        CLAHE: number of tiles, down and across. OpenCV's ``tileGridSize`` is (columns, rows).
    color : "luminance" or "channels", default="luminance"
        Images with 3 or 4 channels, red, green, blue and alpha: equalize the luma (weights of ITU-R BT.601)
        and add its change to each colour, clipped to the range, which is what equalizing Y of YCbCr comes to;
        or equalize each colour by itself, which changes hues. Alpha stays. For luminance, colours that are
        neither uint8 nor uint16 must lie within [0, 1].
    backend : "auto", "opencv" or "numpy", default="auto"
        What equalizes uint8 images: OpenCV where it is installed; OpenCV, or an error; NumPy. The results
        are equal; OpenCV takes less time.

    Raises
    ------
    ValueError
        If a parameter is not allowed; if images hold NaN or infinity, have no pixels, or another number of
        channels than 1, 3 or 4; if CLAHE gets other numbers than uint8 or uint16.
    TypeError
        If X is no image: a table, text, a mapping.
    ImportError
        If OpenCV is needed and not installed.

    See Also
    --------
    GrayscaleNormalizer : Makes grey images of one type and size.

    Notes
    -----
    X may be an array of images (n_samples, height, width[, channels]) or volumes (n_samples, depth, height,
    width, channels), a :class:`~skmm.BagArray` of slices, a list or object array of images of different sizes
    (None is a missing one and stays None), or a lazy array of any of these, which stays lazy: its images are
    equalized when they are read. OpenCV's number of threads is left as it is.

    References
    ----------
    K. Zuiderveld, "Contrast limited adaptive histogram equalization", in Graphics Gems IV (1994), 474-485.

    Examples
    --------
    >>> import numpy as np
    >>> from skmm.preprocessing import HistogramEqualizer
    >>> images = np.array([[[100, 101, 101, 102]], [[7, 7, 7, 7]]], dtype=np.uint8)
    >>> HistogramEqualizer().fit_transform(images)
    array([[[  0, 170, 170, 255]],
    <BLANKLINE>
           [[  7,   7,   7,   7]]], dtype=uint8)
    """

    def __init__(
        self, method="global", *, clip_limit=2.0, tile_grid_size=(8, 8), color="luminance", backend="auto"
    ):
        self.method = method
        self.clip_limit = clip_limit
        self.tile_grid_size = tile_grid_size
        self.color = color
        self.backend = backend

    def _check(self):
        """Raise for parameters that are not allowed, or need what is not installed."""
        from skmm._training import Choice, Number, Pair, check_parameters

        count = Number(Integral, 1)
        rules = {
            "method": (Choice(("global", "clahe")),),
            "clip_limit": (Number(Real, 0, 65536, closed="both"),),
            "tile_grid_size": (count, Pair(count, "a tuple of (rows, columns)")),
            "color": (Choice(("luminance", "channels")),),
            "backend": (Choice(("auto", "opencv", "numpy")),),
        }
        check_parameters(self, rules)
        if self.method == "clahe" and self.backend == "numpy":
            raise ValueError(
                "The 'backend' parameter of HistogramEqualizer must be 'auto' or 'opencv' where "
                "method='clahe', for which there is no other. Got 'numpy' instead."
            )

    def _step(self, X):
        """Return what equalizes rows, and a token; sizes stay as they are."""
        grid, types = self.tile_grid_size, pixel_types(X)
        rows, columns = (grid, grid) if isinstance(grid, Integral) else grid
        options = {"method": self.method, "color": self.color}
        clahe = {"clip_limit": float(self.clip_limit), "tile_grid_size": (int(rows), int(columns))}
        if self.method == "clahe" and not types <= set(_LEVELS):
            raise ValueError(
                "HistogramEqualizer(method='clahe') takes uint8 and uint16 images. Got "
                f"{', '.join(sorted(map(str, types)))} instead: GrayscaleNormalizer makes uint8 of them."
            )
        token = tuple({**options, **(clahe if self.method == "clahe" else {})}.items())
        function = partial(equalize_rows, **options, **clahe, backend=self.backend)
        # what is not installed is missed before the first image is read
        _find_function(np.dtype(np.uint8), self.method, *clahe.values(), self.backend)
        return function, None, token
