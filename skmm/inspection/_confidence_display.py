"""Confidence in each modality against the truth, as a plot."""

import numpy as np
import pandas as pd

from skmm.inspection._models import seen_by_model
from skmm.inspection._panels import figure_of, panel_blocks, plain_title, say
from skmm.inspection._samples import chosen_modalities
from skmm.metrics import confidence_errors
from skmm.metrics._confidence import column, judged_samples
from skmm.model_selection._plotting import COLORS, GREY, REFERENCE, tidy

_COLUMNS = 3
_MANY = 400  # samples beyond which points hide one another


def reliability(c, p, correct=None, n_bins=None, strategy="quantile"):
    """What confidences are worth, bin after bin: their mean, that of the truth, and the share correct."""
    n_bins = n_bins or min(10, max(1, len(c) // 20))
    low, high = c.min(), c.max()
    edges = (
        np.quantile(c, np.linspace(0, 1, n_bins + 1))
        if strategy == "quantile"
        else np.linspace(min(low, 0.0), max(high, 1.0), n_bins + 1)
    )
    bins = np.searchsorted(np.unique(edges)[1:-1], c, side="right")
    frame = pd.DataFrame(
        {"confidence": c, "true_probability": p, "correct": np.nan if correct is None else correct}
    )
    grouped = frame.astype(float).groupby(bins)
    table = grouped.mean().reset_index(drop=True)
    table.insert(0, "n", grouped.size().to_numpy())
    return table


def true_class_probability(proba, classes, y):
    """Probability of each sample's true class (0 for one never seen), and whether it is the highest."""
    classes, y = np.asarray(classes), np.asarray(y)
    place = np.searchsorted(classes, y).clip(max=len(classes) - 1)
    known = classes[place] == y
    probability = np.where(known, proba[np.arange(len(y)), place], 0.0)
    return probability, known & (proba.argmax(axis=1) == place)


class ModalityConfidenceDisplay:
    """Confidence in each modality against the probability that the modality alone gives to the true class.

    A panel a modality: the samples (as grey cells of their density where they are many), and the reliability,
    bin after bin of the confidence: the mean true class probability, which the confidence estimates, and the
    share of samples that the modality alone predicts correctly. A perfect confidence lies on the diagonal.
    Each panel and each figure is of the samples that have the modality.

    Use :meth:`from_estimator` or :meth:`from_predictions` to make one.

    Parameters
    ----------
    confidence : DataFrame or dict of str -> array-like of shape (n_samples,)
        Confidence by modality; NaN where missing.
    true_probability : DataFrame or dict of str -> array-like of shape (n_samples,)
        Probability of the true class from the modality alone; NaN where missing.
    correct : DataFrame or dict of str -> array-like of bool of shape (n_samples,), default=None
        Whether the modality alone predicts the true class.
    present : ModalityDict, DataFrame or dict of str -> array of bool of shape (n_samples,), default=None
        Which samples have a modality. None: all that are not NaN.

    Attributes
    ----------
    errors_ : DataFrame
        Errors by modality, see :func:`skmm.metrics.confidence_errors`.
    reliability_ : dict of str -> DataFrame
        By modality, a row a bin: "n", and the means of "confidence", "true_probability" and "correct".
    axes_ : list of matplotlib Axes
        One a modality.
    figure_ : matplotlib Figure
        What holds them.

    Examples
    --------
    >>> from skmm.inspection import ModalityConfidenceDisplay
    >>> display = ModalityConfidenceDisplay.from_predictions(
    ...     {"rna": [0.2, 0.4, 0.8, 1.0]}, {"rna": [0.1, 0.5, 0.8, 0.8]}, n_bins=2
    ... )
    >>> display.reliability_["rna"][["n", "confidence", "true_probability"]]
       n  confidence  true_probability
    0  2         0.3               0.3
    1  2         0.9               0.8
    """

    def __init__(self, confidence, true_probability, *, correct=None, present=None):
        self.confidence = confidence
        self.true_probability = true_probability
        self.correct = correct
        self.present = present

    @classmethod
    def from_estimator(cls, estimator, X, y, *, ax=None, **options):
        """Compare the confidences of a fitted model with the truth.

        Use samples that the model was not fitted on: on its training samples it is right too often.

        Parameters
        ----------
        estimator : estimator
            Fitted, with the methods ``modality_confidence`` and ``modality_proba``, such as
            MMDynamicsClassifier and ImageMMDynamics; or a Pipeline or a search that ends in one.
        X : mapping of str -> array, ModalityDict, or array-like of shape (n_samples, n_features)
            Samples.
        y : array-like of shape (n_samples,)
            True labels.
        ax : matplotlib Axes or array of them, default=None
            Where to draw, one Axes a modality; default: a new figure.
        **options : dict
            Further arguments of :meth:`plot`.

        Returns
        -------
        ModalityConfidenceDisplay
            With ``confidence``, ``true_probability``, ``errors_``, ``axes_`` and ``figure_``.

        Raises
        ------
        ValueError
            If the estimator has no such methods, or y another length than X.

        Examples
        --------
        >>> from skmm.datasets import load_digits_views
        >>> from skmm.fusion import MMDynamicsClassifier
        >>> from skmm.inspection import ModalityConfidenceDisplay
        >>> X, y = load_digits_views(return_X_y=True)
        >>> X = X[["profile", "gradient"]]
        >>> model = MMDynamicsClassifier(16, max_epochs=10, random_state=0).fit(X[:400], y[:400])
        >>> display = ModalityConfidenceDisplay.from_estimator(model, X[400:], y[400:])
        >>> errors = display.errors_["rmse"]  # "gradient" tells less, and how much less is known
        >>> bool(errors.max() < 0.3)
        True
        """
        seen = seen_by_model(estimator, X, ["modality_confidence", "modality_proba"], cls.__name__)
        if len(y) != len(seen.X):
            raise ValueError(f"y must have a label for each of {len(seen.X)} samples. Got {len(y)}.")
        confidence = seen.model.modality_confidence(seen.X)
        both = {
            name: true_class_probability(proba, seen.model.classes_, y)
            for name, proba in seen.model.modality_proba(seen.X).items()
        }
        present = {name: seen.X.is_present(name) if name in seen.X else np.zeros(len(y)) for name in both}
        return cls.from_predictions(
            confidence,
            {name: probability for name, (probability, _) in both.items()},
            correct={name: correct for name, (_, correct) in both.items()},
            present=present,
            ax=ax,
            **options,
        )

    @classmethod
    def from_predictions(
        cls, confidence, true_probability, *, correct=None, present=None, ax=None, **options
    ):
        """Compare confidences with true class probabilities.

        Parameters
        ----------
        confidence : DataFrame or dict of str -> array-like of shape (n_samples,)
            Confidence by modality; NaN where missing.
        true_probability : DataFrame or dict of str -> array-like of shape (n_samples,)
            Probability of the true class from the modality alone; NaN where missing.
        correct : DataFrame or dict of str -> array-like of bool of shape (n_samples,), default=None
            Whether the modality alone predicts the true class.
        present : ModalityDict, DataFrame or dict of str -> array of bool of shape (n_samples,), default=None
            Which samples have a modality; hand over X. None: all that are not NaN.
        ax : matplotlib Axes or array of them, default=None
            Where to draw, one Axes a modality; default: a new figure.
        **options : dict
            Further arguments of :meth:`plot`.

        Returns
        -------
        ModalityConfidenceDisplay
            With ``errors_``, ``axes_`` and ``figure_``.

        Examples
        --------
        See the class.
        """
        return cls(confidence, true_probability, correct=correct, present=present).plot(ax=ax, **options)

    def plot(self, *, modalities=None, n_bins=None, strategy="quantile", ax=None):
        """Draw the confidences.

        Parameters
        ----------
        modalities : str or list of str, default=None
            What to show; default: all.
        n_bins : int, default=None
            Number of bins of the reliability curve, at most; default: 10, or one for each 20 samples where
            they are fewer than 200.
        strategy : {"quantile", "uniform"}, default="quantile"
            Whether bins hold equally many samples, or are equally wide.
        ax : matplotlib Axes or array of them, default=None
            Where to draw, one Axes a modality; default: a new figure.

        Returns
        -------
        ModalityConfidenceDisplay
            Itself.

        Raises
        ------
        ValueError
            If modalities, lengths or options do not fit.

        Examples
        --------
        See the class.
        """
        if n_bins is not None and (not isinstance(n_bins, (int, np.integer)) or n_bins < 1):
            raise ValueError(f"n_bins must be an int of at least 1. Got {n_bins!r}.")
        if strategy not in {"quantile", "uniform"}:
            raise ValueError(f'strategy must be "quantile" or "uniform". Got {strategy!r}.')
        judged = judged_samples(self.confidence, self.true_probability, self.present)
        names = chosen_modalities(modalities, judged)
        self.errors_ = confidence_errors(self.confidence, self.true_probability, present=self.present).loc[
            names
        ]
        columns = 2 if len(names) == 4 else min(len(names), _COLUMNS)
        height = 3.7 * -(-len(names) // columns) + 0.5
        blocks = [([len(names)], columns, 3.5 * columns + 0.3, height)]
        self.axes_ = panel_blocks(ax, blocks, type(self).__name__)[0]
        self.figure_ = figure_of(self.axes_[0])
        self.reliability_ = {}
        for name, panel in zip(names, self.axes_, strict=True):
            c, p, mask = judged[name]
            if not mask.any():
                plain_title(panel, name)
                say(panel, "no sample has it")
                self.reliability_[name] = pd.DataFrame(
                    columns=["n", "confidence", "true_probability", "correct"], dtype=float
                )
                continue
            correct = None if self.correct is None else column(self.correct, name, "correct", len(c))[mask]
            self.reliability_[name] = reliability(c[mask], p[mask], correct, n_bins, strategy)
            _draw(panel, c[mask], p[mask], self.reliability_[name], with_share=correct is not None)
            figures = self.errors_.loc[name]
            plain_title(panel, name, below=_caption(figures))
        drawn = [panel for panel, name in zip(self.axes_, names, strict=True) if len(self.reliability_[name])]
        if drawn:
            _legend(drawn[0], self.figure_ if ax is None else None)
        return self


def _caption(figures):
    """The figures that stand above a panel."""
    r2 = "" if np.isnan(figures["r2"]) else f", R² {figures['r2']:.2f}"
    samples = f"{figures['n']:.0f} sample{'s' if figures['n'] > 1 else ''}"
    return f"{samples}, RMSE {figures['rmse']:.2f}, MAE {figures['mae']:.2f}{r2}"


def _legend(panel, figure):
    """One legend for all panels: below a figure of our own, in the first of the caller's Axes."""
    if figure is None:
        panel.legend(fontsize="x-small", loc="lower right")
        return
    handles, labels = panel.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=1, frameon=False, fontsize="small")


def _draw(ax, c, p, table, *, with_share):
    """Samples of one modality, the diagonal and the reliability."""
    low, high = min(0.0, c.min()), max(1.0, c.max())
    pad = 0.03 * (high - low)
    if len(c) > _MANY:
        cells = ax.hexbin(
            c, p, gridsize=25, extent=(low, high, 0, 1), mincnt=1, bins="log", cmap="Greys", linewidths=0.1
        )
        cells.set_clim(0.5, 20 * cells.get_array().max())  # never so dark that the curves are lost
        ax.scatter([], [], marker="h", s=40, color="#A0A0A0", label="samples, darker where there are more")
    else:
        ax.scatter(c, p, s=12, color=GREY, alpha=0.35, linewidths=0, label="sample")
    ax.plot([0, 1], [0, 1], label="confidence = truth", **REFERENCE)
    ax.plot(
        table["confidence"], table["true_probability"], color=COLORS[0], marker="o", markeredgecolor="white",
        label="mean true class probability", zorder=3,
    )  # fmt: skip
    if with_share:
        ax.plot(
            table["confidence"], table["correct"], color=COLORS[1], marker="s", linestyle="--",
            markeredgecolor="white", label="share that the modality predicts correctly", zorder=3,
        )  # fmt: skip
    ax.set_xlim(low - pad, high + pad)
    ax.set_ylim(-0.03, 1.03)
    ax.set_xlabel("confidence")
    ax.set_ylabel("true class probability")
    tidy(ax, grid="both")
