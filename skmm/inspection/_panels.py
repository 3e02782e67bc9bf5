"""What the displays of this folder share: panels in rows, names of features, heat maps over images."""

import numpy as np

from skmm._optional import import_optional
from skmm.model_selection._plotting import new_axes

_WIDEST = 40  # letters of a name that are shown
_LETTERS = {"medium": 11.5, "small": 14.5}  # letters of a size that go on an inch


def short(name, widest=_WIDEST):
    """A name of bearable length: its middle left out."""
    name, end = str(name), widest * 3 // 8
    return name if len(name) <= widest else f"{name[: widest - end - 1]}…{name[-end:]}"


def _room(ax, size, beside):
    """Letters that fit above an Axes without reaching its neighbour's, or what is beside all of them."""
    place = ax.get_subplotspec()
    part = 1 if place is None else place.get_gridspec().ncols
    inches = (ax.figure.bbox.width / figure_of(ax).dpi - beside) / part
    return max(8, min(_WIDEST, int(inches * _LETTERS[size])))


def name_rows(ax, positions, names):
    """Names at the left, shown as they are: a dollar sign starts no formula."""
    ax.set_yticks(positions, labels=[short(name) for name in names])
    for label in ax.get_yticklabels():
        label.set_parse_math(False)


def plain_title(ax, text, below=None, beside=0.0):
    """A title without formulas, as wide as there is room but for inches beside; perhaps with text below."""
    size = "small" if below or beside else "medium"
    text = short(text, _room(ax, size, beside))
    ax.set_title(text if not below else f"{text}\n{below}", fontsize=size).set_parse_math(False)


def say(ax, text):
    """A panel that has nothing to show says why."""
    ax.set_axis_off()
    ax.text(0.5, 0.5, text, ha="center", va="center", transform=ax.transAxes, color="#444444", wrap=True)


def figure_of(ax):
    """The figure that holds an Axes, which may lie in a part of it."""
    figure = ax.figure
    return getattr(figure, "figure", None) or figure


def panel_blocks(ax, blocks, who):
    """Axes in blocks, one below the other: those given, or new ones.

    Parameters
    ----------
    ax : matplotlib Axes, array of them or None
        The caller's.
    blocks : list of (parts, n_columns, width, height)
        Numbers of panels of each block, in parts that start a row of their own, and its inches.
    who : str
        The display, for messages.

    Returns
    -------
    list of list of Axes
        One list a block, row after row.
    """
    if ax is not None:
        flat = iter(new_axes(ax, sum(sum(block[0]) for block in blocks), who, size=None))
        return [[next(flat) for _ in range(sum(parts))] for parts, _, _, _ in blocks]
    pyplot = import_optional("matplotlib.pyplot", extra="explain", who=who)
    width, heights = max(block[2] for block in blocks), [block[3] for block in blocks]
    figure = pyplot.figure(figsize=(width, sum(heights)), layout="constrained")
    places = figure.subfigures(len(blocks), 1, height_ratios=heights, squeeze=False)[:, 0]
    panels = []
    for place, (parts, n_columns, own_width, _) in zip(places, blocks, strict=True):
        n_rows = [-(-n_panels // n_columns) for n_panels in parts]
        filled = max(n_columns, int(width * n_columns / own_width))  # those of a narrow block keep their size
        grid = place.subplots(sum(n_rows), filled, squeeze=False)
        own = []
        for n_panels, rows in zip(parts, np.split(grid, np.cumsum(n_rows)[:-1]), strict=True):
            own += list(rows[:, :n_columns].ravel()[:n_panels])
        for spare in set(grid.ravel()).difference(own):
            spare.remove()
        panels.append(own)
    return panels
