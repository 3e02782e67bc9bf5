"""Checks of the estimator itself: parameters, learned attributes, determinism, persistence, probabilities."""

import inspect
import pickle
import sys
import tempfile
from pathlib import Path
from unittest import SkipTest

import joblib
import numpy as np
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import has_fit_parameter

from skmm.testing._checks_data import complete
from skmm.testing._compare import METHODS, assert_same, fitted, fitted_if_taken, global_state, outputs
from skmm.testing._data import incomplete, rebuild


def check_deterministic(estimator, X, y):
    """Two fits with one random_state give the same model."""
    X, y = complete(X, y)
    first, second = (outputs(fitted(estimator, X, y), X) for _ in range(2))
    assert_same(first, second, "Two fits with the same random_state must give the same", rtol=1e-7, atol=1e-9)


def check_global_state_untouched(estimator, X, y):
    """Random states, warning filters and thread counts stay as they are, whatever random_state is."""
    X, y = complete(X, y)
    for seed in (0, 0, None):
        before = global_state()
        modules = set(sys.modules)
        outputs(fitted(estimator, X, y, seed=seed), X)
        after = global_state()
        changed = [name for name, value in before.items() if after[name] != value]
        if set(sys.modules) - modules and "the warning filters" in changed:
            changed.remove("the warning filters")  # packages set filters when they are first imported
        assert not changed, (
            f"fit and predict must leave the global state alone (random_state={seed}). Changed: {changed}."
        )


def check_persistence(estimator, X, y):
    """A fitted model gives the same after pickle, and after joblib with memory maps."""
    X, y = complete(X, y)
    model = fitted(estimator, X, y)
    expected = outputs(model, X)
    assert_same(outputs(pickle.loads(pickle.dumps(model)), X), expected, "A pickled model must give the same")  # noqa: S301
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "model.joblib"
        joblib.dump(model, path)
        loaded = joblib.load(path, mmap_mode="r")
        got = outputs(loaded, X)
        del loaded
    assert_same(got, expected, "A model loaded by joblib as memory maps must give the same")


def check_clone(estimator, X, y):
    """A clone is unfitted, has the same parameters, and learns the same."""
    X, y = complete(X, y)
    model = fitted(estimator, X, y)
    copy = clone(model)
    for name, value in copy.get_params(deep=False).items():
        own = model.get_params(deep=False)[name]
        assert _alike(value, own), f"clone must keep parameters, but {name} is {value!r} rather than {own!r}."
    assert not _learned(copy), f"A clone must not be fitted. It has {_learned(copy)}."
    assert_same(outputs(copy.fit(X, y), X), outputs(model, X), "A clone must learn the same")


def _alike(first, second):
    """Whether two values of a parameter say the same."""
    if isinstance(first, (BaseEstimator, dict)):
        return repr(first) == repr(second)
    return first is second or joblib.hash(first) == joblib.hash(second)


def _learned(estimator):
    """Names of learned attributes."""
    return [name for name in vars(estimator) if name.endswith("_") and not name.startswith("_")]


def check_refit(estimator, X, y):
    """A second fit forgets the first."""
    X, y = complete(X, y)
    model = fitted(estimator, X, y)
    if getattr(model, "warm_start", False):
        raise SkipTest("the estimator goes on from its last fit (warm_start)")
    model.fit(X[::2], y[::2])
    expected = outputs(fitted(estimator, X, y), X)
    assert_same(
        outputs(model.fit(X, y), X),
        expected,
        "A model that is fitted again must forget what it learned before",
    )


def check_parameters_unchanged(estimator, X, y):
    """fit leaves parameters as they are, and __init__ stores them as they are given."""
    X, y = complete(X, y)
    model = clone(estimator)
    before = {name: (value, repr(value)) for name, value in model.get_params(deep=False).items()}
    model.fit(X, y)
    for name, (value, text) in before.items():
        after = getattr(model, name)
        assert after is value, f"fit must not replace the parameter {name}. It was {text}, and is {after!r}."
        assert repr(after) == text, (
            f"fit must not change the parameter {name}. It was {text}, and is {after!r}."
        )
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(type(estimator)).parameters.items()
        if parameter.default is not parameter.empty
    }
    given = {name: value for name, value in estimator.get_params(deep=False).items() if name not in defaults}
    stored = type(estimator)(**given).get_params(deep=False)
    for name, default in defaults.items():
        assert stored[name] is default or stored[name] == default, (
            f"__init__ must store {name} as it is given. {default!r} became {stored[name]!r}."
        )


def check_parameter_names(estimator, X, y):  # noqa: ARG001 - checks have one signature
    """No parameter has the name of a method or property."""
    hidden = [name for name in estimator.get_params(deep=False) if hasattr(type(estimator), name)]
    assert not hidden, f"Parameters must not have names of methods or properties. These do: {hidden}."


def check_learned_attributes(estimator, X, y):
    """fit returns the estimator and sets modalities_, and classes_ of a classifier."""
    X, y = complete(X, y)
    model = clone(estimator)
    result = model.fit(X, y)
    assert result is model, f"fit must return the estimator itself. It returned {type(result).__name__}."
    modalities = getattr(model, "modalities_", None)
    assert isinstance(modalities, tuple), f"fit must set modalities_, a tuple of names. Got {modalities!r}."
    assert sorted(modalities) == sorted(X.modalities), (
        f"modalities_ must hold {X.modalities}. Got {modalities}."
    )
    if is_classifier(estimator):
        classes = getattr(model, "classes_", None)
        assert np.array_equal(classes, np.unique(y)), (
            f"classes_ must be {np.unique(y).tolist()}. Got {classes!r}."
        )
    if len(X.modalities) > 1:
        assert not hasattr(model, "n_features_in_"), (
            "n_features_in_ is for one table. It must not be set for several modalities."
        )


def check_unfitted(estimator, X, y):  # noqa: ARG001 - checks have one signature
    """Methods of an unfitted estimator raise NotFittedError."""
    for method in METHODS:
        if not hasattr(estimator, method):
            continue
        try:
            getattr(clone(estimator), method)(X)
        except NotFittedError:
            continue
        except Exception as error:
            raise AssertionError(
                f"{method} must raise NotFittedError before fit. It raised {type(error).__name__}: {error}"
            ) from error
        raise AssertionError(f"{method} must raise NotFittedError before fit. It raised nothing.")


def check_probabilities(estimator, X, y):
    """Probabilities are in [0, 1], sum to 1, have a column a class, and agree with predict."""
    if not hasattr(estimator, "predict_proba"):
        raise SkipTest("the estimator gives no probabilities")
    data = incomplete(X)
    for part, labels in ((*complete(X, y),), (data, y)):
        model = None if part is None else fitted_if_taken(estimator, part, labels)
        if model is None:
            continue
        proba, predicted = np.asarray(model.predict_proba(part)), model.predict(part)
        expected = (len(part), len(np.unique(labels)))
        assert proba.shape == expected, f"predict_proba must have shape {expected}. Got {proba.shape}."
        assert proba.min() >= 0, f"Probabilities must not be negative. The lowest is {proba.min()}."
        sums = proba.sum(axis=1)
        row = np.abs(sums - 1).argmax()
        assert np.isclose(sums[row], 1, atol=1e-5), (
            f"Probabilities must sum to 1. In row {row} they sum to {sums[row]}."
        )
        best = model.classes_[proba.argmax(axis=1)]
        wrong = np.flatnonzero(best != predicted)
        assert not len(wrong), (
            f"predict must give the most probable class. In row {wrong[0]} it gives "
            f"{predicted[wrong[0]]!r}, not {best[wrong[0]]!r}."
        )


def check_fit_transform(estimator, X, y):
    """fit_transform gives what fit and transform give one after the other."""
    if not hasattr(estimator, "fit_transform") or not hasattr(estimator, "transform"):
        raise SkipTest("the estimator transforms nothing")
    X, y = complete(X, y)
    model = clone(estimator)
    if "random_state" in model.get_params(deep=False):
        model.set_params(random_state=0)

    class _Direct:
        """What fit_transform returned, as the result of transform."""

        def transform(self, X):
            """Return it."""
            return model.fit_transform(X, y)

    expected = {k: v for k, v in outputs(fitted(estimator, X, y), X).items() if k.startswith("transform")}
    assert_same(
        outputs(_Direct(), X),
        expected,
        "fit_transform must give what fit and transform give",
        rtol=1e-4,
        atol=1e-5,
    )


def check_groups_stay_whole(estimator, X, y):
    """Early stopping with groups holds out whole groups, whether they come in X or as an argument."""
    if "early_stopping" not in estimator.get_params(deep=False):
        raise SkipTest("the estimator has no early stopping")
    X, y = complete(X, y)
    groups = np.arange(len(X)) // 2
    y = y[2 * groups % len(y)]  # a patient has one label
    stopping = clone(estimator).set_params(early_stopping=True)
    cases = {"X.groups": (rebuild(X, groups=groups), {})}
    if has_fit_parameter(estimator, "groups"):
        cases["fit(groups=)"] = (rebuild(X, groups=None), {"groups": groups})
    for where, (data, params) in cases.items():
        model = fitted(stopping, data, y, **params)
        held_out = getattr(model, "validation_rows_", None)
        if held_out is None:
            raise SkipTest("the estimator does not tell its validation_rows_")
        assert len(held_out), "early_stopping=True must hold out some samples. It held out none."
        both = set(groups[held_out]) & set(np.delete(groups, held_out))
        assert not both, (
            f"Groups must stay whole in early stopping ({where}). {len(both)} are on both sides of its split."
        )


def check_sample_weight_shape(estimator, X, y):
    """Sample weights of a wrong length are refused, and those that are given are not changed."""
    if not has_fit_parameter(estimator, "sample_weight") or not hasattr(estimator, "predict"):
        raise SkipTest("the estimator takes no sample weights")
    X, y = complete(X, y)
    weight = np.linspace(0.5, 2, len(y))
    before = weight.copy()
    fitted(estimator, X, y, sample_weight=weight)
    assert np.array_equal(weight, before), "The caller's sample_weight must not change, but it did."
    try:
        fitted(estimator, X, y, sample_weight=weight[:-1])
    except ValueError:
        return
    raise AssertionError(
        f"fit must raise a ValueError for {len(y) - 1} sample weights of {len(y)} samples. It raised nothing."
    )
