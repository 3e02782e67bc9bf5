"""A text with coloured words, drawn by matplotlib: no part of it is a formula, lines end where Axes do."""

import numpy as np

from skmm._optional import import_optional
from skmm.inspection._panels import figure_of
from skmm.inspection._token_colours import STEPS, ink_on, light_colours
from skmm.inspection._token_text import drawable, wrap

_SIZES = (10, 9, 8, 7, 6, 5)  # points of letters, the first that fits
_LEADING = 1.7  # of a line, in sizes of letters
_ASCENT = 1.1  # from the upper edge to the first base line
_LINES = {
    1: ("-", "#B2182B"),
    -1: ((0, (2.5, 1.2)), "#2166AC"),
}  # as around regions: solid for, dashed against
_SQUARED = ("-", "#6A51A3")
_BELOW = 0.34  # of a line below a word, in sizes of letters
_HINTING = 1.03  # pixels make letters wider than they are: up to so much, depending on the resolution
_FAINT = "#6E6E6E"


class Letters:
    """How wide words are, in points; each is measured once."""

    def __init__(self):
        textpath = import_optional("matplotlib.textpath", extra="explain")
        fonts = import_optional("matplotlib.font_manager", extra="explain")
        self._measure = textpath.TextToPath().get_text_width_height_descent
        self._font = fonts.FontProperties(size=1)
        self._widths = {}

    def width(self, text):
        """Width of a text of size 1."""
        if text not in self._widths:
            self._widths[text] = _HINTING * self._measure(drawable(text), self._font, ismath=False)[0]
        return self._widths[text]

    def lines(self, pieces, points, size):
        """The lines of a text in letters of a size, where a line has so many points."""
        return wrap(pieces, points / size, self.width)

    def inches(self, pieces, width):
        """Height of a text in the largest letters, where it is so many inches wide."""
        size = _SIZES[0]
        return max(1, len(self.lines(pieces, 72 * width, size))) * size * _LEADING / 72


def _fitting(pieces, width, height, letters):
    """Lines of a text in the largest letters that fit, their size, and how many words are left out."""
    for size in _SIZES:
        lines = letters.lines(pieces, width, size)
        fits = int(height / (size * _LEADING) + 0.05)
        if len(lines) <= fits:
            return lines, size, 0
    kept = max(1, fits - 1)
    return lines[:kept], size, sum(map(len, lines[kept:]))


def draw_text(ax, report, letters, *, signed):
    """Draw a text from the upper left corner of an Axes, in lines as wide as it is now.

    Parameters
    ----------
    ax : matplotlib Axes
        Where.
    report : Report
        The text.
    letters : Letters
        The measure.
    signed : bool
        Whether values have a sign.
    """
    transforms = import_optional("matplotlib.transforms", extra="explain")
    collections = import_optional("matplotlib.collections", extra="explain")
    figure = figure_of(ax)
    box = ax.get_window_extent()
    width, height = 72 * box.width / figure.dpi, 72 * box.height / figure.dpi
    lines, size, n_left_out = _fitting(report.pieces, width, height, letters)
    palette = {0: None, **light_colours(signed=signed)}
    colours = [palette[level] for level in report.levels]
    # Points from the upper left corner, whatever becomes of the Axes.
    points = (
        transforms.Affine2D().scale(size / 72, -size / 72)
        + figure.dpi_scale_trans
        + transforms.ScaledTranslation(0, 1, ax.transAxes)
    )
    options = {"transform": points, "va": "baseline", "ha": "left", "fontsize": size, "parse_math": False}
    underlines = {}
    for number, line in enumerate(lines):
        y = _ASCENT + number * _LEADING
        for text, token, start, stop in line:
            colour = None if token is None else colours[token]
            one = ax.text(start, y, drawable(text), **options)
            one.set_in_layout(False)
            if colour is None:
                continue
            one.set_color(ink_on(colour))
            one.set_bbox({"facecolor": colour, "edgecolor": "none", "boxstyle": "square,pad=0.1"})
            step = report.levels[token]
            if 4 * abs(step) >= STEPS:
                style = _LINES[np.sign(step)] if signed else _SQUARED
                underlines.setdefault(style, []).append([(start, y + _BELOW), (stop, y + _BELOW)])
    for (style, color), segments in underlines.items():
        drawn = collections.LineCollection(
            segments, colors=color, linestyles=[style], linewidths=1.2, transform=points, zorder=4
        )
        drawn.set_in_layout(False)
        ax.add_collection(drawn, autolim=False)
    if n_left_out or not lines:
        said = f"… {n_left_out} more words" if lines else "The text is empty."
        ax.text(0, _ASCENT + len(lines) * _LEADING, said, color=_FAINT, style="italic", **options)


def draw_bar(axes, scale, label):
    """A colour bar below texts, and what its colours mean."""
    figure = axes[0].figure
    room = 0.2 if figure_of(axes[0]).get_layout_engine() is None else 0.04  # else made for the label as well
    bar = figure.colorbar(
        scale, ax=axes, location="bottom", fraction=room, pad=0.03, shrink=0.6, aspect=45, anchor=(0.0, 1.0)
    )
    bar.set_label(label, fontsize="small", loc="left")
    bar.ax.xaxis.label.set_parse_math(False)
    bar.ax.tick_params(labelsize="small")
