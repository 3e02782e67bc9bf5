"""compare_modalities: refits per subset, through Pipelines that name their modalities."""

import numpy as np
import pytest
from joblib import parallel_config
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline

from skmm import ModalityDict
from skmm.compose import ConcatModalities, ModalityTransformer
from skmm.model_selection import compare_modalities
from skmm.model_selection._modalities import make_subsets, restrict


class Nested(ClassifierMixin, BaseEstimator):
    """Holds dicts by modality, one of them with estimators."""

    def __init__(self, hidden=None, estimators=None, class_weight=None):
        self.hidden = hidden
        self.estimators = estimators
        self.class_weight = class_weight


def test_subsets_of_three():
    """The words mean every subset, or the full set and each without one; lists get the order of X."""
    assert make_subsets("all", ("a", "b", "c")) == [
        ("a",), ("b",), ("c",), ("a", "b"), ("a", "c"), ("b", "c"), ("a", "b", "c"),
    ]  # fmt: skip
    assert make_subsets("leave-one-out", ("a", "b", "c")) == [
        ("b", "c"),
        ("a", "c"),
        ("a", "b"),
        ("a", "b", "c"),
    ]
    assert make_subsets(["b", ["c", "a"]], ("a", "b", "c")) == [("b",), ("a", "c")]


@pytest.mark.parametrize("subsets", ["some", None, [["a", "x"]], [[]], [], [["a"], "a"]])
def test_bad_subsets_are_refused(subsets):
    """Unknown words and names, empty and repeated subsets raise."""
    with pytest.raises(ValueError, match="ubsets must"):
        make_subsets(subsets, ("a", "b"))


def test_restricting_leaves_out_what_is_declared_for_others():
    """Dicts by modality lose the others at any depth; tuples shrink; other dicts and the original stay."""
    model = make_pipeline(
        ModalityTransformer({("a", "b"): PCA(2), "c": "drop"}),
        Nested(hidden={"a": 3, "c": 4}, class_weight={"ill": 2, "well": 1}),
    )

    small = restrict(model, ("a",), ("a", "b", "c"))

    assert list(small[0].transformers) == [("a",)]
    assert small[0].transformers["a",].n_components == 2
    assert small[1].hidden == {"a": 3}
    assert small[1].class_weight == {"ill": 2, "well": 1}
    assert list(model[0].transformers) == [("a", "b"), "c"]
    assert model[1].hidden == {"a": 3, "c": 4}


def test_each_subset_is_refitted_on_its_modalities(study, early):
    """The scores of a subset are those of cross-validating a model written for it alone."""
    X, y = study
    cv = StratifiedGroupKFold(3, shuffle=True, random_state=0)

    scores = compare_modalities(early, X, y, cv=3, scoring="accuracy")

    assert scores["subset"].unique().tolist() == [
        "strong", "weak", "noise", "strong + weak", "strong + noise", "weak + noise", "strong + weak + noise",
    ]  # fmt: skip
    for names in (["weak"], ["strong", "noise"]):
        alone = restrict(early, names, X.modalities)
        expected = cross_val_score(alone, X[names], y, groups=X.groups, cv=cv)
        got = scores[scores["subset"] == " + ".join(names)]
        np.testing.assert_array_equal(got["value"], expected)
        assert set(got["n_modalities"]) == {len(names)}
    means = scores.groupby("subset")["value"].mean()
    assert means["strong"] > means["noise"] + 0.2


def test_n_jobs_does_not_change_the_table(study):
    """Two threads give the scores of one."""
    X, y = study
    model = make_pipeline(ConcatModalities(), GaussianNB())
    options = {"subsets": "leave-one-out", "cv": 2, "scoring": "accuracy"}
    with parallel_config(backend="threading"):
        one, two = (compare_modalities(model, X, y, n_jobs=n, **options)["value"] for n in (1, 2))
    np.testing.assert_array_equal(one, two)


@pytest.mark.filterwarnings("ignore::skmm.exceptions.NoModalityWarning")
def test_samples_without_the_modality_are_counted(study):
    """All samples stay in every subset; those that have nothing of it are counted."""
    X, y = study
    seen = np.arange(60) % 4 > 0
    X = ModalityDict(X, present={"weak": seen})
    model = make_pipeline(ConcatModalities(), GaussianNB())

    scores = compare_modalities(model, X, y, subsets=["strong", "weak"], cv=3, scoring="accuracy")

    without = scores.groupby("subset")["n_without"].sum()
    assert without.to_dict() == {"strong": 0, "weak": 15}
    assert scores.groupby("subset")["n_test"].sum().to_dict() == {"strong": 60, "weak": 60}


def test_a_failing_subset_is_named(study):
    """The error says on which subset the estimator failed."""
    X, y = study
    with pytest.raises(RuntimeError, match=r"Estimator 'on strong' \(seed 0, fold 0\) failed"):
        compare_modalities(LogisticRegression(), X, y, cv=2)


def test_a_single_modality_is_refused(study, early):
    """There is nothing to compare with one modality, nor without folds."""
    X, y = study
    with pytest.raises(ValueError, match="needs at least two modalities. Got \\['x'\\]"):
        compare_modalities(early, X["strong"], y)
    with pytest.raises(ValueError, match="cv must be"):
        compare_modalities(early, X, y, cv=None)
