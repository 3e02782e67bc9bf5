"""The trade-off of regions: lesions that are hit against false regions, by threshold."""

from collections.abc import Mapping
from numbers import Real

import numpy as np
import pandas as pd
from scipy import ndimage

from skmm._training import Choice, Number, check_values
from skmm.inspection._regions import maps_of, prepare_maps, region_options, regions_at

_BOX = ["top", "left", "bottom", "right"]
_RULES = {
    "criterion": (Choice(("center", "peak", "iou")),),
    "extent": (Choice(("circle", "box", "pixels")),),
    "min_iou": (Number(Real, 0, 1, "right"),),
}


def lesions_of(truth, shape, number):
    """Lesions of an image as bool arrays, from a mask or boxes."""
    if truth is None:
        return []
    if isinstance(truth, pd.DataFrame):
        if not set(_BOX) <= set(truth.columns):
            raise ValueError(f"The boxes of image {number} must have columns {_BOX}. Got {list(truth)}.")
        truth = truth[_BOX]
    truth = np.asarray(truth)
    if truth.shape == shape and truth.dtype.kind in "biu":
        labels, n_lesions = ndimage.label(truth, np.ones((3, 3)))
        return [labels == lesion for lesion in range(1, n_lesions + 1)]
    if truth.size == 0:
        return []
    if truth.ndim != 2 or truth.shape[1] != 4 or truth.dtype.kind not in "iuf":
        raise ValueError(
            f"The truth of image {number} must be a mask of bool or int of shape {shape}, boxes of shape "
            f"(n_boxes, 4), or None. Got {truth.dtype}, {truth.shape}."
        )
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    lesions = []
    for top, left, bottom, right in truth:
        lesion = (rows >= top) & (rows < bottom) & (columns >= left) & (columns < right)
        if not lesion.any():
            raise ValueError(
                f"Boxes must be top, left, bottom, right, and hold a pixel of their image of shape {shape}. "
                f"Image {number} has {[top, left, bottom, right]}."
            )
        lesions.append(lesion)
    return lesions


def painted(region, labels, extent):
    """Where a region lies: a window of the image, and which pixels of it."""
    if extent != "circle":
        window = slice(region["top"], region["bottom"]), slice(region["left"], region["right"])
        inside = labels[window] == region["region"]
        return window, inside if extent == "pixels" else np.ones_like(inside)
    row, column, radius = region["row"], region["column"], region["radius"]
    top, left = max(0, int(np.ceil(row - radius))), max(0, int(np.ceil(column - radius)))
    window = slice(top, int(row + radius) + 1), slice(left, int(column + radius) + 1)
    rows, columns = np.ogrid[window[0], window[1]]
    inside = (rows - row) ** 2 + (columns - column) ** 2 <= radius**2
    return window, inside[: labels.shape[0] - top, : labels.shape[1] - left]


def _found_by(region, labels, lesions, criterion, extent, min_iou):
    """Which lesions a region finds."""
    if criterion != "iou":
        place = ("row", "column") if criterion == "center" else ("peak_row", "peak_column")
        row, column = (round(region[name]) for name in place)
        return [bool(lesion[row, column]) for lesion in lesions]
    window, inside = painted(region, labels, extent)
    found = []
    for lesion in lesions:
        both = (lesion[window] & inside).sum()
        found.append(both / (lesion.sum() + inside.sum() - both) >= min_iou)
    return found


def _judge(regions, labels, lesions, criterion, extent, min_iou):
    """What the regions of an image are worth."""
    found = [_found_by(region, labels, lesions, criterion, extent, min_iou) for region in regions]
    covered = np.zeros(labels.shape, dtype=bool)
    for region in regions:
        window, inside = painted(region, labels, extent)
        covered[window] |= inside
    ill = np.any(lesions, axis=0) if lesions else np.zeros(labels.shape, dtype=bool)
    point = bool(regions) and bool(ill[regions[0]["peak_row"], regions[0]["peak_column"]])
    return {
        "n_lesions": len(lesions),
        "n_hit": int(np.any(found, axis=0).sum()) if found else 0,
        "n_regions": len(regions),
        "n_false": sum(not any(own) for own in found),
        "pointing_game": float(point) if lesions else np.nan,
        "iou": (covered & ill).sum() / (covered | ill).sum() if lesions else np.nan,
    }


def _averaged(threshold, images):
    """Figures over all images."""
    n_lesions, n_regions = images["n_lesions"].sum(), images["n_regions"].sum()
    return {
        "threshold": threshold,
        "hit_rate": images["n_hit"].sum() / n_lesions if n_lesions else np.nan,
        "false_regions": images["n_false"].mean(),
        "precision": 1 - images["n_false"].sum() / n_regions if n_regions else np.nan,
        "pointing_game": images["pointing_game"].mean(),
        "iou": images["iou"].mean(),
        "n_images": len(images),
        "n_lesions": n_lesions,
        "n_regions": n_regions,
    }


def _in_order(thresholds):
    """Thresholds in order; raises where they are none."""
    values = np.arange(1, 10) / 10 if thresholds is None else np.unique(np.asarray(thresholds))
    if not values.size or values.dtype.kind not in "iuf" or not np.all((values >= 0) & (values <= 1)):
        raise ValueError(f"thresholds must be numbers from 0 to 1. Got {thresholds!r} instead.")
    return values.astype(float).tolist()


def region_curve(
    attributions,
    truth,
    thresholds=None,
    *,
    criterion="center",
    min_iou=0.1,
    extent="circle",
    per_image=False,
    **options,
):
    r"""How many known lesions regions hit, and how many regions are false, by threshold.

    At each threshold :func:`find_regions` gives regions of :math:`N` images, of which :math:`N_+` have a
    lesion, with :math:`L` lesions altogether. A region finds a lesion by the criterion, and is false if it
    finds none:

    .. math::
        \text{hit rate} = \frac{\#\{\text{lesions that some region finds}\}}{L}, \qquad
        \text{false regions} = \frac{\#\{\text{false regions}\}}{N}, \qquad
        \text{precision} = 1 - \frac{\#\{\text{false regions}\}}{\#\{\text{regions}\}},

    .. math::
        \text{pointing game} = \frac{\#\{\text{images whose first region has its peak in a lesion}\}}{N_+},
        \qquad
        \text{IoU} = \frac{1}{N_+} \sum_{i} \frac{|P_i \cap T_i|}{|P_i \cup T_i|},

    where the first region is that with the highest score, :math:`P_i` are the pixels of all regions of image
    :math:`i`, :math:`T_i` those of its lesions, and the sum is over images with a lesion.

    Parameters
    ----------
    attributions : list of array-like of shape (height, width) or (height, width, channels)
        A map an image; or an array (n_images, height, width, channels).
    truth : list of array-like
        The lesions of each image: a mask of bool or int of shape (height, width), in which pixels that touch
        one another, over corners too, are a lesion; or boxes, an array of shape (n_boxes, 4) or a DataFrame
        with "top", "left", "bottom", "right", as in ``image[top:bottom, left:right]``. None, an empty mask or
        no boxes: no lesion.
    thresholds : array-like of float, default=None
        Numbers in [0, 1]; default: 0.1, 0.2, ..., 0.9.
    criterion : {"center", "peak", "iou"}, default="center"
        When a region finds a lesion: its centre, rounded to a pixel, lies in the lesion; its strongest pixel
        does; or the intersection of the two over their union is at least ``min_iou``.
    min_iou : float, default=0.1
        In (0, 1]; for ``criterion="iou"``.
    extent : {"circle", "box", "pixels"}, default="circle"
        The pixels of a region: those in its circle, in its box, or its strong pixels.
    per_image : bool, default=False
        Whether to return counts of each image, for spreads, and for figures of parts of the images.
    **options : dict
        Further arguments of :func:`find_regions`. With ``scale="shared"`` or a number images in which the
        model sees little have no regions; with the default each has some.

    Returns
    -------
    DataFrame
        A row a threshold: "threshold", "hit_rate", "false_regions", "precision", "pointing_game", "iou",
        "n_images", "n_lesions" and "n_regions".

        With ``per_image=True`` a row a threshold and image: "threshold", "sample", "n_lesions", "n_hit",
        "n_regions", "n_false", "pointing_game" (0 or 1) and "iou".

        An image with lesions and no region counts as 0 in the hit rate, the pointing game and the IoU. Images
        without a lesion count in the false regions and the precision only. Where nothing is left to divide
        by a figure is NaN: the precision without regions; hit rate, pointing game and IoU without lesions.

    Raises
    ------
    ValueError
        If an argument is not allowed, or maps and truth do not fit together.

    References
    ----------
    .. [1] J. Zhang, Z. Lin, J. Brandt, X. Shen, S. Sclaroff, "Top-down neural attention by excitation
       backprop", ECCV 2016 (the pointing game).

    Examples
    --------
    >>> import numpy as np
    >>> from skmm.inspection import region_curve
    >>> attribution = np.zeros((20, 20))
    >>> attribution[3:6, 3:6] = 1.0
    >>> attribution[14:16, 14:16] = 0.4
    >>> boxes = [[2, 2, 7, 7]]
    >>> curve = region_curve([attribution], [boxes], thresholds=[0.3, 0.5])
    >>> curve[["threshold", "hit_rate", "false_regions", "precision", "pointing_game"]]
       threshold  hit_rate  false_regions  precision  pointing_game
    0        0.3       1.0            1.0        0.5            1.0
    1        0.5       1.0            0.0        1.0            1.0
    """
    values = _in_order(thresholds)
    check_values("region_curve", {"criterion": criterion, "extent": extent, "min_iou": min_iou}, _RULES)
    options = region_options("region_curve", options, without=("threshold",))
    if isinstance(truth, (Mapping, pd.DataFrame, str)) or not hasattr(truth, "__len__"):
        raise ValueError(f"truth must be a list, one entry an image. Got {type(truth).__name__} instead.")
    maps = maps_of(attributions)
    if len(maps) != len(truth):
        raise ValueError(f"truth must have an entry for each of {len(maps)} maps. Got {len(truth)}.")
    if not maps:
        raise ValueError("attributions must hold at least one map. Got none.")
    judged = {threshold: [] for threshold in values}
    for sample, (one, own_truth) in enumerate(zip(prepare_maps(maps, **options), truth, strict=True)):
        lesions = lesions_of(own_truth, one.counted.shape, sample)
        for threshold in values:
            regions, labels = regions_at(one, **{**options, "threshold": threshold})
            figures = _judge(regions, labels, lesions, criterion, extent, min_iou)
            judged[threshold].append({"threshold": threshold, "sample": sample, **figures})
    if per_image:
        return pd.DataFrame([row for rows in judged.values() for row in rows])
    return pd.DataFrame([_averaged(threshold, pd.DataFrame(rows)) for threshold, rows in judged.items()])
