"""Checks of the documented errors: each names what is wrong, and where."""

import contextlib
from unittest import SkipTest

import numpy as np
import pandas as pd
from sklearn.base import clone, is_classifier
from sklearn.utils import get_tags

from skmm.testing._checks_data import complete
from skmm.testing._compare import fitted
from skmm.testing._data import rebuild


def assert_refused(call, what, mentions=()):
    """Raise unless a call raises a ValueError or TypeError whose message holds the words given."""
    try:
        call()
    except (ValueError, TypeError) as error:
        text = str(error)
        lacking = [word for word in mentions if str(word) not in text]
        assert not lacking, f"The error for {what} must name {lacking}. It says: {text}"
    except Exception as error:
        raise AssertionError(
            f"{what} must raise a ValueError. It raised {type(error).__name__}: {error}"
        ) from error
    else:
        raise AssertionError(f"{what} must raise a ValueError. It raised nothing.")


def _apply(model):
    """The first method of a fitted estimator that takes new data."""
    return next(
        getattr(model, name) for name in ("predict_proba", "predict", "transform") if hasattr(model, name)
    )


def _floats(X):
    """Name of the first modality that is an array of floats, or a skip."""
    for name, value in X.items():
        is_dense = isinstance(value, np.ndarray) and X.kinds[name] in {"table", "image", "volume"}
        if is_dense and value.dtype.kind == "f":
            return name
    raise SkipTest("the data have no array of floats")


def _takes_raw_values(estimator):
    """Whether an estimator reads numbers itself, rather than hand modalities on or take NaN."""
    tags = get_tags(estimator)
    return (tags.input_tags.two_d_array and not tags.input_tags.allow_nan) or hasattr(estimator, "predict")


def check_unknown_modality(estimator, X, y):
    """A modality that fit has not seen is refused by name."""
    X, y = complete(X, y)
    model = fitted(estimator, X, y)
    more = {**dict(X.items()), "stranger": next(iter(X.values()))}
    assert_refused(lambda: _apply(model)(more), "a modality that fit has not seen", ["stranger"])


def check_wrong_lengths(estimator, X, y):
    """Modalities of different lengths are refused by name, and so are labels of another length."""
    X, y = complete(X, y)
    if len(X.modalities) > 1:
        first, second = X.modalities[:2]
        uneven = {name: value[:-1] if name == second else value for name, value in X.items()}
        if not any(isinstance(value, pd.DataFrame) for value in uneven.values()):
            assert_refused(
                lambda: fitted(estimator, uneven, y), "modalities of different lengths", [first, second]
            )
    if hasattr(estimator, "predict"):
        assert_refused(lambda: fitted(estimator, X, y[:-1]), "labels of another length than X")


def check_wrong_kind(estimator, X, y):
    """A modality of another kind than in fit is refused by name."""
    X, y = complete(X, y)
    model = fitted(estimator, X, y)
    name = X.modalities[-1]
    other = np.zeros((len(X), 4, 4)) if X.kinds[name] != "image" else np.zeros((len(X), 4))
    wrong = {**dict(X.items()), name: other}
    assert_refused(lambda: _apply(model)(wrong), f"{name!r} of another kind than in fit", [name])


def check_wrong_width(estimator, X, y):
    """A table of another width than in fit is refused by name."""
    X, y = complete(X, y)
    name = next((name for name, kind in X.kinds.items() if kind == "table"), None)
    if name is None:
        raise SkipTest("the data have no table")
    model = fitted(estimator, X, y)
    value = X[name]
    wider = (
        value[:, [0, *range(value.shape[1])]]
        if not isinstance(value, pd.DataFrame)
        else value.assign(extra_column=0.0)
    )
    assert_refused(
        lambda: _apply(model)({**dict(X.items()), name: wider}),
        f"{name!r} of another width than in fit",
        [name],
    )


def _spoiled(X, name, row, number):
    """The container with a number in one place of one modality."""
    value = X[name].copy()
    value[(row, *(0,) * (value.ndim - 1))] = number
    return rebuild(X, {**dict(X.items()), name: value})


def check_partly_nan(estimator, X, y):
    """A present row that is partly NaN is refused, in fit and after it, by modality."""
    if not _takes_raw_values(estimator) or get_tags(estimator).input_tags.allow_nan:
        raise SkipTest("the estimator takes NaN, or hands modalities on")
    X, y = complete(X, y)
    name = _floats(X)
    model = fitted(estimator, X, y)
    spoiled = _spoiled(X, name, 3, np.nan)
    assert_refused(lambda: fitted(estimator, spoiled, y), "a partly NaN row in fit", [name, "NaN"])
    assert_refused(lambda: _apply(model)(spoiled), "a partly NaN row after fit", [name, "NaN"])


def check_infinity(estimator, X, y):
    """Infinities in present rows are refused, in fit and after it, by modality."""
    if not _takes_raw_values(estimator):
        raise SkipTest("the estimator hands modalities on")
    X, y = complete(X, y)
    name = _floats(X)
    model = fitted(estimator, X, y)
    spoiled = _spoiled(X, name, 3, np.inf)
    assert_refused(lambda: fitted(estimator, spoiled, y), "an infinity in fit", [name, "infinity"])
    assert_refused(lambda: _apply(model)(spoiled), "an infinity after fit", [name, "infinity"])


def check_strings(estimator, X, y):
    """A column of strings is refused by the names of modality and column."""
    tags = get_tags(estimator).input_tags
    if not _takes_raw_values(estimator) or tags.string or tags.categorical:
        raise SkipTest("the estimator takes strings, or hands modalities on")
    X, y = complete(X, y)
    name = next((name for name, kind in X.kinds.items() if kind == "table"), None)
    if name is None:
        raise SkipTest("the data have no table")
    frame = pd.DataFrame(
        {"age": np.ones(len(X)), "smoker": ["yes", "no"] * (len(X) // 2) + ["no"] * (len(X) % 2)}
    )
    wrong = {**dict(X.items()), name: frame}
    assert_refused(lambda: fitted(estimator, wrong, y), "a column of strings", [name, "smoker"])


def check_empty(estimator, X, y):
    """No modality at all and no sample at all are refused."""
    X, y = complete(X, y)
    assert_refused(lambda: fitted(estimator, {}, y), "an empty dict")
    assert_refused(lambda: fitted(estimator, X[:0], y[:0]), "no samples")


def check_one_class(estimator, X, y):
    """Labels of a single class are refused."""
    if not is_classifier(estimator):
        raise SkipTest("the estimator is no classifier")
    X, y = complete(X, y)
    assert_refused(lambda: fitted(estimator, X, np.repeat(y[0], len(y))), "a single class", ["class"])


def check_failed_fit_changes_nothing(estimator, X, y):
    """A fit that fails leaves the caller's data as they were."""
    X, y = complete(X, y)
    if not hasattr(estimator, "predict"):
        raise SkipTest("the estimator predicts nothing")
    plain = {name: value.copy() if hasattr(value, "copy") else value for name, value in X.items()}
    before = {name: value.copy() if hasattr(value, "copy") else value for name, value in plain.items()}
    with contextlib.suppress(ValueError, TypeError):
        clone(estimator).fit(plain, y[:-1])
    for name, value in plain.items():
        if isinstance(value, np.ndarray) and value.dtype != object:
            assert np.array_equal(value, before[name], equal_nan=True), (
                f"A failed fit must not change {name!r}, but it did."
            )
