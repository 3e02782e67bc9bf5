"""Confidence against the truth: curves, figures and counts of each modality's own samples."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression

from skmm.inspection import ModalityConfidenceDisplay
from skmm.metrics import confidence_errors


@pytest.fixture
def judged():
    """Confidences, true class probabilities, and whether predictions are right, of 200 samples."""
    rng = np.random.default_rng(0)
    truth = pd.DataFrame(rng.uniform(0, 1, (200, 2)), columns=["protein", "rna"])
    confidence = (truth + rng.normal(0, [0.05, 0.3], (200, 2))).clip(0, 1)
    return confidence, truth, truth > 0.5


def line(axes, label):
    """The points of a curve."""
    found = next(line for line in axes.lines if line.get_label().startswith(label))
    return found.get_xdata(orig=False), found.get_ydata(orig=False)


def test_the_curve_is_the_mean_of_each_bin(judged):
    """Bins hold equally many samples; the curves are their means of confidence, truth and being right."""
    confidence, truth, correct = judged

    display = ModalityConfidenceDisplay.from_predictions(confidence, truth, correct=correct, n_bins=4)

    for name, axes in zip(confidence, display.axes_, strict=True):
        order = np.argsort(confidence[name].to_numpy(), kind="stable")
        bins = np.array_split(order, 4)
        for label, values in (("mean true", truth), ("share", correct)):
            x, y = line(axes, label)
            np.testing.assert_allclose(x, [confidence[name].iloc[rows].mean() for rows in bins])
            np.testing.assert_allclose(y, [values[name].iloc[rows].mean() for rows in bins])
        assert axes.get_title().startswith(f"{name}\n200 samples, RMSE ")
    assert display.reliability_["rna"]["n"].to_list() == [50, 50, 50, 50]
    pd.testing.assert_frame_equal(display.errors_, confidence_errors(confidence, truth))


def test_equally_wide_bins(judged):
    """With strategy="uniform" the bins divide [0, 1], and empty ones are left out."""
    confidence, truth, _ = judged

    display = ModalityConfidenceDisplay.from_predictions(
        confidence.clip(0, 0.45), truth, n_bins=10, strategy="uniform"
    )

    x, y = line(display.axes_[0], "mean true")
    assert len(x) == 5
    inside = (confidence["protein"].clip(0, 0.45) >= 0.1) & (confidence["protein"].clip(0, 0.45) < 0.2)
    assert y[1] == pytest.approx(truth.loc[inside, "protein"].mean())
    assert 0.1 <= x[1] < 0.2
    assert all("share" not in line.get_label() for line in display.axes_[0].lines)


def test_ties_stay_in_one_bin():
    """Confidences that are all the same are one bin, not many."""
    display = ModalityConfidenceDisplay.from_predictions({"a": np.ones(40)}, {"a": np.linspace(0, 1, 40)})

    assert display.reliability_["a"][["n", "confidence", "true_probability"]].to_numpy().tolist() == [
        [40, 1, 0.5]
    ]


@pytest.mark.parametrize("spoiled", [np.nan, 0.0])
def test_a_panel_holds_only_samples_that_have_the_modality(judged, spoiled):
    """Neither points nor curves nor figures of a modality know of samples that lack it."""
    confidence, truth, correct = judged
    here = pd.DataFrame({"protein": np.arange(200) % 4 > 0, "rna": True})
    changed = confidence.where(here, spoiled)

    display = ModalityConfidenceDisplay.from_predictions(changed, truth, correct=correct, present=here)
    rows = here["protein"]
    alone = ModalityConfidenceDisplay.from_predictions(
        confidence.loc[rows, ["protein"]], truth.loc[rows, ["protein"]], correct=correct.loc[rows]
    )

    for label in ("mean true", "share"):
        np.testing.assert_allclose(line(display.axes_[0], label), line(alone.axes_[0], label))
    assert len(display.axes_[0].collections[0].get_offsets()) == 150
    assert len(display.axes_[1].collections[0].get_offsets()) == 200
    assert display.axes_[0].get_title() == alone.axes_[0].get_title()


def test_an_estimator_is_judged_by_its_modalities_alone(known, mixed):
    """The truth is the probability that a modality gives to the label; right is where it is the highest."""
    X, y = mixed
    X = X[["rna", "clinical"]]

    display = ModalityConfidenceDisplay.from_estimator(known.fit(X, y), X, y, n_bins=1)

    for name in X:
        here = X.is_present(name)
        of_a = X[name][here, 1]
        truth = np.where(y[here] == "a", of_a, 1 - of_a)
        row = display.reliability_[name].loc[0]
        assert row["n"] == here.sum()
        assert row["confidence"] == pytest.approx(X[name][here, 0].mean())
        assert row["true_probability"] == pytest.approx(truth.mean())
        assert row["correct"] == pytest.approx((truth > 0.5).mean())


def test_a_class_that_was_never_seen_has_no_probability(known, mixed):
    """Labels unknown to the model have true class probability 0 and are never right."""
    X, y = mixed
    X = X[["clinical"]]

    display = ModalityConfidenceDisplay.from_estimator(known.fit(X, y), X, ["zebra"] * 6, n_bins=1)

    assert display.reliability_["clinical"].loc[0, ["true_probability", "correct"]].to_list() == [0, 0]


def test_few_and_many_and_no_samples():
    """One sample, thousands, and none are drawn without a warning; the last says so."""
    rng = np.random.default_rng(0)
    for n in (1, 3000):
        p = rng.uniform(size=n)
        display = ModalityConfidenceDisplay.from_predictions(
            {"a": p, "b": np.full(n, np.nan)}, {"a": p, "b": p}
        )
        display.figure_.canvas.draw()
        assert display.errors_.loc["a", "n"] == n
        assert [text.get_text() for text in display.axes_[1].texts] == ["no sample has it"]
    assert display.axes_[0].collections[0].get_array().sum() == pytest.approx(3000)  # counts of the cells


def test_panels_of_the_caller(judged):
    """Axes of the caller's are used; a wrong number of them is refused."""
    confidence, truth, _ = judged
    figure, ax = plt.subplots()

    display = ModalityConfidenceDisplay.from_predictions(confidence, truth, modalities="rna", ax=ax)

    assert display.axes_ == [ax]
    assert display.figure_ is figure
    assert len(ax.get_legend().get_texts()) == 3
    with pytest.raises(ValueError, match="draws 2 panels, so ax must hold 2 Axes. Got 1"):
        ModalityConfidenceDisplay.from_predictions(confidence, truth, ax=ax)


def test_wrong_arguments_are_refused(judged, known, mixed):
    """Messages say what was expected."""
    confidence, truth, _ = judged
    X, y = mixed
    for options, message in [
        ({"n_bins": 0}, "n_bins must be an int of at least 1"),
        ({"strategy": "deciles"}, 'strategy must be "quantile" or "uniform"'),
        ({"modalities": "mri"}, r"modalities must be among \['protein', 'rna'\]"),
    ]:
        with pytest.raises(ValueError, match=message):
            ModalityConfidenceDisplay.from_predictions(confidence, truth, **options)
    for correct, message in [
        ({"protein": truth["rna"] > 0.5}, "correct must be a DataFrame or dict .* None for 'rna'"),
        (
            {name: [True] for name in truth},
            "correct of modality 'protein' must have one value for each",
        ),
    ]:
        with pytest.raises(ValueError, match=message):
            ModalityConfidenceDisplay.from_predictions(confidence, truth, correct=correct)
    with pytest.raises(ValueError, match="the method modality_confidence, as MMDynamicsClassifier or"):
        ModalityConfidenceDisplay.from_estimator(LogisticRegression(), X, y)
    with pytest.raises(NotFittedError):
        ModalityConfidenceDisplay.from_estimator(known, X, y)
    with pytest.raises(ValueError, match="y must have a label for each of 6 samples. Got 2"):
        ModalityConfidenceDisplay.from_estimator(known.fit(X, y), X, y[:2])
