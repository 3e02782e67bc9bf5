"""Errors of confidences: each modality by its own samples, the figures as they are defined."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import mean_absolute_percentage_error, mean_squared_error, r2_score

from skmm import ModalityDict
from skmm.metrics import confidence_errors


@pytest.fixture
def judged():
    """Confidences and true class probabilities of two modalities and 50 samples."""
    rng = np.random.default_rng(0)
    truth = pd.DataFrame(rng.uniform(0.05, 1, (50, 2)), columns=["protein", "rna"])
    return truth + rng.normal(0, [0.05, 0.3], (50, 2)), truth


def test_figures_are_those_of_their_definitions(judged):
    """Each figure is that of its formula, computed by hand or by scikit-learn."""
    confidence, truth = judged

    row = confidence_errors(confidence, truth).loc["rna"]

    c, p = confidence["rna"].to_numpy(), truth["rna"].to_numpy()
    error = np.abs(c - p)
    expected = {
        "n": 50, "mse": mean_squared_error(p, c), "rmse": mean_squared_error(p, c) ** 0.5,
        "mae": error.mean(), "std": np.std(error, ddof=1), "max": error.max(), "min": error.min(),
        "r2": r2_score(p, c),
        "mape": mean_absolute_percentage_error(p, c), "beyond_10": np.mean(error > 0.1 * p),
        "beyond_50": np.mean(error > 0.5 * p), "beyond_100": np.mean(error > p),
    }  # fmt: skip
    for name, value in expected.items():
        assert row[name] == pytest.approx(value), name
    shares = row[[f"beyond_{k}" for k in range(10, 101, 10)]].to_numpy()
    assert (np.diff(shares) <= 0).all()
    assert shares[0] > shares[-1] > 0


def test_a_modality_is_judged_by_its_own_samples_alone(judged):
    """The figures of one modality are the same whatever the other one holds, or whether it is there."""
    confidence, truth = judged
    both = confidence_errors(confidence, truth)

    alone = confidence_errors(confidence[["rna"]], truth[["rna"]])
    other = confidence_errors(confidence.assign(protein=0.0), truth)

    pd.testing.assert_series_equal(both.loc["rna"], alone.loc["rna"])
    pd.testing.assert_series_equal(both.loc["rna"], other.loc["rna"])
    assert both.loc["protein", "rmse"] < 0.5 * both.loc["rna", "rmse"]


@pytest.mark.parametrize("how", ["nan", "masks", "container"])
def test_missing_samples_count_nothing(judged, how):
    """Values of samples that lack a modality change no figure, however that is said."""
    confidence, truth = judged
    here = np.arange(50) % 3 > 0
    expected = confidence_errors(confidence[here], truth[here]).loc["rna"]
    spoiled, present = confidence.copy(), None
    spoiled.loc[~here, "rna"] = np.nan if how == "nan" else 0.0
    if how == "masks":
        present = {"rna": here, "protein": np.ones(50, dtype=bool)}
    elif how == "container":
        zeros = np.zeros((50, 1))
        present = ModalityDict({"rna": zeros, "protein": zeros}, present={"rna": here})

    errors = confidence_errors(spoiled, truth, present=present)

    pd.testing.assert_series_equal(errors.loc["rna"], expected)
    assert errors.loc["protein", "n"] == 50


def test_groups_are_judged_one_by_one(judged):
    """The figures of a group are those of its samples alone; what a group lacks is NaN."""
    confidence, truth = judged
    donors = np.array(["b", "a", "c"])[np.arange(50) % 3]
    here = {"rna": donors != "a", "protein": np.ones(50, dtype=bool)}

    errors = confidence_errors(confidence, truth, present=here, groups=donors)

    assert errors.index.names == ["modality", "group"]
    for donor in "bc":
        alone = confidence_errors(confidence[donors == donor], truth[donors == donor])
        for name in ("rna", "protein"):
            assert errors.loc[(name, donor)].to_dict() == pytest.approx(alone.loc[name].to_dict())
    assert errors.loc[("rna", "a"), "n"] == 0
    assert errors.loc[("rna", "a")].drop("n").isna().all()
    with pytest.raises(ValueError, match="groups must have one value for each of 50 samples. Got shape"):
        confidence_errors(confidence, truth, groups=donors[:2])


def test_few_samples_have_the_figures_that_are_defined():
    """One sample has no deviation and no R2; none has no figure at all."""
    errors = confidence_errors({"a": [0.5, np.nan], "b": [np.nan, np.nan]}, {"a": [0.25, 1], "b": [0.5, 0.5]})

    assert errors.loc["a", ["n", "mae", "mape", "beyond_90", "beyond_100"]].to_list() == [1, 0.25, 1, 1, 0]
    assert errors.loc["a", ["std", "r2"]].isna().all()
    assert errors.loc["b", "n"] == 0
    assert errors.loc["b"].drop("n").isna().all()


@pytest.mark.parametrize(
    ("confidence", "truth", "message"),
    [
        ({"a": [0.5]}, {"b": [0.5]}, r"true_probability holds \['b'\]"),
        ({"a": [0.5], "b": [0.5]}, {"a": [0.5]}, "a column for each modality. None for 'b'"),
        ({"a": [0.5]}, {"a": [0.5, 0.5]}, r"one value for each of 1 samples. Got shape \(2,\)"),
        (
            {"a": [0.5, 0.5]},
            {"a": [0.5, 1.5]},
            "1 samples whose true class probability .* the first is row 1",
        ),
        ({"a": [np.inf]}, {"a": [0.5]}, "confidence is infinite"),
        (np.zeros((2, 2)), {"a": [0.5]}, "confidence must be a DataFrame or dict"),
        (
            pd.DataFrame({"a": [0.5, 0.2]}, index=["x", "y"]),
            pd.DataFrame({"a": [0.5, 0.2]}, index=["y", "x"]),
            "Their sample ids differ",
        ),
    ],
)
def test_what_does_not_fit_is_refused(confidence, truth, message):
    """Other modalities, lengths, ids or values than expected are errors that say so."""
    with pytest.raises(ValueError, match=message):
        confidence_errors(confidence, truth)
