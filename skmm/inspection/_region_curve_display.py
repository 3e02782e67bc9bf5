"""The trade-off of regions on images with known lesions, as a plot."""

import numpy as np
import pandas as pd

from skmm.inspection._region_curve import region_curve
from skmm.model_selection._plotting import COLORS, MARKERS, legend_above, new_axes, tidy

_LABELS = {
    "hit_rate": "hit rate",
    "precision": "precision",
    "pointing_game": "pointing game",
    "iou": "IoU",
}
_NEEDED = ("threshold", "hit_rate", "false_regions")
_APART, _SAME = 0.07, 0.02  # of the panel, between two numbers at the curve, and between points of one number
_MANY = 5  # false regions an image, above which their axis is logarithmic


class RegionCurveDisplay:
    """What a threshold costs: hit rate, precision, pointing game and IoU, and hits against false regions.

    Left the figures of :func:`region_curve` by threshold. Right the lesions that are hit against the false
    regions of an image, with the thresholds at the curve; up and to the left is better.

    Use :meth:`from_frame` or :meth:`from_predictions` to make one.

    Parameters
    ----------
    curve : DataFrame
        As :func:`region_curve` returns it.

    Attributes
    ----------
    axes_ : list of matplotlib Axes
        The two panels.
    figure_ : matplotlib Figure
        What holds them.

    Examples
    --------
    >>> import pandas as pd
    >>> from skmm.inspection import RegionCurveDisplay
    >>> curve = pd.DataFrame({
    ...     "threshold": [0.2, 0.5], "hit_rate": [1.0, 0.5], "false_regions": [2.0, 0.0],
    ...     "precision": [0.3, 1.0], "pointing_game": [0.5, 0.5], "iou": [0.2, 0.4],
    ... })
    >>> display = RegionCurveDisplay.from_frame(curve)
    >>> [line.get_label() for line in display.axes_[0].lines]
    ['hit rate', 'precision', 'pointing game', 'IoU']
    """

    def __init__(self, curve):
        self.curve = curve

    @classmethod
    def from_frame(cls, curve, *, metrics=None, ax=None):
        """Plot the table of :func:`region_curve`.

        Parameters
        ----------
        curve : DataFrame
            The table, a row a threshold.
        metrics : str or list of str, default=None
            Figures of the left panel, some of "hit_rate", "precision", "pointing_game" and "iou"; default:
            all.
        ax : array of matplotlib Axes, default=None
            Where to draw, two Axes; default: a new figure.

        Returns
        -------
        RegionCurveDisplay
            With ``axes_`` and ``figure_``.

        Examples
        --------
        See the class.
        """
        return cls(curve).plot(metrics=metrics, ax=ax)

    @classmethod
    def from_predictions(cls, attributions, truth, thresholds=None, *, metrics=None, ax=None, **options):
        """Compute the curve of attribution maps and plot it.

        Parameters
        ----------
        attributions : list of array-like of shape (height, width) or (height, width, channels)
            A map an image.
        truth : list of array-like
            The lesions of each image: masks or boxes.
        thresholds : array-like of float, default=None
            Numbers in [0, 1]; default: 0.1, 0.2, ..., 0.9.
        metrics : str or list of str, default=None
            Figures of the left panel; default: all.
        ax : array of matplotlib Axes, default=None
            Where to draw, two Axes; default: a new figure.
        **options : dict
            Further arguments of :func:`region_curve`.

        Returns
        -------
        RegionCurveDisplay
            With ``curve``, ``axes_`` and ``figure_``.

        Examples
        --------
        See the class.
        """
        return cls(region_curve(attributions, truth, thresholds, **options)).plot(metrics=metrics, ax=ax)

    def plot(self, *, metrics=None, ax=None):
        """Draw the curves.

        Parameters
        ----------
        metrics : str or list of str, default=None
            Figures of the left panel; default: all.
        ax : array of matplotlib Axes, default=None
            Where to draw, two Axes; default: a new figure.

        Returns
        -------
        RegionCurveDisplay
            Itself.

        Raises
        ------
        ValueError
            If the table is not that of :func:`region_curve`, or a figure is unknown.

        Examples
        --------
        See the class.
        """
        names = list(_LABELS) if metrics is None else [metrics] if isinstance(metrics, str) else list(metrics)
        if not names or not set(names) <= set(_LABELS):
            raise ValueError(f"metrics must be some of {list(_LABELS)}. Got {metrics!r} instead.")
        curve = self.curve
        wanted = [*_NEEDED, *names]
        if not isinstance(curve, pd.DataFrame) or not set(wanted) <= set(curve.columns):
            raise ValueError(
                f"curve must be the table of region_curve, a row a threshold, with the columns {wanted}."
            )
        curve = curve.sort_values("threshold")
        self.axes_ = new_axes(ax, 2, type(self).__name__, size=(9.6, 4.0))
        self.figure_ = self.axes_[0].figure
        left, right = self.axes_
        for name, color, marker in zip(_LABELS, COLORS, MARKERS, strict=False):
            if name in names:
                left.plot(
                    curve["threshold"], curve[name], color=color, marker=marker, markersize=5,
                    label=_LABELS[name],
                )  # fmt: skip
        left.set_xlabel("threshold")
        left.set_ylabel("value, 1 is best")
        left.set_xlim(-0.02, 1.02)
        left.set_ylim(-0.03, 1.03)
        tidy(left, grid="both")
        legend_above(left, columns=4)
        _draw_trade_off(right, curve)
        return self


def _draw_trade_off(ax, curve):
    """Lesions hit against false regions, with thresholds at the points that lie apart."""
    ax.plot(curve["false_regions"], curve["hit_rate"], color=COLORS[0], marker="o", markersize=5)
    most = curve["false_regions"].max()
    if most > _MANY:
        ax.set_xscale("symlog", linthresh=1, linscale=0.7)
        ax.set_xlim(-0.08, 1.6 * most)
        ticks = [digit * 10**power for power in range(7) for digit in (1, 2, 5)]
        ax.set_xticks([0, *[tick for tick in ticks if tick <= 1.6 * most]])
        ax.set_xticks([], minor=True)
        ax.xaxis.set_major_formatter("{x:g}")
    else:
        ax.set_xlim(-0.04 * max(most, 0.5), 1.12 * max(most, 0.5))
    ax.set_ylim(-0.03, 1.08)
    points = curve[["threshold", "false_regions", "hit_rate"]].dropna().to_numpy()
    places = (ax.transData + ax.transAxes.inverted()).transform(points[:, 1:])
    runs = []  # neighbours at one place have one label
    for number, place in enumerate(places):
        if runs and np.abs(place - places[runs[-1][0]]).max() < _SAME:
            runs[-1].append(number)
        else:
            runs.append([number])
    labelled = []
    for run in sorted(runs, key=len, reverse=True):
        if any(np.abs(places[run[0]] - places[other]).max() < _APART for other in labelled):
            continue
        labelled.append(run[0])
        ends = " to ".join(f"{points[number, 0]:g}" for number in dict.fromkeys((run[0], run[-1])))
        ax.annotate(
            ends, points[run[0], 1:], xytext=(5, -4), textcoords="offset points", va="top", fontsize="small",
            color="#444444",
        )  # fmt: skip
    ax.set_xlabel("false regions per image (numbers: threshold)")
    ax.set_ylabel(_LABELS["hit_rate"])
    tidy(ax, grid="both")
