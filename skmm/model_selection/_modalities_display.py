"""Scores by subset of modalities, as a plot."""

from skmm.model_selection._modalities import compare_modalities
from skmm.model_selection._plotting import (
    COLORS,
    MARKERS,
    REFERENCE,
    dot_rows,
    legend_above,
    new_axes,
    rows_size,
    score_label,
)
from skmm.model_selection._table import metrics_to_plot


class ModalitySubsetsDisplay:
    """Scores of one estimator on subsets of the modalities, the fewest modalities first.

    Use :meth:`from_frame` or :meth:`from_estimator` to make one.

    Parameters
    ----------
    scores : DataFrame
        Tidy scores, as :func:`compare_modalities` returns them.

    Attributes
    ----------
    axes_ : list of matplotlib Axes
        One a metric.
    figure_ : matplotlib Figure
        What holds them.

    Examples
    --------
    >>> import pandas as pd
    >>> from skmm.model_selection import ModalitySubsetsDisplay
    >>> scores = pd.DataFrame({
    ...     "subset": ["rna", "rna", "rna + mri", "rna + mri"], "n_modalities": [1, 1, 2, 2], "seed": 0,
    ...     "fold": [0, 1, 0, 1], "metric": "accuracy", "value": [0.6, 0.7, 0.8, 0.9],
    ... })
    >>> display = ModalitySubsetsDisplay.from_frame(scores)
    >>> [label.get_text() for label in display.axes_[0].get_yticklabels()]
    ['rna', 'rna + mri']
    """

    def __init__(self, scores):
        self.scores = scores

    @classmethod
    def from_frame(cls, scores, *, metrics=None, ax=None):
        """Plot the scores of :func:`compare_modalities`.

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
        ModalitySubsetsDisplay
            With ``axes_`` and ``figure_``.

        Examples
        --------
        See the class.
        """
        return cls(scores).plot(metrics=metrics, ax=ax)

    @classmethod
    def from_estimator(cls, estimator, X, y, *, metrics=None, ax=None, **options):
        """Compare subsets of the modalities and plot the scores.

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
            Further arguments of :func:`compare_modalities`.

        Returns
        -------
        ModalitySubsetsDisplay
            With ``scores``, ``axes_`` and ``figure_``.

        Examples
        --------
        See the class.
        """
        return cls(compare_modalities(estimator, X, y, **options)).plot(metrics=metrics, ax=ax)

    def plot(self, *, metrics=None, ax=None):
        """Draw the scores.

        Parameters
        ----------
        metrics : str or list of str, default=None
            One panel each; default: the first metric.
        ax : matplotlib Axes or array of them, default=None
            Where to draw, one Axes a metric; default: a new figure.

        Returns
        -------
        ModalitySubsetsDisplay
            Itself.

        Examples
        --------
        See the class.
        """
        metrics = metrics_to_plot(
            self.scores, ("subset", "n_modalities", "seed", "fold", "metric", "value"), metrics
        )
        rows = self.scores.drop_duplicates("subset").sort_values("n_modalities", kind="stable")
        sizes, full = rows["n_modalities"].to_numpy(), rows["n_modalities"].max()
        size = rows_size(rows["subset"], len(metrics), 0.4)
        self.axes_ = new_axes(ax, len(metrics), "ModalitySubsetsDisplay", size=size, sharey=True)
        self.figure_ = self.axes_[0].figure
        for axes, metric in zip(self.axes_, metrics, strict=True):
            own = self.scores[self.scores["metric"] == metric]
            values = {name: part["value"].to_numpy() for name, part in own.groupby("subset", sort=False)}
            styles = [((n - 1) % len(COLORS), (n - 1) % len(MARKERS)) for n in sizes]
            dots = [
                (values[name], COLORS[color], MARKERS[marker])
                for name, (color, marker) in zip(rows["subset"], styles, strict=True)
            ]
            dot_rows(axes, dots, labels=list(rows["subset"]))
            if (sizes == full).sum() == 1 and len(sizes) > 1:
                axes.axvline(
                    values[rows["subset"].iloc[-1]].mean(), label=f"all {full} modalities", **REFERENCE
                )
            for border in range(1, len(sizes)):
                if sizes[border] != sizes[border - 1]:
                    axes.axhline(border - 0.5, color="#BBBBBB", linewidth=0.8)
            axes.set_xlabel(score_label(metric, own))
        legend_above(self.axes_[0], columns=2)
        return self
