"""Attribution maps, regions and known lesions on Axes."""

import numpy as np

from skmm._optional import import_optional
from skmm.model_selection._plotting import COLORS

_COLOURS = "RdBu_r"  # nearly white at zero: what does not speak is not seen
_FOR, _AGAINST, _LESION = COLORS[1], COLORS[0], COLORS[2]
_SIDE = 800  # pixels a side that are drawn
_FRAME = {"color": "#BBBBBB", "linewidth": 0.8}
_NEAR = 0.08  # of the image, between two numbers of regions
_SPEAKS = {True: "speaks for the class", False: "speaks against it"}


def colours(maps):
    """Colours of maps: from white at 0 to red, and to blue where some value is below 0."""
    colors = import_optional("matplotlib.colors", extra="explain")
    cm = import_optional("matplotlib.cm", extra="explain")
    if min(one.min() for one in maps) < 0:
        return cm.ScalarMappable(colors.Normalize(-1.0, 1.0), cmap=_COLOURS)
    upper = cm.ScalarMappable(colors.Normalize(-1.0, 1.0), cmap=_COLOURS).to_rgba(np.linspace(0, 1, 128))
    return cm.ScalarMappable(colors.Normalize(0.0, 1.0), cmap=colors.ListedColormap(upper))


def strongest(values, side=_SIDE):
    """A map in fewer pixels, each the strongest of a block, so that none is lost."""
    step = -(-max(values.shape) // side)
    if step == 1:
        return values
    height, width = (-(-size // step) * step for size in values.shape)
    padded = np.zeros((height, width))
    padded[: values.shape[0], : values.shape[1]] = values
    blocks = padded.reshape(height // step, step, width // step, step).swapaxes(1, 2).reshape(-1, step**2)
    peaks = np.take_along_axis(blocks, np.abs(blocks).argmax(axis=1)[:, None], axis=1)
    return peaks.reshape(height // step, width // step)


def draw_map(ax, relative, scale):
    """A map in its colours."""
    drawn = strongest(relative)
    step = -(-max(relative.shape) // _SIDE)
    extent = (-0.5, drawn.shape[1] * step - 0.5, drawn.shape[0] * step - 0.5, -0.5)
    ax.imshow(drawn, cmap=scale.cmap, norm=scale.norm, interpolation="nearest", extent=extent)
    ax.set_xlim(-0.5, relative.shape[1] - 0.5)
    ax.set_ylim(relative.shape[0] - 0.5, -0.5)


def frame(ax):
    """A thin frame, as maps and images may be as white as the page."""
    ax.set_axis_on()
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set(**_FRAME)


def _cased(width):
    """A white line below a coloured one, so that it is seen on black and on white."""
    effects = import_optional("matplotlib.patheffects", extra="explain")
    return [effects.withStroke(linewidth=width, foreground="white")]


def outline(ax, lesions):
    """Edges of the pixels of lesions."""
    collections = import_optional("matplotlib.collections", extra="explain")
    for lesion in lesions:
        padded = np.pad(lesion, 1)
        beside = np.argwhere(padded[1:-1, 1:] != padded[1:-1, :-1]) - 0.5  # upper ends of vertical edges
        below = np.argwhere(padded[1:, 1:-1] != padded[:-1, 1:-1]) - 0.5  # left ends of horizontal ones
        edges = [[(c, r), (c, r + 1)] for r, c in beside] + [[(c, r), (c + 1, r)] for r, c in below]
        for color, width in (("white", 2.4), (_LESION, 1.2)):
            ax.add_collection(collections.LineCollection(edges, colors=color, linewidths=width))


def draw_regions(ax, regions, shape, form):
    """Circles or boxes of regions and their numbers."""
    patches = import_optional("matplotlib.patches", extra="explain")
    taken = []
    for region in regions.itertuples():
        is_for = region.attribution >= 0
        style = {
            "fill": False, "edgecolor": _FOR if is_for else _AGAINST, "linewidth": 1.5,
            "linestyle": "-" if is_for else (0, (3, 1.5)), "path_effects": _cased(2.8),
        }  # fmt: skip
        if form != "box":
            ax.add_patch(patches.Circle((region.column, region.row), region.radius, **style))
        if form != "circle":
            size = region.right - region.left, region.bottom - region.top
            ax.add_patch(patches.Rectangle((region.left - 0.5, region.top - 0.5), *size, **style))
        place, (right, down) = place_of_number(region, regions, shape, form, taken)
        taken.append(place)
        text = ax.annotate(
            str(region.region + 1), place, xytext=(2 * right, -down), textcoords="offset points",
            ha="left" if right > 0 else "right", va="top" if down > 0 else "bottom",
            color=style["edgecolor"], fontsize="small", fontweight="bold",
        )  # fmt: skip
        text.set_path_effects(_cased(2.5))


def place_of_number(region, regions, shape, form, taken):
    """A corner of a region for its number: in the image, outside other regions, away from other numbers."""
    aside = 0.71 * region.radius if form != "box" else (region.right - region.left) / 2
    along = 0.71 * region.radius if form != "box" else (region.bottom - region.top) / 2
    near = _NEAR * max(shape)
    found = []
    for right, down in ((1, -1), (-1, -1), (1, 1), (-1, 1)):
        column, row = region.column + right * aside, region.row + down * along
        outer = np.array([row + down * near / 2, column + right * near / 2])
        others = regions[regions["region"] != region.region]
        covered = (
            np.hypot(others["row"] - outer[0], others["column"] - outer[1]) < others["radius"] + near / 4
        )
        close = sum(max(abs(column - c), abs(row - r)) < near for c, r in taken)
        is_outside = (outer < 0).any() or (outer > np.array(shape) - 1).any()
        found.append((4 * is_outside + 2 * close + covered.sum(), len(found), (column, row), (right, down)))
    return min(found)[2:]


def bar(axes, scale, marks, shrink):
    """A colour bar beside maps, with the threshold."""
    bar = axes[0].figure.colorbar(scale, ax=axes, fraction=0.05, pad=0.02, shrink=shrink, aspect=30 * shrink)
    bar.set_label("attribution, part of the largest", fontsize="small")
    bar.ax.tick_params(labelsize="small")
    for mark in marks:
        if bar.norm.vmin <= mark <= bar.norm.vmax:
            bar.ax.axhline(mark, color="black", linewidth=1.2)


def legend(axes, regions, with_truth, figure):
    """What lines mean: below a figure of our own, or below the first of the caller's Axes."""
    lines = import_optional("matplotlib.lines", extra="explain")
    signs = regions["attribution"] >= 0
    handles = [
        lines.Line2D([], [], color=_FOR if sign else _AGAINST, linestyle="-" if sign else "--", label=label)
        for sign, label in _SPEAKS.items()
        if (signs == sign).any()
    ]
    if with_truth:
        handles.append(lines.Line2D([], [], color=_LESION, label="known lesion"))
    if not handles:
        return
    options = {"handles": handles, "frameon": False, "fontsize": "small", "ncols": len(handles)}
    if figure is not None:
        figure.legend(loc="outside lower center", **options)
    else:
        axes[0].legend(loc="upper left", bbox_to_anchor=(0, 0), **{**options, "ncols": 1})
