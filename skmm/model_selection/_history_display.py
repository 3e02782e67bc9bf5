"""Loss and metrics of nets by epoch, as a plot."""

import numbers
from collections.abc import Mapping

import numpy as np
import pandas as pd

from skmm.model_selection._plotting import COLORS, band_line, legend_above, metric_label, new_axes, tidy
from skmm.model_selection._table import check_metrics

_NOT_METRICS = {"epoch", "dur", "duration", "batches"}
_SIDES = {"train": "-", "valid": "--"}


def fitted_history(estimator):
    """Find the ``history_`` of a fitted estimator, a Pipeline that ends in one, or a search."""
    while not hasattr(estimator, "history_"):
        if hasattr(estimator, "steps"):
            estimator = estimator.steps[-1][1]
        elif hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif hasattr(estimator, "estimator_"):
            estimator = estimator.estimator_
        else:
            raise ValueError(
                f"{type(estimator).__name__} has no history_. Only fitted nets have one: fusion classifiers "
                "that train by epochs, alone, in a Pipeline or in a search."
            )
    return estimator.history_


def _is_score(name, value):
    """Whether an entry of an epoch is a loss or a metric, not a note of the training loop."""
    is_note = name in _NOT_METRICS or name.startswith("event_") or name.endswith(("_best", "_batch_count"))
    return not is_note and isinstance(value, numbers.Real) and not isinstance(value, (bool, np.bool_))


def history_frame(histories):
    """Tidy table of histories {model: [one a fit, ...]}, one row a value."""
    rows = []
    for model, fits in histories.items():
        for fit, history in enumerate(fits):
            epochs = history.to_dict("records") if isinstance(history, pd.DataFrame) else list(history)
            for number, epoch in enumerate(epochs, start=1):
                for name, value in epoch.items():
                    if _is_score(name, value):
                        side, _, metric = name.partition("_")
                        if side not in _SIDES:
                            side, metric = "", name
                        labels = {"model": model, "fit": fit, "epoch": epoch.get("epoch", number)}
                        rows.append({**labels, "side": side, "metric": metric, "value": float(value)})
    columns = ["model", "fit", "epoch", "side", "metric", "value"]
    return pd.DataFrame(rows, columns=columns)


def _as_fits(value):
    """Fitted estimators: of one, of several, or of what cross_validate returns."""
    if isinstance(value, Mapping):
        if "estimator" not in value:
            raise ValueError(
                "The result of cross_validate has no estimators. Call it with return_estimator=True."
            )
        value = value["estimator"]
    if hasattr(value, "fit"):
        return [value]
    fits = list(value)
    if not fits:
        raise ValueError("Expected at least one fitted estimator. Got none instead.")
    return fits


class TrainingHistoryDisplay:
    """Loss and metrics by epoch: training solid, validation dashed, mean and standard deviation over fits.

    Fits may differ in their number of epochs (early stopping): the mean goes over those that reached the
    epoch.

    Use :meth:`from_estimator` or :meth:`from_estimators` to make one.

    Parameters
    ----------
    history : DataFrame
        Tidy: model, fit (number), epoch (from 1), side ("train", "valid" or ""), metric, value.

    Attributes
    ----------
    axes_ : list of matplotlib Axes
        One a metric.
    figure_ : matplotlib Figure
        What holds them.

    Examples
    --------
    >>> import pandas as pd
    >>> from skmm.model_selection import TrainingHistoryDisplay
    >>> history = pd.DataFrame({
    ...     "model": "net", "fit": [0, 0, 1, 1], "epoch": [1, 2, 1, 2], "side": "train", "metric": "loss",
    ...     "value": [1.0, 0.5, 0.8, 0.3],
    ... })
    >>> display = TrainingHistoryDisplay(history).plot()
    >>> display.axes_[0].lines[0].get_ydata().round(2)
    array([0.9, 0.4])
    """

    def __init__(self, history):
        self.history = history

    @classmethod
    def from_estimator(cls, estimator, *, name=None, metrics=None, ax=None):
        """Plot the training of one fitted estimator.

        Parameters
        ----------
        estimator : estimator
            A fitted net, a Pipeline that ends in one, or a search.
        name : str, default=None
            Name in the legend; default: that of its class.
        metrics : str or list of str, default=None
            One panel each, such as "loss" or "acc"; default: all in the history.
        ax : matplotlib Axes or array of them, default=None
            Where to draw, one Axes a metric; default: a new figure.

        Returns
        -------
        TrainingHistoryDisplay
            With ``history``, ``axes_`` and ``figure_``.

        Examples
        --------
        See the class.
        """
        return cls.from_estimators({name or type(estimator).__name__: estimator}, metrics=metrics, ax=ax)

    @classmethod
    def from_estimators(cls, estimators, *, metrics=None, ax=None):
        """Plot the training of several models, each fitted once or on several folds.

        Parameters
        ----------
        estimators : dict of str -> estimator, list of estimators, or dict
            By name: a fitted estimator; a list of them, one a fold, as :func:`compare_estimators` returns
            with ``return_estimators=True``; or the result of ``cross_validate(..., return_estimator=True)``.
            Such a result (or a list) alone is taken as one model.
        metrics : str or list of str, default=None
            One panel each, such as "loss" or "acc"; default: all in the histories.
        ax : matplotlib Axes or array of them, default=None
            Where to draw, one Axes a metric; default: a new figure.

        Returns
        -------
        TrainingHistoryDisplay
            With ``history``, ``axes_`` and ``figure_``.

        Examples
        --------
        See the class.
        """
        is_result = isinstance(estimators, Mapping) and {"fit_time", "score_time"} <= set(estimators)
        if is_result or not isinstance(estimators, Mapping):
            fits = _as_fits(estimators)
            estimators = {type(getattr(fits[0], "steps", [(None, fits[0])])[-1][1]).__name__: fits}
        histories = {
            name: [fitted_history(fit) for fit in _as_fits(value)] for name, value in estimators.items()
        }
        return cls(history_frame(histories)).plot(metrics=metrics, ax=ax)

    def plot(self, *, metrics=None, ax=None):
        """Draw the histories.

        Parameters
        ----------
        metrics : str or list of str, default=None
            One panel each, such as "loss" or "acc"; default: all in the history.
        ax : matplotlib Axes or array of them, default=None
            Where to draw, one Axes a metric; default: a new figure.

        Returns
        -------
        TrainingHistoryDisplay
            Itself.

        Raises
        ------
        ValueError
            If a metric is not in the history.

        Examples
        --------
        See the class.
        """
        metrics = check_metrics(self.history, metrics)
        self.axes_ = new_axes(
            ax, len(metrics), "TrainingHistoryDisplay", size=(1.0 + 4.4 * len(metrics), 3.6)
        )
        self.figure_ = self.axes_[0].figure
        colors = {model: COLORS[i % len(COLORS)] for i, model in enumerate(pd.unique(self.history["model"]))}
        for axes, metric in zip(self.axes_, metrics, strict=True):
            own = self.history[self.history["metric"] == metric]
            for (model, side), part in own.groupby(["model", "side"], sort=False):
                by_epoch = part.groupby("epoch")["value"]
                words = {"train": "training", "valid": "validation"}.get(side)
                band_line(
                    axes, by_epoch.mean().index, by_epoch.mean(), by_epoch.std(ddof=1), color=colors[model],
                    linestyle=_SIDES.get(side, "-"), label=f"{model}, {words}" if words else model,
                )  # fmt: skip
            axes.set_xlabel("epoch")
            axes.set_ylabel({"acc": "accuracy"}.get(metric, metric_label(metric)))
            axes.xaxis.get_major_locator().set_params(integer=True)
            tidy(axes, grid="both")
        n = self.history.groupby("model")["fit"].nunique().max()
        legend_above(self.axes_[0], columns=2, title=f"mean ± std of {n} fits" if n > 1 else None)
        return self
