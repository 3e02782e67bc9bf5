"""The runner of the checks, the data they use, and the walk over the package."""

from unittest import SkipTest

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator
from sklearn.preprocessing import MaxAbsScaler

import skmm
from skmm import BagArray, ModalityDict
from skmm.compose import ModalityTransformer
from skmm.exceptions import MissingModalityError
from skmm.fusion import BaseFusionClassifier
from skmm.testing import (
    all_estimators,
    check_multimodal_estimator,
    make_modalities,
    parametrize_with_multimodal_checks,
)
from skmm.testing._data import filled, incomplete, memory_mapped, plain_dict
from skmm.testing._run import CHECKS, default_data, run_check


def test_results_tell_what_was_checked(centroids):
    """A sound estimator passes; what does not concern it is skipped with a reason."""
    X, y = make_modalities(("image", "image"))

    assert set(check_multimodal_estimator(centroids()).values()) == {"passed"}
    results = check_multimodal_estimator(centroids(), X=dict(X.items()), y=y.tolist())
    assert results["check_strings"] == "skipped: the data have no table"
    assert len(results) == len(CHECKS)


def test_all_failures_are_told_at_once(centroids):
    """The error names the estimator, how many checks failed, and each of them."""

    class Sloppy(centroids):
        """Two faults."""

        def fit_transform(self, X, y):
            """Return zeros."""
            return 0 * self.fit(X, y).transform(X)

        def predict_proba(self, X):
            """Return what does not sum to one."""
            return 2 * super().predict_proba(X)

    with pytest.raises(AssertionError, match=r"Sloppy fails \d of 40 checks") as caught:
        check_multimodal_estimator(Sloppy())
    assert "check_probabilities: Probabilities must sum to 1" in str(caught.value)
    assert "check_fit_transform: fit_transform must give" in str(caught.value)


def test_an_estimator_may_refuse_missing_modalities(centroids):
    """One that raises MissingModalityError is not asked what it makes of them."""

    class Complete(centroids):
        """Takes complete data only."""

        def validated(self, X, *, reset):
            """Refuse missing entries."""
            X = super().validated(X, reset=reset)
            if not X.present.all():
                raise MissingModalityError("All modalities are needed.")
            return X

    data = default_data(Complete())
    skipped = []
    for check in CHECKS:
        try:
            if check.__name__ != "check_persistence":  # a class of a function cannot be pickled
                run_check(check, Complete(), data)
        except SkipTest as reason:
            skipped.append((check.__name__, "takes no missing modality" in str(reason)))

    assert [name for name, missing in skipped if missing] == [
        "check_missing_equals_absent_key",
        "check_absent_content_is_ignored",
        "check_no_nan",
        "check_sample_with_nothing",
        "check_modality_never_present",
    ]


def test_data_are_given_whole(centroids):
    """X goes with y, with as many labels, and instances rather than classes are checked."""
    X, y = make_modalities()
    with pytest.raises(ValueError, match="both X and y"):
        check_multimodal_estimator(centroids(), X=X)
    with pytest.raises(ValueError, match="X has 36 samples, but y has 35"):
        check_multimodal_estimator(centroids(), X=X, y=y[1:])
    with pytest.raises(TypeError, match="Got the classes"):
        parametrize_with_multimodal_checks([centroids])

    class OfImages(BaseEstimator):
        """Says that it takes no tables."""

        def __sklearn_tags__(self):
            """Tell so."""
            tags = super().__sklearn_tags__()
            tags.input_tags.two_d_array = False
            return tags

    with pytest.raises(ValueError, match="Give X and y, for example"):
        default_data(OfImages())


def test_pytest_gets_one_test_a_check(centroids):
    """Every check is a parameter set with a readable name, and runs when it is called."""
    mark = parametrize_with_multimodal_checks(
        [centroids(), ModalityTransformer({"alpha": MaxAbsScaler()})]
    ).mark
    names, pairs = mark.args

    assert names == ("estimator", "check")
    assert len(pairs) == 2 * len(CHECKS)
    assert [mark.kwargs["ids"](value) for value in pairs[0]] == ["Centroids()", "check_parameter_names"]
    assert mark.kwargs["ids"](pairs[-1][0]) == "ModalityTransformer(transformers={'alpha': MaxAbsScaler()})"
    for estimator, check in pairs[:3]:
        assert check(estimator) is None


@parametrize_with_multimodal_checks([ModalityTransformer({"alpha": MaxAbsScaler()})])
def test_a_transformer(estimator, check):
    """The decorator makes tests that run."""
    check(estimator)


def test_the_walk_finds_the_public_estimators():
    """All concrete estimators are found, in alphabetical order, and nothing else."""
    found = dict(all_estimators())

    assert list(found) == sorted(found)
    assert {"ConcatModalities", "LateFusionClassifier", "MMDynamicsClassifier", "ModalityTransformer"} <= set(
        found
    )
    assert BaseFusionClassifier not in found.values()
    assert ModalityDict not in found.values()
    assert all(getattr(skmm, cls.__module__.split(".")[1]) for cls in found.values())


def test_default_data_are_of_the_kinds_that_are_taken(centroids):
    """Kinds come from `_accepts`; there are two modalities at least."""

    class OfBags(centroids):
        """Takes bags."""

        _accepts = ("bag",)

    X, y = default_data(OfBags())
    assert list(X.kinds.values()) == ["bag", "bag"]
    assert_array_equal(np.unique(y), [0, 1, 2])
    assert list(default_data(centroids())[0].kinds.values()) == ["table", "table"]


def test_made_data_hold_what_they_promise():
    """Kinds in order, names out of order, groups of two with one label, missing entries where asked for."""
    kinds = ("table", "image", "volume", "bag", "text")
    X, y = make_modalities(kinds, n_samples=20, missing=0.3, random_state=1)

    assert tuple(X.kinds.values()) == kinds
    assert list(X) != sorted(X)
    assert set(np.unique(X.groups, return_counts=True)[1]) == {2}
    assert all(len(set(y[X.groups == group])) == 1 for group in X.groups)
    assert 0 < X.present.mean() < 1
    assert X.present.any(axis=1).all()
    for bad in ((), ("sound",), "table", ("table",) * 9):
        with pytest.raises(ValueError, match="kinds must hold"):
            make_modalities(bad)


def test_plain_dicts_say_what_is_missing():
    """A plain dict of incomplete data is read as the container was."""
    X = incomplete(make_modalities(("table", "image", "volume", "bag", "text"))[0])
    plain, rows = plain_dict(X)

    assert_array_equal(rows, np.arange(len(X)))
    assert_array_equal(ModalityDict(plain).present, X.present)
    assert not X.present.all()
    assert X.present.any(axis=1).all()
    assert incomplete(X) is X
    assert incomplete(X[["beta"]][np.flatnonzero(X.is_present("beta"))]) is None


def test_garbage_stands_where_it_is_put():
    """Content is replaced in the rows asked for, in every form, and nowhere else."""
    X = make_modalities(("table", "image", "bag", "text"), n_samples=12)[0]
    rows = np.arange(12) < 2
    for name in X:
        got = filled(X[name], rows, 1e30)
        assert got is not X[name]
        rest = ModalityDict({name: got}, kinds={name: X.kinds[name]}, groups=X.groups)[2:]
        assert bool(rest == X[[name]][2:])
    assert filled(X["beta"], rows, 1e30)[:2].min() == np.float64(1e30)
    assert np.isnan(filled(X["beta"], rows, "mixed")[0, 0])
    assert filled(X["gamma"], rows, 1e30)[0] == "garbage"
    assert isinstance(filled(X["delta"], rows, 1e30), BagArray)


def test_memory_maps_hold_the_data(tmp_path):
    """What is mapped from disk equals what was in memory."""
    X = make_modalities(("table", "image", "bag", "text"), n_samples=12)[0]

    assert memory_mapped(X, tmp_path) == X
