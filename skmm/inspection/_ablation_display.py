"""What the parts of a model are worth, as a plot."""

import textwrap

import pandas as pd
from sklearn.base import clone

from skmm.model_selection import compare_estimators
from skmm.model_selection._plotting import (
    COLORS,
    GREY,
    REFERENCE,
    dot_rows,
    legend_above,
    mean_and_std,
    new_axes,
    rows_size,
    score_label,
)
from skmm.model_selection._table import check_scores, metrics_to_plot

_PARTS = ("feature_gate", "confidence_weighting")


def paired_differences(scores, full):
    """Scores minus those of the full model on the same fold with the same seed; tidy."""
    keys = ["seed", "fold", "metric"]
    reference = scores.loc[scores["estimator"] == full, [*keys, "value"]]
    others = scores[scores["estimator"] != full]
    pairs = others.merge(reference, on=keys, suffixes=("", "_full"))
    counts = pairs.groupby("estimator").size()
    is_odd = len(pairs) != len(others) or (counts != len(reference)).any()
    if is_odd or scores.duplicated(["estimator", *keys]).any():
        raise ValueError(
            f"Every model must have one score of each seed, fold and metric that {full!r} has. Score all of "
            "them in one call of compare_estimators."
        )
    return pairs.assign(difference=pairs["value"] - pairs["value_full"])[["estimator", *keys, "difference"]]


def as_ablation(scores):
    """Scores of models without baselines, from a comparison of models or of subsets of the modalities."""
    if isinstance(scores, pd.DataFrame) and "subset" in scores and "estimator" not in scores:
        order = scores.sort_values("n_modalities", ascending=False, kind="stable")
        scores = order.rename(columns={"subset": "estimator"})
    check_scores(scores, ("estimator", "seed", "fold", "metric", "value"))
    if "baseline" in scores:
        scores = scores[~scores["baseline"].astype(bool)]
    is_test = scores["fold"] == "test"
    return scores[~is_test] if is_test.any() and not is_test.all() else scores


def variants_of(estimator, variants):
    """Clones of an estimator by name, each with its own parameters."""
    if variants is None:
        names = estimator.get_params()
        prefixes = [name.removesuffix(_PARTS[0]) for name in names if name.endswith(_PARTS[0])]
        prefixes = [prefix for prefix in prefixes if prefix + _PARTS[1] in names]
        if not prefixes:
            raise ValueError(
                f"{type(estimator).__name__} has no parameters {_PARTS[0]!r} and {_PARTS[1]!r}, which the "
                "default variants set. Give variants, a dict {name: {parameter: value}}."
            )
        no_gate, no_weighting = {prefixes[0] + _PARTS[0]: None}, {prefixes[0] + _PARTS[1]: False}
        variants = {
            "full": {},
            "feature informativeness only": no_weighting,
            "modality informativeness only": no_gate,
            "neither": {**no_gate, **no_weighting},
        }
    return {name: clone(estimator).set_params(**params) for name, params in variants.items()}


class AblationDisplay:
    """What the parts of a model are worth: scores without them, and differences to the full model.

    Two panels a metric. Left: a point a fold and seed, mean and standard deviation. Right: the differences to
    the full model on the same fold with the same seed, which do not hold what makes one fold harder than
    another; in words, their mean and standard deviation, and in how many of them the model without the part
    is better.

    Scores of baselines are left out, and those of an official test set where there are folds, too. To see
    them use :class:`skmm.model_selection.ComparisonDisplay`.

    Use :meth:`from_frame`, :meth:`from_estimators` or :meth:`from_estimator` to make one.

    Parameters
    ----------
    scores : DataFrame
        Tidy scores, as :func:`skmm.model_selection.compare_estimators` or
        :func:`skmm.model_selection.compare_modalities` returns them.

    Attributes
    ----------
    differences_ : DataFrame
        Tidy: "estimator", "seed", "fold", "metric", and "difference", the score minus that of the full model.
    full_ : str
        Name of the full model.
    axes_ : list of matplotlib Axes
        Scores and differences of one metric after the other.
    figure_ : matplotlib Figure
        What holds them.

    Examples
    --------
    >>> import pandas as pd
    >>> from skmm.inspection import AblationDisplay
    >>> scores = pd.DataFrame({
    ...     "estimator": ["full", "full", "no gates", "no gates"], "seed": 0, "fold": [0, 1, 0, 1],
    ...     "metric": "accuracy", "value": [0.5, 0.75, 0.25, 0.75],
    ... })
    >>> display = AblationDisplay.from_frame(scores)
    >>> display.differences_["difference"].to_list()
    [-0.25, 0.0]
    """

    def __init__(self, scores):
        self.scores = scores

    @classmethod
    def from_frame(cls, scores, *, full=None, metrics=None, ax=None):
        """Plot the scores of a comparison.

        Parameters
        ----------
        scores : DataFrame
            From ``compare_estimators`` or ``compare_modalities``.
        full : str, default=None
            Name of the full model; default: the first one, or the largest subset of the modalities.
        metrics : str or list of str, default=None
            Two panels each; default: the first metric.
        ax : array of matplotlib Axes, default=None
            Where to draw, two Axes a metric; default: a new figure.

        Returns
        -------
        AblationDisplay
            With ``differences_``, ``axes_`` and ``figure_``.

        Examples
        --------
        See the class.
        """
        return cls(scores).plot(full=full, metrics=metrics, ax=ax)

    @classmethod
    def from_estimators(cls, estimators, X, y, *, full=None, metrics=None, ax=None, **options):
        """Compare models with and without their parts, and plot the scores.

        Parameters
        ----------
        estimators : dict of str -> estimator
            Classifiers by name.
        X : mapping of str -> array, ModalityDict, or array-like of shape (n_samples, n_features)
            Samples.
        y : array-like of shape (n_samples,)
            Class labels.
        full : str, default=None
            Name of the full model; default: the first one.
        metrics : str or list of str, default=None
            Two panels each; default: the first metric.
        ax : array of matplotlib Axes, default=None
            Where to draw, two Axes a metric; default: a new figure.
        **options : dict
            Further arguments of :func:`skmm.model_selection.compare_estimators`.

        Returns
        -------
        AblationDisplay
            With ``scores``, ``differences_``, ``axes_`` and ``figure_``.

        Examples
        --------
        See :meth:`from_estimator`.
        """
        scores = compare_estimators(estimators, X, y, **{"baselines": (), **options})
        return cls(getattr(scores, "scores", scores)).plot(full=full, metrics=metrics, ax=ax)

    @classmethod
    def from_estimator(cls, estimator, X, y, *, variants=None, metrics=None, ax=None, **options):
        """Compare a model with variants of it, each with some parameters set otherwise, and plot the scores.

        Parameters
        ----------
        estimator : estimator
            A classifier, possibly a Pipeline.
        X : mapping of str -> array, ModalityDict, or array-like of shape (n_samples, n_features)
            Samples.
        y : array-like of shape (n_samples,)
            Class labels.
        variants : dict of str -> dict, default=None
            Parameters of each variant, as ``set_params`` takes them; the full model first. Default: the four
            models of MM dynamics with and without gates of features and weighting of modalities.
        metrics : str or list of str, default=None
            Two panels each; default: the first metric.
        ax : array of matplotlib Axes, default=None
            Where to draw, two Axes a metric; default: a new figure.
        **options : dict
            Further arguments of :func:`skmm.model_selection.compare_estimators`.

        Returns
        -------
        AblationDisplay
            With ``scores``, ``differences_``, ``axes_`` and ``figure_``.

        Examples
        --------
        >>> from skmm.datasets import load_digits_views
        >>> from skmm.fusion import MMDynamicsClassifier
        >>> from skmm.inspection import AblationDisplay
        >>> X, y = load_digits_views(return_X_y=True)
        >>> X, y = X[["profile", "gradient"]][:200], y[:200]
        >>> model = MMDynamicsClassifier(16, max_epochs=5, random_state=0)
        >>> display = AblationDisplay.from_estimator(model, X, y, cv=2, scoring="accuracy")
        >>> list(display.differences_["estimator"].unique())
        ['feature informativeness only', 'modality informativeness only', 'neither']
        """
        return cls.from_estimators(variants_of(estimator, variants), X, y, metrics=metrics, ax=ax, **options)

    def plot(self, *, full=None, metrics=None, ax=None):
        """Draw the scores and the differences.

        Parameters
        ----------
        full : str, default=None
            Name of the full model; default: the first one, or the largest subset of the modalities.
        metrics : str or list of str, default=None
            Two panels each; default: the first metric.
        ax : array of matplotlib Axes, default=None
            Where to draw, two Axes a metric; default: a new figure.

        Returns
        -------
        AblationDisplay
            Itself.

        Raises
        ------
        ValueError
            If there is no such model, or folds and seeds of the models differ.

        Examples
        --------
        See the class.
        """
        scores = as_ablation(self.scores)
        metrics = metrics_to_plot(scores, ("estimator", "seed", "fold", "metric", "value"), metrics)
        names = list(pd.unique(scores["estimator"]))
        self.full_ = names[0] if full is None else full
        if self.full_ not in names:
            raise ValueError(f"full must be one of {names}. Got {full!r}.")
        if len(names) == 1:
            raise ValueError(f"An ablation needs models beside the full one. Got {names} alone.")
        names = [self.full_, *(name for name in names if name != self.full_)]
        self.differences_ = paired_differences(scores, self.full_).reset_index(drop=True)
        labels = [_in_lines(name) for name in names]
        n_lines = max(label.count("\n") for label in labels) + 1
        width, height = rows_size(labels, 2 * len(metrics), max(0.5, 0.2 * n_lines))
        self.axes_ = new_axes(
            ax, 2 * len(metrics), type(self).__name__, size=(width + 2.0 * len(metrics), height), sharey=True
        )
        self.figure_ = self.axes_[0].figure
        for number, metric in enumerate(metrics):
            left, right = self.axes_[2 * number : 2 * number + 2]
            self._draw(left, right, scores[scores["metric"] == metric], metric, names, labels)
        return self

    def _draw(self, left, right, scores, metric, names, labels):
        """Scores at the left, differences at the right."""
        own = self.differences_[self.differences_["metric"] == metric]
        rows, differences = [], []
        for name in names:
            style = (GREY, "D") if name == self.full_ else (COLORS[0], "o")
            rows.append((scores.loc[scores["estimator"] == name, "value"].to_numpy(), *style))
            differences.append((own.loc[own["estimator"] == name, "difference"].to_numpy(), *style))
        dot_rows(left, rows, labels=labels)
        full = labels[0] if "\n" not in labels[0] else "the full model"
        left.axvline(mean_and_std(rows[0][0])[0], label=f"mean of {full}", **REFERENCE)
        left.set_xlabel(score_label(metric, scores))
        legend_above(left, columns=1)
        # The full model has no difference to itself: its row is the line at 0.
        dot_rows(right, [([0.0], GREY, "D"), *differences[1:]], labels=labels)
        right.locator_params(axis="x", nbins=4)
        right.axvline(0, **REFERENCE)
        right.set_xlabel(f"difference in {score_label(metric, scores)}")
        for place, (values, _, _) in enumerate(differences):
            if place:
                right.text(
                    1.02,
                    place,
                    _in_words(values),
                    transform=right.get_yaxis_transform(),
                    va="center",
                    fontsize="small",
                )


def _in_lines(name):
    """A name in short lines, at most four, as subsets of many modalities are long."""
    lines = textwrap.wrap(str(name), 40) or [""]
    return "\n".join(lines if len(lines) <= 4 else [*lines[:2], "…", lines[-1]])


def _in_words(values):
    """Mean and deviation of differences, and how many are positive."""
    mean, std = mean_and_std(values)
    spread = f" ± {std:.3f}" if len(values) > 1 else ""
    return f"{mean:+.3f}{spread}\nbetter in {(values > 0).sum()} of {len(values)}"
