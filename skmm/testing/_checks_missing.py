"""Checks of missing modalities: absent keys, content that must not matter, samples with nothing."""

import warnings
from unittest import SkipTest

import numpy as np
from sklearn.base import is_classifier

from skmm.exceptions import NoModalityWarning
from skmm.testing._compare import assert_same, fitted, fitted_if_taken, outputs, take
from skmm.testing._data import filled, incomplete, rebuild


def _incomplete(X):
    """Data with missing entries, or a skip."""
    data = incomplete(X)
    if data is None:
        raise SkipTest("there is one modality only, and all samples have it")
    return data


def _fitted(estimator, X, y):
    """A fitted clone, or a skip where the estimator takes no missing modality."""
    model = fitted_if_taken(estimator, X, y)
    if model is None:
        raise SkipTest("the estimator takes no missing modality (it raises MissingModalityError)")
    return model


def check_missing_equals_absent_key(estimator, X, y):
    """A modality that is missing for all samples equals a key that is not there."""
    X = _incomplete(X)
    model = _fitted(estimator, X, y)
    for position, name in enumerate(X.modalities):
        others = [other for other in X.modalities if other != name]
        rows = np.flatnonzero(np.delete(X.present, position, axis=1).any(axis=1))
        part = X[rows]
        masks = {other: part.is_present(other) for other in others}
        without = rebuild(part, present={**masks, name: np.zeros(len(part), dtype=bool)})
        law = f"With {name!r} missing for every sample the result must be that without the key"
        assert_same(outputs(model, part[others]), outputs(model, without), law)


def check_absent_content_is_ignored(estimator, X, y):
    """Whatever stands where a modality is missing has no influence, in fit and after it."""
    X = _incomplete(X)
    versions = {
        fill: rebuild(X, {name: filled(X[name], ~X.is_present(name), fill) for name in X})
        for fill in (0.0, 1e30, "mixed")
    }
    expected = outputs(_fitted(estimator, versions[0.0], y), versions[0.0])
    for fill, data in versions.items():
        if fill != 0.0:
            what = "NaN and infinities" if fill == "mixed" else f"{fill:g}"
            law = f"Absent entries that hold {what} rather than 0 must change nothing"
            assert_same(outputs(fitted(estimator, data, y), data), expected, law)


def check_no_nan(estimator, X, y):
    """No number that comes out is NaN or infinite, whatever is missing."""
    X = _incomplete(X)
    model = _fitted(estimator, X, y)
    for name, value in outputs(model, X).items():
        if value.dtype.kind == "f" and " of " not in name:  # modalities that come out may be missing
            rows = np.flatnonzero(~np.isfinite(value.reshape(len(value), -1)).all(axis=1))
            assert not len(rows), (
                f"{name} must be finite. It is not in {len(rows)} rows, the first of which is {rows[0]}."
            )


def check_sample_with_nothing(estimator, X, y):
    """A sample with no modality is left out of fit and gets the class prior, with one warning each time."""
    if not hasattr(estimator, "predict"):
        raise SkipTest("the estimator predicts nothing")
    X = _incomplete(X)
    nothing = np.zeros(len(X), dtype=bool)
    nothing[[1, 4]] = True
    data = rebuild(X, present={name: X.is_present(name) & ~nothing for name in X})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = _fitted(estimator, data, y)
    _check_warned(caught, "fit")
    rows = np.flatnonzero(~nothing)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        got = {method: np.asarray(getattr(model, method)(data)) for method in _predicting(model)}
    per_call = [w for w in caught if issubclass(w.category, NoModalityWarning)]
    n_methods = len(_predicting(model))
    assert len(per_call) == n_methods, (
        f"Predictions for samples with no modality must warn once a call (NoModalityWarning). "
        f"Got {len(per_call)} warnings in {n_methods} calls."
    )
    if "predict_proba" in got and getattr(estimator, "class_weight", None) is None:
        prior = np.unique(y[rows], return_counts=True)[1] / len(rows)
        assert np.allclose(got["predict_proba"][nothing], prior, atol=1e-5), (
            f"A sample with no modality must get the class prior {prior.round(4).tolist()}. "
            f"Got {got['predict_proba'][nothing][0].round(4).tolist()}."
        )
    reference = _fitted(estimator, X[rows], y[rows])
    law = "Samples with no modality must not count in fit"
    assert_same(take(outputs_of(model, data[rows]), slice(None)), outputs_of(reference, X[rows]), law)


def outputs_of(model, X):
    """Probabilities or predictions alone, for transforms need not exist for samples with nothing."""
    return {name: value for name, value in outputs(model, X).items() if not name.startswith("transform")}


def _predicting(model):
    """Methods that predict."""
    return [method for method in ("predict_proba", "predict") if hasattr(model, method)]


def _check_warned(caught, where):
    """Raise unless there was one warning, which tells how many samples have no modality."""
    texts = [str(warning.message) for warning in caught if issubclass(warning.category, NoModalityWarning)]
    assert len(texts) == 1, (
        f"{where} must warn once (NoModalityWarning) of samples with no modality. Got {texts}."
    )
    assert "2" in texts[0], f"The warning must tell that 2 samples have no modality. Got {texts[0]!r}."


def check_nothing_at_all(estimator, X, y):
    """Fit refuses data in which no sample has any modality."""
    if not hasattr(estimator, "predict"):
        raise SkipTest("the estimator predicts nothing")
    X = rebuild(X, present={name: np.zeros(len(X), dtype=bool) for name in X})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoModalityWarning)
        try:
            fitted(estimator, X, y)
        except ValueError:
            return
    raise AssertionError("fit must raise a ValueError where no sample has any modality. It raised nothing.")


def check_modality_never_present(estimator, X, y):
    """A modality that no sample of fit has is left out, with a warning."""
    if not hasattr(estimator, "predict") or len(X.modalities) < 2:
        raise SkipTest("the estimator predicts nothing, or there is one modality only")
    name, *others = X.modalities
    rows = np.flatnonzero(X[others].present.any(axis=1))
    X, y = X[rows], y[rows]
    masks = {other: X.is_present(other) for other in others}
    data = rebuild(X, present={**masks, name: np.zeros(len(X), dtype=bool)})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = _fitted(estimator, data, y)
    texts = [str(warning.message) for warning in caught if issubclass(warning.category, NoModalityWarning)]
    assert any(name in text for text in texts), (
        f"fit must warn (NoModalityWarning) that no sample has {name!r}, and name it. Got {texts}."
    )
    law = f"{name!r}, which no sample of fit has, must not count"
    assert_same(outputs_of(model, X), outputs_of(model, X[others]), law)
    if is_classifier(estimator):
        proba = model.predict(X[others])
        assert len(proba) == len(X), f"predict must give {len(X)} labels. Got {len(proba)}."
