"""Bad input gives a clear error that names modality and rows, and changes nothing."""

import copy

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from skmm import ModalityDict
from skmm.compose import ConcatModalities
from skmm.exceptions import MissingModalityError, NoModalityWarning
from skmm.fusion import LateFusionClassifier, MMDynamicsClassifier, MMStaticClassifier

N = 12


def net(cls):
    """A quick instance of a classifier."""
    return cls() if cls is LateFusionClassifier else cls(hidden=4, max_epochs=2, random_state=0)


classifiers = pytest.mark.parametrize("cls", [MMDynamicsClassifier, MMStaticClassifier, LateFusionClassifier])


@pytest.fixture
def good():
    """Two tables that tell the class."""
    rng = np.random.default_rng(0)
    y = np.array(["no", "yes"] * (N // 2))
    signal = (y == "yes")[:, None] * 2.0
    return {"a": signal + rng.normal(size=(N, 3)), "b": signal + rng.normal(size=(N, 2))}, y


def with_value(X, name, rows, value):
    """A copy of ``X`` whose modality has ``value`` in its first column at ``rows``."""
    return {
        **X,
        name: np.where(
            np.isin(np.arange(N), rows)[:, None] & (np.arange(X[name].shape[1]) == 0), value, X[name]
        ),
    }


@classifiers
@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda X: {**X, "b": X["b"][:5]}, "'a' has 12, 'b' has 5"),
        (
            lambda X: with_value(X, "b", [3, 7], np.nan),
            r"'b' contains NaN in a part of 2 rows \(3, 7\).*SimpleImputer",
        ),
        (lambda X: with_value(X, "a", [4], np.inf), r"'a' contains infinity in 1 rows \(4\)"),
        (
            lambda X: {**X, "c": pd.DataFrame({"sex": ["m", "f"] * 6})},
            "'c' must be numeric here, but column 'sex'.*OneHotEncoder",
        ),
        (lambda X: {**X, "c": ["a report"] * N}, "'c', which is of kind 'text'.*TfidfVectorizer"),
        (lambda X: {**X, "c": np.zeros((N, 3, 8, 8))}, "channels last"),
        (lambda X: {}, "at least one modality"),
        (lambda X: {name: value[:0] for name, value in X.items()}, "0 samples"),
        (
            lambda X: {name: np.full_like(value, np.nan) for name, value in X.items()},
            "at least one sample with at least one modality",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore::skmm.exceptions.NoModalityWarning")
def test_fit_refuses(cls, good, change, match):
    """Each kind of bad data is refused in fit by every classifier with advice, and X stays as it was."""
    X, y = good
    bad = change(X)
    before = copy.deepcopy(bad)
    model = net(cls)

    with pytest.raises(ValueError, match=match):
        model.fit(bad, y[: len(next(iter(bad.values()), y))])
    for name, value in bad.items():
        np.testing.assert_array_equal(np.asarray(value), np.asarray(before[name]))


@classifiers
@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda X: {**X, "c": X["b"]}, "was fitted on the modalities 'a', 'b'. Got 'c' as well"),
        (lambda X: {**X, "b": X["b"][:, :1]}, "'b' has 1 features, but it had 2 in fit"),
        (lambda X: {**X, "b": np.zeros((N, 4, 4))}, "'b'.*'table'"),
        (lambda X: with_value(X, "b", [3], np.nan), r"'b' contains NaN in a part of 1 rows \(3\)"),
        (lambda X: with_value(X, "b", [5], -np.inf), r"'b' contains infinity in 1 rows \(5\)"),
    ],
)
def test_predict_refuses(cls, good, change, match):
    """What differs from the data of fit is refused at predict, naming the modality."""
    X, y = good
    model = net(cls).fit(X, y)

    with pytest.raises(ValueError, match=match):
        model.predict(change(X))


@classifiers
def test_one_class(cls, good):
    """A single class cannot be learned, and the error says so."""
    X, _ = good

    with pytest.raises(ValueError, match="class"):
        net(cls).fit(X, np.array(["no"] * N))


@classifiers
def test_samples_with_nothing_at_all(cls, good):
    """They are left out of fit with one warning, and predicted by the class prior with one warning."""
    X, y = good
    X = {
        name: np.where(np.isin(np.arange(N), [0, 2, 4])[:, None], np.nan, value) for name, value in X.items()
    }

    with pytest.warns(NoModalityWarning, match=r"3 samples.*rows 0, 2, 4") as caught:
        model = net(cls).fit(X, y)
    assert len(caught) == 1
    with pytest.warns(NoModalityWarning, match=r"3 samples.*rows 0, 2, 4") as caught:
        proba = model.predict_proba(X)
    assert len(caught) == 1
    np.testing.assert_allclose(proba[[0, 2, 4]], [[6 / 9, 3 / 9][::-1]] * 3, rtol=1e-6)


@classifiers
def test_a_modality_that_is_never_there(cls, good):
    """A modality without a present row is left out with a warning, and ignored later."""
    X, y = good
    X = {**X, "c": np.full((N, 2), np.nan)}

    with pytest.warns(NoModalityWarning, match="'c' is missing for every sample"):
        model = net(cls).fit(X, y)
    assert model.modalities_ == ("a", "b")
    reference = model.predict_proba({"a": X["a"], "b": X["b"]})
    np.testing.assert_array_equal(model.predict_proba({**X, "c": np.ones((N, 2))}), reference)


@pytest.mark.filterwarnings("ignore::skmm.exceptions.NoModalityWarning")
def test_no_modality_left_is_an_error_of_its_own(good):
    """MissingModalityError is a ValueError that code can tell from others."""
    X, _ = good

    with pytest.raises(MissingModalityError):
        ConcatModalities().fit({name: np.full_like(value, np.nan) for name, value in X.items()})


def test_a_container_handed_to_scikit_learn(good):
    """A plain scikit-learn classifier refuses the container with advice."""
    X, y = good

    with pytest.raises(TypeError, match="Use ConcatModalities first"):
        LogisticRegression().fit(ModalityDict(X), y)
