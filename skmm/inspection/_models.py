"""From a fitted pipeline or search to the model inside it, and to the samples as that model sees them."""

from collections.abc import Mapping
from typing import NamedTuple

from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from skmm.containers import ModalityDict, as_modality_dict

_WITH = {
    "feature_informativeness": "MMDynamicsClassifier or ImageMMDynamics",
    "modality_confidence": "MMDynamicsClassifier or ImageMMDynamics",
    "modality_proba": "MMDynamicsClassifier or ImageMMDynamics",
    "attention_weights": "HEALNetClassifier or MCATClassifier",
}


class Seen(NamedTuple):
    """A model, what it is handed, and the modalities whose feature names were lost before it."""

    model: object
    X: ModalityDict
    unnamed: frozenset


def _names_of(X):
    """Feature names by modality, of those that have some."""
    return {name: names for name, names in X.feature_names.items() if names is not None}


def _apply(step, X):
    """Transform by one step; a bare table keeps its names where the step tells what became of them."""
    names_in = getattr(step, "feature_names_in_", None)
    out = step.transform(X)
    if isinstance(out, Mapping) or hasattr(out, "columns") or not hasattr(step, "get_feature_names_out"):
        return out
    try:
        names = step.get_feature_names_out(names_in)
    except (AttributeError, ValueError, NotImplementedError):  # a step that tells no names
        return out
    is_named = names_in is not None or isinstance(X, Mapping)  # else scikit-learn makes names up
    fits = is_named and getattr(out, "ndim", 0) == 2 and len(names) == out.shape[1]
    return ModalityDict({"x": out}, kinds={"x": "table"}, feature_names={"x": names}) if fits else out


def _transformers(steps):
    """Steps one after the other, those of pipelines within a pipeline too."""
    for _, step in steps:
        if hasattr(step, "steps"):
            yield from _transformers(step.steps)
        else:
            yield step


def reached(estimator, X, trace=None):
    """The model inside an estimator, X as it reaches it, and names of features that were there on the way.

    ``trace`` is called with each transformer that is passed, what went in, and what came out.
    """
    before = {}
    while True:
        if isinstance(estimator, FrozenEstimator):
            estimator = estimator.estimator
        elif hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif hasattr(estimator, "steps"):
            check_is_fitted(estimator)
            given = as_modality_dict(X)
            before = {**before, **_names_of(given)}
            for step in _transformers(estimator.steps[:-1]):
                if step is not None and hasattr(step, "transform"):  # neither "passthrough" nor a sampler
                    out = _apply(step, X)
                    if trace is not None:
                        trace(step, X, out)
                    X = out
            estimator = estimator.steps[-1][1]
        else:
            return estimator, X, before


def as_seen(model, X, before):
    """A fitted model, and X as a ModalityDict with the names of features that are known."""
    check_is_fitted(model)
    schema = getattr(model, "schema_", None)
    X = as_modality_dict(X, kinds=getattr(schema, "kinds", None))
    after = _names_of(X)
    if schema is not None:  # names of fit, where new data have none
        fitted = {
            k: v for k, v in schema.feature_names.items() if v is not None and k in X and k not in after
        }
        X = ModalityDict(X, feature_names=fitted) if fitted else X
        after |= fitted
    unnamed = {name for name in before if name in X and name not in after and X.kinds[name] == "table"}
    return Seen(model, X, frozenset(unnamed))


def seen_by_model(estimator, X, methods, who):
    """The model in an estimator that has ``methods``, and X as it reaches it; raises where there is none."""
    model, X, before = reached(estimator, X)
    absent = [method for method in methods if not hasattr(model, method)]
    if absent:
        if hasattr(model, "estimator") and not hasattr(model, "predict_proba"):
            raise NotFittedError(f"{type(model).__name__} is not fitted yet. Call fit first.")
        raise ValueError(
            f"{who} needs an estimator with the method {absent[0]}, as {_WITH[absent[0]]} has, alone, as the "
            f"last step of a Pipeline, or in a search. Got {type(model).__name__} instead."
        )
    return as_seen(model, X, before)
