"""Heat maps over images, in one scale."""

from typing import NamedTuple

import numpy as np

from skmm._optional import import_optional
from skmm.containers import read_rows
from skmm.inspection._panels import plain_title, say, short

_COLORS = "viridis"  # read alike with any colour vision, and in grey
_DARKER, _BRIGHTER = -0.3, 1.4  # dim contrast: under a map, black and white would change its colours
_CONTRAST = 0.1  # range of the colours, at least
_SIDE = 800  # pixels a side that are drawn: a panel has no more
_WIDEST = 13.8  # inches of a row of maps
_BAR = 1.3  # inches for the colour bar and its labels
_COLUMNS = 10  # maps of a row
_LETTERS = 22  # of the name beside a colour bar


class Picture(NamedTuple):
    """An image as it is drawn, thinned out where it is large, and its true size."""

    pixels: np.ndarray
    height: int
    width: int


def thinned(image):
    """Every so many pixels of an array with two axes or more, so that a large one draws fast."""
    step = -(-max(image.shape[:2]) // _SIDE)
    return image[::step, ::step]


def displayable(image):
    """An image as matplotlib draws it: floats in [0, 1], (height, width) or (height, width, 3 or 4)."""
    image = np.asarray(image)
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[..., 0]
    if image.dtype.kind in "iu" and image.dtype.itemsize == 1:
        return image / np.iinfo(image.dtype).max
    image = np.nan_to_num(image.astype(np.float64))
    low, high = image.min(), image.max()
    if image.dtype.kind == "f" and low >= 0 and 0.1 < high <= 1:
        return image
    return (image - low) / (high - low) if high > low else np.zeros_like(image)


def grey(image):
    """Brightness of a displayable image."""
    return image if image.ndim == 2 else image[..., :3] @ np.array([0.299, 0.587, 0.114])


def images_of(X, name, rows):
    """Pictures of some samples, or None for each where X holds none; of a volume the mean over its depth."""
    if X is None or X.kinds[name] not in {"image", "volume"}:
        return [None] * len(rows)
    values = read_rows(X[name], np.asarray(rows, dtype=np.intp))
    if X.kinds[name] == "volume":
        values = [np.mean(value, axis=0) for value in values]
    return [Picture(displayable(thinned(value)), *value.shape[:2]) for value in values]


def map_limits(maps, limits=None):
    """Lowest and highest colour of maps that are to be compared."""
    if limits is not None:
        if np.shape(limits) != (2,) or not limits[0] < limits[1]:
            raise ValueError(f"limits must be two numbers, the lower one first. Got {limits!r} instead.")
        low, high = limits
        return float(low), float(high)
    low, high = min(float(m.min()) for m in maps), max(float(m.max()) for m in maps)
    wider = max(0.0, _CONTRAST - (high - low)) / 2  # else chance is drawn in all colours where maps are flat
    return low - wider, high + wider


def _extent(height, width):
    """Where a picture of so many pixels lies, as matplotlib counts."""
    return (-0.5, width - 0.5, height - 0.5, -0.5)


def draw_image(ax, image):
    """A picture without its axes."""
    ax.imshow(image.pixels, cmap="gray", vmin=0, vmax=1, extent=_extent(image.height, image.width))
    ax.set_axis_off()


def draw_map(ax, heat, image, *, limits, alpha, patch_size=None):
    """A heat map over the brightness of its image; cells of ``patch_size`` pixels may go beyond its edges."""
    options = {"cmap": _COLORS, "vmin": limits[0], "vmax": limits[1], "interpolation": "nearest"}
    rows, columns = heat.shape
    if image is None:
        ax.imshow(thinned(heat), extent=_extent(rows, columns), **options)
    else:
        whole = _extent(image.height, image.width)
        covered = whole if patch_size is None else _extent(rows * patch_size, columns * patch_size)
        ax.imshow(grey(image.pixels), cmap="gray", vmin=_DARKER, vmax=_BRIGHTER, extent=whole)
        ax.imshow(thinned(heat), alpha=alpha, extent=covered, **options)
        ax.set_xlim(whole[:2])
        ax.set_ylim(whole[2:])
    ax.set_axis_off()


def map_bar(axes, limits, label):
    """A colour bar beside maps, in full colours, which the images under the maps only dim."""
    colors = import_optional("matplotlib.colors", extra="explain")
    cm = import_optional("matplotlib.cm", extra="explain")
    scale = cm.ScalarMappable(colors.Normalize(*limits), cmap=_COLORS)
    bar = axes[0].figure.colorbar(scale, ax=axes, fraction=0.05, pad=0.02)
    bar.set_label(label, fontsize="small")
    bar.ax.yaxis.label.set_parse_math(False)
    bar.ax.tick_params(labelsize="small")


def map_block(values, rows, *, mean, originals):
    """Panels of maps, the images alone before them, and their inches."""
    n_maps = max(len(rows) + mean, 1)
    n_columns = min(n_maps, _COLUMNS)
    width = min(1.75, _WIDEST / n_columns)
    height = width * np.clip(values.shape[1] / values.shape[2], 0.6, 2) + 0.05
    parts = [n_maps] * (1 + originals)
    n_rows = -(-n_maps // n_columns)
    inches = 0.1 + len(parts) * n_rows * height + 0.25 * n_rows * (1 + (originals and mean))  # with titles
    return parts, n_columns, _BAR + width * n_columns, max(1.9, inches)


def draw_maps(
    axes, name, values, X, rows, titles, *, present, mean, label, originals, limits, alpha, patch_size=None
):
    """Maps of some samples over their images, and the mean of those present, in one scale."""
    if not len(rows):
        say(axes[0], f"{short(name)}: no sample has it")
        for panel in axes[1:]:
            panel.set_axis_off()
        return
    maps, images = list(values[rows]), images_of(X, name, rows)
    if mean:
        maps.append(values[present].mean(axis=0))
        images.append(None)
        titles = [*titles, f"mean of {present.sum()}"]
    limits = map_limits(maps, limits)
    heats = axes[len(maps) :] if originals else axes
    for panel, heat, image in zip(heats, maps, images, strict=True):
        draw_map(panel, heat, image, limits=limits, alpha=alpha, patch_size=patch_size)
    for panel, heat, image, title in zip(axes, heats, images, titles, strict=False):
        if originals and image is None:
            panel.set_axis_off()
        elif originals:
            draw_image(panel, image)
        plain_title(heat if originals and image is None else panel, title, beside=_BAR)
    map_bar(axes, limits, f"{label}\n({short(name, _LETTERS)})")
