"""Scores of estimators side by side, as a plot."""

from skmm.model_selection._compare import compare_estimators
from skmm.model_selection._plotting import (
    COLORS,
    GREY,
    REFERENCE,
    dot_rows,
    legend_above,
    new_axes,
    rows_size,
    score_label,
)
from skmm.model_selection._table import average_targets, metrics_to_plot


class ComparisonDisplay:
    """Scores of several estimators: a point a fold and seed, mean and standard deviation, baselines in grey.

    Where there are scores of folds and of an official test set, the latter (mean over seeds) are crosses.
    Several targets are averaged.

    Use :meth:`from_frame` or :meth:`from_estimators` to make one.

    Parameters
    ----------
    scores : DataFrame
        Tidy scores, as :func:`compare_estimators` returns them.

    Attributes
    ----------
    axes_ : list of matplotlib Axes
        One a metric.
    figure_ : matplotlib Figure
        What holds them.

    Examples
    --------
    >>> import pandas as pd
    >>> from skmm.model_selection import ComparisonDisplay
    >>> scores = pd.DataFrame({
    ...     "estimator": ["majority", "majority", "fusion", "fusion"], "seed": 0, "fold": [0, 1, 0, 1],
    ...     "strategy": ["none", "none", "late", "late"], "baseline": [True, True, False, False],
    ...     "metric": "accuracy", "value": [0.5, 0.5, 0.8, 0.9],
    ... })
    >>> display = ComparisonDisplay.from_frame(scores)
    >>> [label.get_text() for label in display.axes_[0].get_yticklabels()]
    ['majority', 'fusion (late)']
    """

    def __init__(self, scores):
        self.scores = scores

    @classmethod
    def from_frame(cls, scores, *, metrics=None, ax=None):
        """Plot the scores of a comparison.

        Parameters
        ----------
        scores : DataFrame
            From :func:`compare_estimators`.
        metrics : str or list of str, default=None
            One panel each; default: the first metric.
        ax : matplotlib Axes or array of them, default=None
            Where to draw, one Axes a metric; default: a new figure.

        Returns
        -------
        ComparisonDisplay
            With ``axes_`` and ``figure_``.

        Examples
        --------
        See the class.
        """
        return cls(scores).plot(metrics=metrics, ax=ax)

    @classmethod
    def from_estimators(cls, estimators, X, y, *, metrics=None, ax=None, **options):
        """Compare estimators and plot their scores.

        Parameters
        ----------
        estimators : dict of str -> estimator
            Classifiers by name.
        X : mapping of str -> array, ModalityDict, or array-like of shape (n_samples, n_features)
            Samples.
        y : array-like of shape (n_samples,)
            Class labels.
        metrics : str or list of str, default=None
            One panel each; default: the first metric.
        ax : matplotlib Axes or array of them, default=None
            Where to draw, one Axes a metric; default: a new figure.
        **options : dict
            Further arguments of :func:`compare_estimators`.

        Returns
        -------
        ComparisonDisplay
            With ``scores``, ``axes_`` and ``figure_``.

        Examples
        --------
        See the class.
        """
        return cls(compare_estimators(estimators, X, y, **options)).plot(metrics=metrics, ax=ax)

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
        ComparisonDisplay
            Itself.

        Examples
        --------
        See the class.
        """
        metrics = metrics_to_plot(
            self.scores, ("estimator", "strategy", "baseline", "seed", "fold", "metric", "value"), metrics
        )
        scores = average_targets(self.scores)
        rows = scores.drop_duplicates("estimator")
        labels = [
            name if strategy == "none" or baseline else f"{name} ({strategy})"
            for name, strategy, baseline in zip(
                rows["estimator"], rows["strategy"], rows["baseline"], strict=True
            )
        ]
        size = rows_size(labels, len(metrics), 0.45)
        self.axes_ = new_axes(ax, len(metrics), "ComparisonDisplay", size=size, sharey=True)
        self.figure_ = self.axes_[0].figure
        is_test = scores["fold"] == "test"
        both = is_test.any() and not is_test.all()
        for axes, metric in zip(self.axes_, metrics, strict=True):
            own = scores[scores["metric"] == metric]
            folds = own[own["fold"] != "test"] if both else own
            values = {name: part["value"].to_numpy() for name, part in folds.groupby("estimator", sort=False)}
            dots = [
                (values[name], *((GREY, "D") if baseline else (COLORS[0], "o")))
                for name, baseline in zip(rows["estimator"], rows["baseline"], strict=True)
            ]
            dot_rows(axes, dots, labels=labels)
            best = [values[name].mean() for name in rows.loc[rows["baseline"].astype(bool), "estimator"]]
            if best:
                axes.axvline(max(best), label="best baseline", **REFERENCE)
            if both:
                test = own[own["fold"] == "test"].groupby("estimator")["value"].mean()
                heights = range(len(rows))
                axes.scatter(
                    test[rows["estimator"]], heights, marker="x", color=COLORS[1], label="test set", zorder=3
                )
            axes.set_xlabel(score_label(metric, folds))
        legend_above(self.axes_[0], columns=2)
        return self
