"""Scores against the share of missing modalities, as a plot."""

from skmm.model_selection._missing_curve import OVERALL, missing_modality_curve
from skmm.model_selection._plotting import (
    COLORS,
    MARKERS,
    band_line,
    legend_above,
    metric_label,
    new_axes,
    repeats,
    tidy,
)
from skmm.model_selection._table import metrics_to_plot


class MissingModalityDisplay:
    """Scores against the share of samples that lack a modality: mean and standard deviation over folds.

    Use :meth:`from_frame` or :meth:`from_estimator` to make one.

    Parameters
    ----------
    scores : DataFrame
        Tidy scores, as :func:`missing_modality_curve` returns them.

    Attributes
    ----------
    axes_ : list of matplotlib Axes
        One a metric.
    figure_ : matplotlib Figure
        What holds them.

    Examples
    --------
    >>> import pandas as pd
    >>> from skmm.model_selection import MissingModalityDisplay
    >>> scores = pd.DataFrame({
    ...     "modality": "rna", "rate": [0.0, 0.0, 0.5, 0.5], "share_missing": [0.0, 0.0, 0.5, 0.5], "seed": 0,
    ...     "fold": [0, 1, 0, 1], "metric": "accuracy", "value": [0.8, 0.9, 0.6, 0.7],
    ... })
    >>> display = MissingModalityDisplay.from_frame(scores)
    >>> display.axes_[0].lines[0].get_ydata().round(2)
    array([0.85, 0.65])
    """

    def __init__(self, scores):
        self.scores = scores

    @classmethod
    def from_frame(cls, scores, *, metrics=None, ax=None):
        """Plot the scores of :func:`missing_modality_curve`.

        Parameters
        ----------
        scores : DataFrame
            The tidy table.
        metrics : str or list of str, default=None
            One panel each; default: the first metric.
        ax : matplotlib Axes or array of them, default=None
            Where to draw, one Axes a metric; default: a new figure.

        Returns
        -------
        MissingModalityDisplay
            With ``axes_`` and ``figure_``.

        Examples
        --------
        See the class.
        """
        return cls(scores).plot(metrics=metrics, ax=ax)

    @classmethod
    def from_estimator(cls, estimator, X, y, *, metrics=None, ax=None, **options):
        """Compute the curve of an estimator and plot it.

        Parameters
        ----------
        estimator : estimator
            A classifier, possibly a Pipeline.
        X : mapping of str -> array, or ModalityDict
            Samples with at least two modalities.
        y : array-like of shape (n_samples,)
            Class labels.
        metrics : str or list of str, default=None
            One panel each; default: the first metric.
        ax : matplotlib Axes or array of them, default=None
            Where to draw, one Axes a metric; default: a new figure.
        **options : dict
            Further arguments of :func:`missing_modality_curve`.

        Returns
        -------
        MissingModalityDisplay
            With ``scores``, ``axes_`` and ``figure_``.

        Examples
        --------
        See the class.
        """
        return cls(missing_modality_curve(estimator, X, y, **options)).plot(metrics=metrics, ax=ax)

    def plot(self, *, metrics=None, ax=None):
        """Draw the curves.

        Parameters
        ----------
        metrics : str or list of str, default=None
            One panel each; default: the first metric.
        ax : matplotlib Axes or array of them, default=None
            Where to draw, one Axes a metric; default: a new figure.

        Returns
        -------
        MissingModalityDisplay
            Itself.

        Examples
        --------
        See the class.
        """
        metrics = metrics_to_plot(
            self.scores, ("modality", "rate", "share_missing", "seed", "fold", "metric", "value"), metrics
        )
        self.axes_ = new_axes(
            ax, len(metrics), "MissingModalityDisplay", size=(1.5 + 4.2 * len(metrics), 3.8)
        )
        self.figure_ = self.axes_[0].figure
        for axes, metric in zip(self.axes_, metrics, strict=True):
            own = self.scores[self.scores["metric"] == metric]
            for number, (modality, part) in enumerate(own.groupby("modality", sort=False)):
                overall = modality == OVERALL
                by_rate = part.groupby("rate")
                x, y = by_rate["share_missing"].mean(), by_rate["value"].mean()
                band_line(
                    axes, 100 * x, y, by_rate["value"].std(ddof=1),
                    color="black" if overall else COLORS[number % len(COLORS)],
                    marker="s" if overall else MARKERS[number % len(MARKERS)],
                    linestyle="--" if overall else "-", label="all modalities alike" if overall else modality,
                )  # fmt: skip
            axes.set_xlabel("entries missing in the test samples (%)")
            axes.set_ylabel(metric_label(metric))
            axes.set_xlim(-2, 102)
            tidy(axes, grid="both")
        title = ", ".join(part for part in ("missing modality", repeats(own)) if part)
        legend_above(self.axes_[0], columns=4, title=title)
        return self
