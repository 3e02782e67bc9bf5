"""Regions of an attribution map: clusters of strong pixels, as circles and boxes with scores."""

import inspect
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import ndimage

from skmm._training import Choice, Number, check_values
from skmm.inspection._pixel_clusters import LINKAGES, pixel_clusters

COLUMNS = {
    "sample": int,
    "region": int,
    "row": float,
    "column": float,
    "radius": float,
    "top": int,
    "left": int,
    "bottom": int,
    "right": int,
    "n_points": int,
    "peak_row": int,
    "peak_column": int,
    "peak": float,
    "score": float,
    "attribution": float,
}
_FLAG = Choice((True, False))
_ROUNDING = 1e-12  # relative differences that are none
_RULES = {
    "threshold": (Number(Real, 0, 1, "both"),),
    "distance": (Number(Real, 0),),
    "min_points": (Number(Integral, 1),),
    "margin": (Number(Real, 0),),
    "linkage": (Choice(LINKAGES),),
    "sign": (Choice(("absolute", "positive", "negative")),),
    "scale": (Choice(("max", "shared", "minmax")), Number(Real, 0, closed="neither")),
    "outliers": (Number(Real, 0, 1),),
    "smoothing": (Number(Real, 0),),
    "truncate": (_FLAG,),
    "return_labels": (_FLAG,),
}


class Map(NamedTuple):
    """Attributions of one image: their sum in each pixel, how strong a pixel is, and whether it counts."""

    amount: np.ndarray  # (height, width)
    strength: np.ndarray  # (height, width); -inf where a pixel does not count
    counted: np.ndarray  # (height, width), bool
    relative: np.ndarray  # (height, width); as the strength, with its sign, 0 where nothing speaks


def region_options(who, options, without=()):
    """Arguments of `find_regions` by name, the defaults filled in.

    Parameters
    ----------
    who : str
        What passes them on.
    options : dict
        What the caller has given.
    without : tuple of str
        What is not passed on, beside the map and whether to return labels.

    Returns
    -------
    dict
        All that is passed on.

    Raises
    ------
    ValueError
        If something else is given, or a value is not allowed.
    """
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(find_regions).parameters.items()
        if name not in {"attribution", "return_labels", *without}
    }
    unknown = sorted(set(options) - set(defaults))
    if unknown:
        raise ValueError(f"{who} passes on the arguments {sorted(defaults)} of find_regions. Got {unknown}.")
    options = {**defaults, **options}
    _check(options)
    return options


def _check(options):
    """Raise for the first argument with a value that is not allowed."""
    rules = {name: allowed for name, allowed in _RULES.items() if name in options}
    check_values("find_regions", options, rules)


def maps_of(attribution):
    """The maps of one image or several, as a list."""
    if isinstance(attribution, (list, tuple)) or np.ndim(attribution) == 4:
        return list(attribution)
    return [attribution]


def _masks_of(mask, n_maps):
    """A mask for each map, or None for each."""
    if not isinstance(mask, (list, tuple)) and np.ndim(mask) < 3:
        return [mask] * n_maps
    if len(mask) != n_maps:
        raise ValueError(f"mask must be one for all, or one for each of {n_maps} maps. Got {len(mask)}.")
    return list(mask)


def _values(attribution, mask, number):
    """A map as float64 of shape (height, width, channels), 0 where it does not count, and where it counts."""
    where = f"The attribution of image {number}"
    values = np.asarray(attribution)
    if values.dtype.kind not in "biuf":
        raise ValueError(f"{where} must be an array of numbers. Got dtype {values.dtype}.")
    if values.ndim == 2:
        values = values[..., None]
    if values.ndim != 3 or values.shape[2] > 4 or not values.size:
        raise ValueError(
            f"{where} must have shape (height, width) or (height, width, channels), with 1 to 4 channels. "
            f"Got {np.shape(attribution)}. Hand over several images as a list."
        )
    counted = np.ones(values.shape[:2], dtype=bool)
    if mask is not None:
        counted = np.asarray(mask)
        if counted.dtype != bool or counted.shape != values.shape[:2]:
            raise ValueError(
                f"The mask of image {number} must be bool, of shape {values.shape[:2]}. Got {counted.dtype}, "
                f"{counted.shape}."
            )
    values = np.where(counted[..., None], values.astype(np.float64), 0.0)
    if np.isnan(values).all():  # the image is missing
        return np.zeros_like(values), np.zeros_like(counted)
    bad = ~np.isfinite(values).all(axis=2)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise ValueError(
            f"{where} must be finite. {bad.sum()} pixels are NaN or infinite, the first at row {row}, column "
            f"{column}. Leave them out by a mask."
        )
    return values, counted


def _smoothed(values, counted, smoothing, outliers):
    """Means by a Gaussian over the pixels that count."""
    if not smoothing or not counted.any():
        return values
    top = _high(np.abs(values[counted]).max(axis=1), outliers)
    values = np.clip(values, -top, top)  # a single extreme pixel would become a region
    weight = ndimage.gaussian_filter(counted.astype(np.float64), smoothing, mode="constant")
    spread = ndimage.gaussian_filter(values, smoothing, mode="constant", axes=(0, 1))
    return np.where(counted[..., None], spread / np.where(counted, weight, 1)[..., None], 0.0)


def _channel_weights(weights, n_channels):
    """Weights that sum to 1."""
    if weights is None:
        return np.full(n_channels, 1 / n_channels)
    given, weights = weights, np.asarray(weights)
    fits = weights.shape == (n_channels,) and weights.dtype.kind in "iuf"
    if not fits or not np.isfinite(weights).all() or (weights < 0).any() or not weights.any():
        raise ValueError(
            f"channel_weights must be {n_channels} numbers, one a channel, at least 0 and not all 0. Got "
            f"{given!r} instead."
        )
    return weights / weights.sum()


def _signed(values, sign):
    """Values of which the large ones count."""
    return np.abs(values) if sign == "absolute" else values if sign == "positive" else -values


def _high(values, outliers):
    """The largest value but for a share of outliers; the largest of all where no other is above 0."""
    n_left_out = min(int(np.ceil(outliers * len(values))), len(values) - 1)
    high = np.partition(values, len(values) - 1 - n_left_out)[len(values) - 1 - n_left_out]
    return high if high > 0 else values.max()


def _bounds(values, outliers):
    """The smallest and largest value but for a share of outliers at either end; of all, if they are equal."""
    n_left_out = min(int(np.ceil(outliers * len(values))), (len(values) - 1) // 2)
    low, high = np.partition(values, [n_left_out, len(values) - 1 - n_left_out])[
        [n_left_out, len(values) - 1 - n_left_out]
    ]
    return (low, high) if high > low else (values.min(), values.max())


def _joined(values, counted, sign, scale, outliers, channel_weights, smoothing):
    """Channels as one, the same by sign, and which of these values are 0 and 1 on the scale of the image."""
    weights = _channel_weights(channel_weights, values.shape[2])
    smooth = _smoothed(values, counted, smoothing, outliers)
    mean = smooth @ weights
    joined = _signed(mean, sign)
    raw = _signed(values[counted] @ weights, sign)
    if not raw.size or np.ptp(raw) <= _ROUNDING * np.abs(raw).max():
        return mean, joined, 0.0, 0.0  # what is the same everywhere stands out nowhere
    if scale == "minmax":
        return mean, joined, *_bounds(_signed(smooth[counted], sign).ravel(), outliers)
    return mean, joined, 0.0, _high(joined[counted], outliers)


def prepare_maps(attribution, mask, *, sign, scale, outliers, channel_weights, smoothing, **_):
    """The strength of each pixel of each map, one map after the other.

    Yields
    ------
    Map
        One an image.
    """
    maps = maps_of(attribution)
    masks = _masks_of(mask, len(maps))
    options = (sign, scale, outliers, channel_weights, smoothing)

    def read():
        """What each map comes to, read again where it is asked for again, as all may not fit in memory."""
        for number, (one, own_mask) in enumerate(zip(maps, masks, strict=True)):
            values, counted = _values(one, own_mask, number)
            yield values.sum(axis=2), counted, *_joined(values, counted, *options)

    shared = max((high for *_, high in read()), default=0.0) if scale == "shared" else None
    for amount, counted, mean, joined, low, high in read():
        is_flat = high <= low
        top = shared if scale == "shared" else high if isinstance(scale, str) else scale
        strength = (joined - low) / (1.0 if is_flat else top - low)
        strength = np.where(counted & (not is_flat), strength, -np.inf)
        if scale == "minmax" or top <= 0:
            top = _high(np.abs(mean).ravel(), outliers)
        yield Map(amount, strength, counted, mean / top if top > 0 else mean)


def regions_at(one, threshold, *, distance, min_points, margin, linkage, truncate, **_):
    """Regions of one map at one threshold.

    Parameters
    ----------
    one : Map
        From `prepare_maps`.
    threshold : float
        The least strength of a pixel.
    distance, min_points, margin, linkage, truncate : object
        As in `find_regions`.

    Returns
    -------
    rows : list of dict
        One a region, the highest score first.
    labels : ndarray of int of shape (height, width)
        The number of the region of each pixel; -1 elsewhere.
    """
    strong = one.strength >= threshold
    labels = np.full(strong.shape, -1)
    if not strong.any():
        return [], labels
    clusters = pixel_clusters(strong, distance, linkage)
    rows, columns = np.nonzero(strong)
    sizes = np.bincount(clusters[strong])
    total = np.maximum(one.strength[one.counted], 0).sum()
    order = np.argsort(clusters[strong], kind="stable")
    found = [
        _measured(one, rows[members], columns[members], total, margin, truncate)
        for members in np.split(order, np.cumsum(sizes)[:-1])
        if len(members) >= min_points
    ]
    found.sort(key=lambda region: (-region["score"], region["peak_row"], region["peak_column"]))
    numbers = np.full(len(sizes), -1)
    for number, region in enumerate(found):
        region["region"] = number
        numbers[clusters[region["peak_row"], region["peak_column"]]] = number
    labels[strong] = numbers[clusters[strong]]
    return found, labels


def _measured(one, rows, columns, total, margin, truncate):
    """Place, size and score of the pixels of a region."""
    row, column = rows.mean(), columns.mean()
    if truncate:
        row, column = np.trunc(row), np.trunc(column)
    strength = one.strength[rows, columns]
    peak = np.argmax(strength)
    return {
        "row": row,
        "column": column,
        "radius": np.hypot(rows - row, columns - column).max() + margin,
        "top": rows.min(),
        "left": columns.min(),
        "bottom": rows.max() + 1,
        "right": columns.max() + 1,
        "n_points": len(rows),
        "peak_row": rows[peak],
        "peak_column": columns[peak],
        "peak": strength[peak],
        "score": np.maximum(strength, 0).sum() / total if total > 0 else 0.0,
        "attribution": one.amount[rows, columns].sum(),
    }


def region_frame(rows):
    """Regions as a table; one without rows has the same columns."""
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)


def find_regions(
    attribution,
    threshold=0.5,
    *,
    distance=5.0,
    min_points=2,
    margin=1.0,
    linkage="single",
    sign="absolute",
    scale="max",
    outliers=1e-4,
    channel_weights=None,
    smoothing=0.0,
    mask=None,
    truncate=False,
    return_labels=False,
):
    r"""Find the regions that speak for a model's answer: clusters of pixels with strong attributions.

    The channels of each pixel are joined to :math:`m = \sum_c w_c a_c / \sum_c w_c`, with the attributions
    :math:`a_c` and the weights :math:`w_c` of the channels. The strength of the pixel is

    .. math:: s = \frac{v - l}{h - l}, \qquad v = |m|, m \text{ or } -m,

    where :math:`l = 0` and :math:`h` is the largest :math:`v` of the image but for outliers. Pixels with
    :math:`s` of at least the threshold are strong. Strong pixels near one another are a region.

    Parameters
    ----------
    attribution : array-like of shape (height, width) or (height, width, channels), or list of those
        Attributions of an image, with 1 to 4 channels. Several images are a list, or an array with four
        axes, (n_images, height, width, channels); a stack of maps without channels is ``list(stack)``. One
        that is NaN throughout stands for an image that is missing, and has no regions.
    threshold : float, default=0.5
        The least strength of a strong pixel, in [0, 1]; the "sight sensitivity" of [1]_. A higher one gives
        fewer true and fewer false regions: :func:`region_curve` shows how many.
    distance : float, default=5.0
        Clusters at most so many pixels apart are one.
    min_points : int, default=2
        Regions of fewer pixels are dropped.
    margin : float, default=1.0
        Pixels by which the circle of a region goes beyond the centre of its farthest pixel.
    linkage : {"single", "average", "complete"}, default="single"
        How far apart two clusters are: the smallest, the mean or the largest distance of their pixels. By
        "single" a thin bridge of strong pixels makes one region of two, and scattered ones a chain; by
        "complete" no two pixels of a region are farther apart than ``distance``, which then is the size of
        what is sought. "single" takes any number of pixels, the others at most 5000 that hang together.
    sign : {"absolute", "positive", "negative"}, default="absolute"
        Whether pixels count that speak for or against the class, only those for it, or only those against it.
        By "absolute" a region may hold both.
    scale : {"max", "shared", "minmax"} or float, default="max"
        What :math:`h` is. "max": the largest :math:`v` of the image; then an image in which the model sees
        little has regions, too. "shared": the largest of all images handed over. A number: this, in the units
        of the map. "minmax": :math:`l` and :math:`h` are the smallest and largest of all :math:`\pm a_c`,
        channels apart; attributions of zero then have a strength that is not zero.
    outliers : float, default=1e-4
        Share of the pixels, rounded up, that are left out where the largest is sought, so that a single pixel
        does not hide all others. They may have a strength above 1, and are cut down to the largest of the
        others before a map is smoothed. What is sought must have more pixels than that.
    channel_weights : array-like of shape (channels,), default=None
        :math:`w_c`; default: all alike.
    smoothing : float, default=0.0
        Standard deviation in pixels of a Gaussian by which the map is smoothed before; 0 for none. It helps
        where attributions are noisy from one pixel to the next.
    mask : array-like of bool of shape (height, width), or list of those, default=None
        True where a pixel counts, one for all images or one each; what is elsewhere, NaN too, has no
        influence.
    truncate : bool, default=False
        Whether the centre is cut off to whole pixels before the radius is measured, as in [1]_.
    return_labels : bool, default=False
        Whether to return the region of each pixel as well.

    Returns
    -------
    regions : DataFrame
        A row a region, in each image the highest score first:

        - "sample", "region": number of the image, and of the region in it;
        - "row", "column", "radius": the circle, in pixels, around the mean of the pixels' centres, of which
          the first is at (0, 0);
        - "top", "left", "bottom", "right": the box, tight, as in ``image[top:bottom, left:right]``;
        - "n_points": number of strong pixels;
        - "peak_row", "peak_column", "peak": the strongest pixel and its strength;
        - "score": the share of the region in the strength of all pixels that count, in [0, 1];
        - "attribution": the sum of the attributions of its strong pixels over the channels. Of integrated
          gradients this is what they add to the model's output.

        A map has no regions if it is the same everywhere, or holds nothing of the sign asked for.
    labels : ndarray of int of shape (height, width), or list of those
        With ``return_labels=True``: the number of the region of each pixel; -1 elsewhere.

    Raises
    ------
    ValueError
        If an argument is not allowed, shapes do not fit, a value that counts is not finite, or there are too
        many strong pixels for the linkage.

    Notes
    -----
    NOTE[DIFF] The published procedure [1]_ is reached by ``threshold=0.7, distance=10, margin=5,
    sign="positive", scale="minmax", outliers=0, channel_weights=(0.114, 0.587, 0.299), truncate=True``. There
    a single pixel with an extreme value moves the threshold for all others, and attributions that speak
    against a class, not those of zero, have a strength of 0.

    References
    ----------
    .. [1] F. Aydin, M. Zhang, M. Ananda-Rajah, G. Haffari, "Medical multimodal classifiers under scarce data
       condition", arXiv:1902.08888.

    Examples
    --------
    >>> import numpy as np
    >>> from skmm.inspection import find_regions
    >>> attribution = np.zeros((12, 12))
    >>> attribution[1:4, 2:4] = 0.5
    >>> attribution[9:11, 8:11] = -1.0
    >>> regions, labels = find_regions(attribution, return_labels=True)
    >>> regions[["row", "column", "top", "left", "bottom", "right", "n_points", "attribution"]]
        row  column  top  left  bottom  right  n_points  attribution
    0   9.5     9.0    9     8      11     11         6         -6.0
    1   2.0     2.5    1     2       4      4         6          3.0
    >>> regions["score"].round(2).tolist()
    [0.67, 0.33]
    >>> int((labels == 1).sum())
    6
    """
    options = {
        "threshold": threshold, "distance": distance, "min_points": min_points, "margin": margin,
        "linkage": linkage, "sign": sign, "scale": scale, "outliers": outliers,
        "channel_weights": channel_weights, "smoothing": smoothing, "truncate": truncate,
        "return_labels": return_labels,
    }  # fmt: skip
    _check(options)
    found, labels = [], []
    for sample, one in enumerate(prepare_maps(attribution, mask, **options)):
        rows, own_labels = regions_at(one, **options)
        found += [{"sample": sample, **row} for row in rows]
        if return_labels:
            labels.append(own_labels)
    regions = region_frame(found)
    if not return_labels:
        return regions
    is_one = not isinstance(attribution, (list, tuple)) and np.ndim(attribution) != 4
    return regions, labels[0] if is_one else labels
