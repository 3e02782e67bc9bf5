"""Arguments of `attribute`, checked and brought to one form."""

from collections.abc import Mapping
from numbers import Integral

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.utils.validation import check_is_fitted

from skmm._training import Choice, Number, check_values
from skmm.containers import _validation as messages
from skmm.fusion import BaseFusionClassifier
from skmm.inspection._captum import OPTIONS, WITH_BASELINE

IG = "integrated_gradients"
_COUNT = Number(Integral, 1)
_INSTEAD = {
    "MultiTargetClassifier": "That of a target is explained by attribute(model.estimators_[target], X).",
    "OrdinalCascadeClassifier": "A stage of it is explained by attribute(model.estimators_[k], X).",
    "LateFusionClassifier": "Its classifiers, in estimators_, are explained one by one.",
    "AttentionPooling": "It makes vectors, no answer: its attention_weights tell what counts.",
}


def check_method(method, n_steps, rule, baseline, options):
    """Raise for arguments that a method does not take."""
    known = OPTIONS.get(method, ())
    unknown = [name for name in options if name not in known]
    if unknown:
        takes = f"takes the further arguments {list(known)}" if known else "takes no further arguments"
        raise ValueError(f"attribute(method={method!r}) {takes}. Got {unknown}.")
    if method != IG and (n_steps != "auto" or rule != "gausslegendre"):
        raise ValueError(f"n_steps and rule belong to method={IG!r}. Got method={method!r}.")
    if rule == "riemann_trapezoid" and n_steps == 1:
        raise ValueError("rule='riemann_trapezoid' needs n_steps of 2 at least. Got 1.")
    if baseline is not None and method not in {IG, *WITH_BASELINE}:
        raise ValueError(f"method={method!r} has no baseline. Got baseline={baseline!r}.")


def check_model(model):
    """Raise for what is no fusion classifier with a network."""
    if isinstance(model, BaseFusionClassifier):
        return
    if hasattr(model, "estimator"):  # a search that is not fitted holds no model yet
        check_is_fitted(model)
    instead = next((_INSTEAD[kind.__name__] for kind in type(model).__mro__ if kind.__name__ in _INSTEAD), "")
    raise ValueError(
        "attribute explains fusion classifiers with a network, such as MMDynamicsClassifier and all others "
        "that derive from BaseFusionClassifier, alone, as the last step of a Pipeline, or in a search. Got "
        f"{type(model).__name__} instead. {instead}".rstrip()
    )


def explained_codes(model, X, target, known):
    """Labels that may be explained, and which of them is, by sample."""
    several = isinstance(model.classes_, list)  # labels a sample, which have the numbers of their columns
    labels = np.arange(len(model.classes_)) if several else model.classes_
    if target is None:
        codes = np.full(len(X), int(np.argmax(model.class_prior_)))
        if known.any():
            codes[known] = model.predict_proba(X if known.all() else X[known]).argmax(axis=1)
        return labels, codes
    targets = [target] * len(X) if np.ndim(target) == 0 else list(target)
    if len(targets) != len(X):
        raise ValueError(
            f"target must be one label, or one for each of {len(X)} samples. Got {len(targets)}."
        )
    code_of = {label: code for code, label in enumerate(labels.tolist())}
    unknown = list(dict.fromkeys(label for label in targets if label not in code_of))
    if unknown:
        what = "the columns of the labels" if several else "the classes"
        raise ValueError(f"target must be among {what}, {labels.tolist()}. Got {messages.shown(unknown)}.")
    return labels, np.array([code_of[label] for label in targets])


def given_baselines(model, X, baseline, names):
    """Baselines in the units of X, as arrays of the shape of a sample, of all samples, or of an instance."""
    if baseline is None:
        return {}
    if not isinstance(baseline, Mapping):
        raise ValueError(
            f"baseline must be a dict {{modality: number or array}}. Got {type(baseline).__name__}."
        )
    unknown = [name for name in baseline if name not in names]
    if unknown:
        raise messages.unknown_names("baseline", unknown, names)
    return {name: _start(model, X, name, value) for name, value in baseline.items()}


def _start(model, X, name, value):
    """The baseline of one modality."""
    kind, shape = X.kinds[name], model.schema_.shapes[name]
    if kind == "text":
        raise ValueError(f"Modality {name!r} is text, whose baseline is a vector of zeros for each token.")
    value = value.toarray() if sp.issparse(value) else value
    array = np.asarray(value.to_numpy() if isinstance(value, (pd.DataFrame, pd.Series)) else value)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"baseline[{name!r}] must be a number or an array of numbers. Got {array.dtype}.")
    array = array.astype(np.float64)
    allowed = [(), shape] + ([] if kind == "bag" else [(len(X), *shape)])
    if array.shape not in allowed:
        raise ValueError(
            f"baseline[{name!r}] must be a number or have shape {' or '.join(map(str, allowed[1:]))}. Got "
            f"{array.shape}."
        )
    if not np.isfinite(array).all():
        raise ValueError(f"baseline[{name!r}] must be finite. Got NaN or infinity.")
    dtype = getattr(X[name], "dtype", None)
    if dtype is not None and dtype.kind in "iu" and len(shape) > 1:
        limits = np.iinfo(dtype)
        if array.min() < limits.min or array.max() > limits.max:
            raise ValueError(
                f"baseline[{name!r}] must lie within {limits.min} and {limits.max}, as {dtype} does."
            )
    return np.broadcast_to(array, shape) if array.ndim == 0 else array


def check_options(model, names, options):
    """Raise for options of a method that do not fit the modalities."""
    for option, value in options.items():
        if option == "abs":
            check_values("attribute", options, {"abs": (Choice((True, False)),)})
            continue
        if not isinstance(value, Mapping):
            raise ValueError(f"{option} must be a dict by modality. Got {type(value).__name__}.")
        unknown = [name for name in value if name not in names]
        if unknown:
            raise messages.unknown_names(option, unknown, names)
        for name, one in value.items():
            kind, shape = model.schema_.kinds[name], model.schema_.shapes[name]
            check = _check_mask if option == "feature_mask" else _check_window
            check(f"{option}[{name!r}]", one, kind, shape)


def _check_mask(what, mask, kind, shape):
    """Raise for a mask of features that does not fit an entry."""
    if kind in {"bag", "text"}:
        raise ValueError(f"{what} is for a {kind}, whose features are its instances or tokens. Leave it out.")
    mask, allowed = np.asarray(mask), dict.fromkeys([shape, shape[:2] if kind == "image" else shape])
    if mask.dtype.kind not in "biu" or mask.shape not in allowed:
        raise ValueError(f"{what} must be whole numbers of shape {shape}. Got {mask.dtype}, {mask.shape}.")


def _check_window(what, window, kind, shape):
    """Raise for a window that does not fit an entry."""
    sizes = (window,) if isinstance(window, Integral) else window
    n_axes = {"image": 2, "volume": 3}.get(kind, 1)
    fits = isinstance(sizes, (tuple, list)) and len(sizes) in {1, n_axes} and all(map(_COUNT.allows, sizes))
    limits = shape[:n_axes] if kind in {"image", "volume", "table"} else (max([1, *sizes]) if fits else 1,)
    full = tuple(sizes) * n_axes if fits and len(sizes) == 1 else sizes
    if not fits or any(size > limit for size, limit in zip(full, limits, strict=True)):
        raise ValueError(
            f"{what} must be a whole number, or {n_axes} of them, not larger than {shape[:n_axes]}. Got "
            f"{window!r}."
        )


def check_finite_gradients(values, rows):
    """Raise where attributions, tensors with a sample a row, are not finite; ``rows`` are their numbers."""
    finite = np.all([part.detach().isfinite().flatten(1).all(dim=1).cpu().numpy() for part in values], axis=0)
    if not finite.all():
        raise ValueError(
            f"The network has no finite gradient for {(~finite).sum()} samples (rows "
            f"{messages.shown(rows[~finite])}), as a square root has none at 0: use another baseline, or "
            "another rule."
        )
