"""Ablation: scores, and differences to the full model that are paired by fold and seed."""

from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmm.compose import ConcatModalities, ModalityTransformer
from skmm.fusion import MMDynamicsClassifier
from skmm.inspection import AblationDisplay
from skmm.inspection._ablation_display import variants_of
from skmm.model_selection import compare_estimators, compare_modalities


@pytest.fixture
def scores():
    """Scores of three models in 3 folds with 2 seeds; folds differ far more than models do."""
    rng = np.random.default_rng(0)
    rows = []
    for seed in range(2):
        for fold in range(3):
            ease = rng.normal(0.7, 0.1)
            for model, loss in (("full", 0.0), ("no gates", 0.02), ("neither", 0.05)):
                for metric in ("accuracy", "f1_macro"):
                    value = ease - loss + rng.normal(0, 0.002)
                    row = {"estimator": model, "seed": seed, "fold": fold, "metric": metric, "value": value}
                    rows.append({**row, "strategy": "late", "baseline": False})
    return pd.DataFrame(rows)


def wide(scores, metric):
    """Scores of one metric, a column a model, a row a fold and seed."""
    return scores[scores["metric"] == metric].pivot_table(
        index=["seed", "fold"], columns="estimator", values="value"
    )


def test_differences_are_paired(scores, drawn):
    """Right: mean and deviation of the differences on the same fold with the same seed, in any order."""
    shuffled = pd.concat([scores.iloc[:3], scores.iloc[3:].sample(frac=1, random_state=0)])

    display = AblationDisplay.from_frame(shuffled)

    table = wide(scores, "accuracy")
    left, right = display.axes_
    assert [label.get_text() for label in left.get_yticklabels()] == ["full", "no gates", "neither"]
    np.testing.assert_allclose(drawn.means(left), table[["full", "no gates", "neither"]].mean())
    paired = table[["no gates", "neither"]].sub(table["full"], axis=0)
    np.testing.assert_allclose(drawn.means(right), [0, *paired.mean()], atol=1e-12)
    np.testing.assert_allclose(drawn.half_bars(right), [0, *paired.std()], atol=1e-12)
    assert max(drawn.half_bars(right)) < 0.1 * min(drawn.half_bars(left))  # what pairing is for
    assert [text.get_text() for text in right.texts] == [
        f"{paired[name].mean():+.3f} ± {paired[name].std():.3f}\nbetter in 0 of 6" for name in paired
    ]
    own = display.differences_.query("estimator == 'neither' and metric == 'accuracy'")
    np.testing.assert_allclose(
        own.set_index(["seed", "fold"])["difference"].sort_index(), paired["neither"].to_numpy()
    )
    assert right.get_xlabel() == "difference in accuracy\nmean ± std of 3 folds x 2 seeds"


def test_any_model_can_be_the_full_one(scores, drawn):
    """Two panels a metric; differences go to the model that is named, which comes first."""
    display = AblationDisplay.from_frame(scores, full="neither", metrics=["f1_macro", "accuracy"])

    assert display.full_ == "neither"
    assert len(display.axes_) == 4
    table = wide(scores, "f1_macro")
    expected = table[["full", "no gates"]].sub(table["neither"], axis=0).mean()
    np.testing.assert_allclose(drawn.means(display.axes_[1]), [0, *expected], atol=1e-12)
    assert "better in 6 of 6" in display.axes_[1].texts[0].get_text()
    assert display.axes_[2].get_xlabel().startswith("accuracy")


def test_baselines_and_test_scores_are_left_out(scores, drawn):
    """What is no part of the model, or no fold, is in neither panel."""
    extra = scores.assign(estimator="majority", baseline=True, value=0.1)
    test = scores[scores["fold"] == 0].assign(fold="test", value=0.0)

    display = AblationDisplay.from_frame(pd.concat([extra, scores, test]))

    np.testing.assert_allclose(
        drawn.means(display.axes_[0]), drawn.means(AblationDisplay.from_frame(scores).axes_[0])
    )
    alone = AblationDisplay.from_frame(test.assign(value=test["seed"] + 1.0))
    np.testing.assert_allclose(drawn.means(alone.axes_[0]), [1.5] * 3)  # an official test set alone


def test_subsets_of_modalities(make_modalities):
    """Scores of subsets are compared with those of all modalities, which are the full model."""
    X, y, _ = make_modalities(["dense", "sparse"], n_samples=36, missing_rate=0.0)
    model = make_pipeline(ConcatModalities(), LogisticRegression())
    scores = compare_modalities(model, X, y, cv=3, scoring="accuracy", groups=None)

    display = AblationDisplay.from_frame(scores)

    assert display.full_ == "dense + sparse"
    table = scores.pivot_table(index=["seed", "fold"], columns="subset", values="value")
    assert set(display.differences_["estimator"]) == {"dense", "sparse"}
    expected = (table["dense"] - table["dense + sparse"]).mean()
    own = display.differences_[display.differences_["estimator"] == "dense"]
    assert own["difference"].mean() == pytest.approx(expected)


def test_from_estimators_is_a_comparison(make_modalities):
    """The scores are those of compare_estimators, without baselines; variants are clones with parameters."""
    X, y, _ = make_modalities(["dense"], n_samples=36, missing_rate=0.0)
    models = {
        "full": make_pipeline(ConcatModalities(), LogisticRegression()),
        "strict": make_pipeline(ConcatModalities(), LogisticRegression(C=1e-6)),
    }
    options = {"cv": 3, "scoring": "accuracy"}

    display = AblationDisplay.from_estimators(models, X, y, **options)
    variants = {"full": {}, "strict": {"logisticregression__C": 1e-6}}
    again = AblationDisplay.from_estimator(models["full"], X, y, variants=variants, **options)

    expected = compare_estimators(models, X, y, baselines=(), **options)
    pd.testing.assert_series_equal(display.scores["value"], expected["value"])
    pd.testing.assert_series_equal(again.scores["value"], expected["value"])


def test_default_variants_are_those_of_the_paper():
    """Gates and weighting are switched off one by one and together, inside a Pipeline too."""
    model = MMDynamicsClassifier(hidden=7)
    prepared = make_pipeline(ModalityTransformer({"rna": StandardScaler()}), model)
    for estimator, last in ((model, lambda m: m), (prepared, lambda m: m[-1])):
        variants = {name: last(made) for name, made in variants_of(estimator, None).items()}
        assert {name: (made.feature_gate, made.confidence_weighting) for name, made in variants.items()} == {
            "full": ("auto", True),
            "feature informativeness only": ("auto", False),
            "modality informativeness only": (None, True),
            "neither": (None, False),
        }
        assert all(made.hidden == 7 for made in variants.values())
    assert model.feature_gate == "auto"
    with pytest.raises(ValueError, match="LogisticRegression has no parameters 'feature_gate' and"):
        variants_of(LogisticRegression(), None)


def test_long_names_stay_apart(scores):
    """Names of subsets of many modalities are broken into lines, and none is cut to what another is."""
    parts = [f"modality with a long name {i}" for i in range(4)]
    names = [" + ".join(parts), " + ".join(parts[:3]), " + ".join([*parts[:2], parts[3]])]
    renamed = scores.assign(
        estimator=scores["estimator"].map(dict(zip(scores["estimator"].unique(), names, strict=True)))
    )

    display = AblationDisplay.from_frame(renamed)

    display.figure_.canvas.draw()
    labels = display.axes_[0].get_yticklabels()
    assert [label.get_text().replace("\n", " ") for label in labels] == names
    boxes = [label.get_window_extent() for label in labels]
    assert all(not a.overlaps(b) for a, b in pairwise(boxes))
    assert all(box.x0 >= 0 for box in boxes)


def test_panels_of_the_caller(scores):
    """Two Axes a metric of the caller's are used; another number is refused."""
    figure, ax = plt.subplots(1, 2)

    display = AblationDisplay.from_frame(scores, ax=ax)

    assert display.axes_ == list(ax)
    assert display.figure_ is figure
    with pytest.raises(ValueError, match="draws 2 panels, so ax must hold 2 Axes. Got 1"):
        AblationDisplay.from_frame(scores, ax=ax[0])


def test_scores_that_cannot_be_paired_are_refused(scores):
    """A fold too few, a score twice, an unknown or lonely full model are errors that say so."""
    last = scores.index[-1]
    first, other = scores["fold"] == 0, scores["estimator"] == "neither"
    instead = pd.concat([scores[~other | (scores["fold"] != 1)], scores[other & first]])  # fold 0 for fold 1
    for wrong in (
        scores.drop(last), scores.drop(scores.index[0]), pd.concat([scores, scores.iloc[:1]]), instead,
    ):  # fmt: skip
        with pytest.raises(ValueError, match="one score of each seed, fold and metric that 'full' has"):
            AblationDisplay.from_frame(wrong)
    with pytest.raises(ValueError, match=r"full must be one of \['full', 'no gates', 'neither'\]. Got 'all'"):
        AblationDisplay.from_frame(scores, full="all")
    with pytest.raises(ValueError, match="needs models beside the full one"):
        AblationDisplay.from_frame(scores[scores["estimator"] == "full"])
    with pytest.raises(ValueError, match="scores must be a tidy DataFrame"):
        AblationDisplay.from_frame([1, 2])
