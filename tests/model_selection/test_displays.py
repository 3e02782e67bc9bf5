"""Displays draw the numbers of the tables, on the axes they are given."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from skmm.compose import ConcatModalities
from skmm.model_selection import (
    ComparisonDisplay,
    MissingModalityDisplay,
    ModalitySubsetsDisplay,
    TrainingHistoryDisplay,
    compare_estimators,
    compare_modalities,
    missing_modality_curve,
)


@pytest.fixture
def model():
    """Logistic regression on the concatenation."""
    return make_pipeline(ConcatModalities(), LogisticRegression())


def means_drawn(axes):
    """Positions of the mean markers, from top to bottom."""
    return [container.lines[0].get_xdata()[0] for container in axes.containers]


def half_bars(axes):
    """Half the lengths of the error bars, from top to bottom."""
    segments = [container.lines[2][0].get_segments()[0] for container in axes.containers]
    return [(segment[1, 0] - segment[0, 0]) / 2 for segment in segments]


def labels_of(axes):
    """Row labels."""
    return [label.get_text() for label in axes.get_yticklabels()]


def test_comparison_draws_mean_and_deviation(study, model):
    """Each row shows the mean and std of an estimator; the line is the best baseline's mean."""
    X, y = study
    options = {"cv": 3, "scoring": ["accuracy", "f1_macro"], "baselines": ("majority", "single_lr")}
    scores = compare_estimators({"mine": model}, X, y, **options)

    display = ComparisonDisplay.from_frame(scores, metrics=["f1_macro", "accuracy"])

    table = (
        scores[scores["metric"] == "accuracy"].groupby("estimator", sort=False)["value"].agg(["mean", "std"])
    )
    axes = display.axes_[1]
    np.testing.assert_allclose(means_drawn(axes), table["mean"])
    np.testing.assert_allclose(half_bars(axes), table["std"], atol=1e-12)
    assert labels_of(display.axes_[0])[-1] == "mine (early)"
    baselines = table.drop(index="mine")["mean"]
    assert axes.lines[-1].get_xdata()[0] == pytest.approx(baselines.max())
    assert [ax.get_xlabel().splitlines()[0] for ax in display.axes_] == ["macro F1", "accuracy"]
    assert axes.get_xlabel().splitlines()[1] == "mean ± std of 3 folds"

    again = ComparisonDisplay.from_estimators({"mine": model}, X, y, **options)
    pd.testing.assert_series_equal(again.scores["value"], scores["value"])


def test_comparison_keeps_the_test_set_apart(study, model):
    """Scores of an official test set are crosses, not part of the means."""
    X, y = study
    train, test = np.flatnonzero(X.groups < 15), np.flatnonzero(X.groups >= 15)
    scores = compare_estimators(
        {"mine": model}, X[train], y[train], cv=3, scoring="accuracy", X_test=X[test], y_test=y[test]
    )

    axes = ComparisonDisplay.from_frame(scores).axes_[0]

    of_folds = scores[scores["fold"] != "test"].groupby("estimator", sort=False)["value"].mean()
    np.testing.assert_allclose(means_drawn(axes), of_folds)
    crosses = next(item for item in axes.collections if item.get_label() == "test set").get_offsets()
    np.testing.assert_allclose(crosses[:, 0], scores.loc[scores["fold"] == "test", "value"])


def test_displays_draw_on_given_axes(study, model):
    """An Axes of the caller's is used; a wrong number of them is refused."""
    X, y = study
    scores = compare_estimators({"mine": model}, X, y, cv=2, scoring=["accuracy", "f1_macro"])
    figure, ax = plt.subplots()

    display = ComparisonDisplay.from_frame(scores, ax=ax)

    assert display.axes_ == [ax]
    assert display.figure_ is figure
    with pytest.raises(ValueError, match="ComparisonDisplay draws 2 panels, so ax must hold 2 Axes. Got 1"):
        ComparisonDisplay.from_frame(scores, metrics=["accuracy", "f1_macro"], ax=ax)
    with pytest.raises(ValueError, match="metrics must be among"):
        ComparisonDisplay.from_frame(scores, metrics="auc")


def test_subsets_are_ordered_by_size(study, model):
    """Rows go from single modalities to all of them, whose mean is the reference line."""
    X, y = study
    scores = compare_modalities(model, X, y, subsets="leave-one-out", cv=3, scoring="accuracy")

    display = ModalitySubsetsDisplay.from_frame(scores)

    rows = ["weak + noise", "strong + noise", "strong + weak", "strong + weak + noise"]
    table = scores.groupby("subset")["value"].mean()[rows]
    assert labels_of(display.axes_[0]) == rows
    np.testing.assert_allclose(means_drawn(display.axes_[0]), table)
    legend = display.axes_[0].get_legend().get_texts()
    assert [text.get_text() for text in legend] == ["all 3 modalities"]
    again = ModalitySubsetsDisplay.from_estimator(
        model, X, y, subsets="leave-one-out", cv=3, scoring="accuracy"
    )
    assert means_drawn(again.axes_[0]) == means_drawn(display.axes_[0])


def test_the_curve_is_drawn_against_what_is_missing(study, model):
    """Each line is the mean score against the share that is really missing, in percent."""
    X, y = study
    options = {"rates": (0, 0.5, 1), "cv": 3, "scoring": "accuracy"}
    scores = missing_modality_curve(model, X, y, **options)

    display = MissingModalityDisplay.from_frame(scores)

    lines = {line.get_label(): line for line in display.axes_[0].lines}
    assert list(lines) == ["strong", "weak", "noise", "all modalities alike"]
    own = scores[scores["modality"] == "overall"].groupby("rate")
    np.testing.assert_allclose(lines["all modalities alike"].get_xdata(), 100 * own["share_missing"].mean())
    np.testing.assert_allclose(lines["all modalities alike"].get_ydata(), own["value"].mean())
    again = MissingModalityDisplay.from_estimator(model, X, y, **options)
    np.testing.assert_array_equal(again.axes_[0].lines[0].get_ydata(), lines["strong"].get_ydata())


def test_matplotlib_is_asked_for_at_use(study, model, monkeypatch):
    """Without matplotlib the error names the extra that brings it."""
    X, y = study
    scores = compare_estimators({"mine": model}, X, y, cv=2, scoring="accuracy")
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.pyplot", None)

    with pytest.raises(ImportError, match=r"ComparisonDisplay needs .* pip install \"skmm\[explain\]\""):
        ComparisonDisplay.from_frame(scores)


def close_scores(name="mine"):
    """Scores of two estimators that differ in the third decimal."""
    return pd.DataFrame(
        {
            "estimator": ["majority", "majority", name, name],
            "strategy": "none",
            "baseline": [True, True, False, False],
            "seed": 0,
            "fold": [0, 1, 0, 1],
            "metric": "accuracy",
            "value": [0.9875, 0.9889, 0.9934, 0.9945],
        }
    )


def test_labels_of_ticks_do_not_touch():
    """Labels of three decimals keep the width of a digit between them."""
    scores = close_scores("averaged classifiers")
    scores = pd.concat([scores, scores.assign(metric="f1_macro")])
    axes = ComparisonDisplay.from_frame(scores, metrics=["accuracy", "f1_macro"]).axes_[0]
    axes.figure.canvas.draw()

    low, high = axes.get_xlim()
    extents = [
        label.get_window_extent()
        for label, place in zip(axes.get_xticklabels(), axes.get_xticks(), strict=True)
        if low <= place <= high
    ]
    assert len(extents) >= 3
    digit = extents[0].width / 5
    assert all(left.x1 + digit < right.x0 for left, right in itertools.pairwise(extents))


def test_long_names_leave_the_panel_its_width():
    """A panel is as wide beside a long name as beside a short one."""
    widths = []
    for name in ("mine", "late fusion of three calibrated logistic regressions"):
        axes = ComparisonDisplay.from_frame(close_scores(name)).axes_[0]
        axes.figure.canvas.draw()
        widths.append(axes.get_window_extent().width)

    assert widths[1] > 0.9 * widths[0]


@pytest.mark.parametrize("name", ["net", "MMDynamicsClassifier with early stopping"])
def test_legend_is_no_wider_than_its_panel(name):
    """Panels stay side by side whatever the models are called: a wide legend becomes a high one."""
    values = {"loss": [1.0, 0.5], "acc": [0.5, 0.6]}
    history = pd.DataFrame(
        [
            {"model": name, "fit": 0, "epoch": epoch, "side": side, "metric": metric, "value": value}
            for metric, both in values.items()
            for side in ("train", "valid")
            for epoch, value in enumerate(both, start=1)
        ]
    )
    axes = TrainingHistoryDisplay(history).plot().axes_[0]
    axes.figure.canvas.draw()

    assert axes.get_legend().get_window_extent().width < axes.get_window_extent().width
