"""Labels of several targets, and what is checked of the parameters that name targets."""

import warnings
from collections.abc import Mapping

import numpy as np
import pandas as pd

from skmm._training import encode_labels
from skmm.containers import ModalityDict
from skmm.containers import _validation as messages


def as_targets(y, who="MultiTargetClassifier"):
    """Labels as a DataFrame, a column a target; those without names are numbered from 0.

    Parameters
    ----------
    y : DataFrame, Series or array-like of shape (n_samples, n_targets) or (n_samples,)
        Labels; None, NaN and NA are holes.
    who : str, default="MultiTargetClassifier"
        Who asks, for messages.
    """
    if y is None:
        raise ValueError(f"{who} requires y to be passed, but the target y is None.")
    if isinstance(y, pd.Series):
        y = y.to_frame(0 if y.name is None else y.name)
    elif not isinstance(y, pd.DataFrame):
        y = np.asarray(y)
        if y.ndim not in {1, 2}:
            raise ValueError(f"y must have one column a target. Got {y.ndim} dimensions instead.")
        y = pd.DataFrame(y)
    if not y.shape[1]:
        raise ValueError(f"{who} needs at least one target. Got y without columns.")
    if not y.columns.is_unique:
        twice = y.columns[y.columns.duplicated()].unique().tolist()
        raise ValueError(f"y must have different names for its columns. These occur twice: {twice}.")
    return y


def labels_of(column):
    """Labels of one target without holes: an array, or an ordered categorical that knows its order."""
    if isinstance(column.dtype, pd.CategoricalDtype) and column.dtype.ordered:
        return column
    return column.infer_objects().to_numpy()


def check_same_samples(X, y):
    """Raise where X and y hold the same sample ids in another order."""
    index = getattr(X, "index", None)
    if not isinstance(index, pd.Index) or index.equals(y.index) or len(index) != len(y):
        return
    if index.is_unique and y.index.is_unique and index.isin(y.index).all():
        raise ValueError(
            "X and y hold the same sample ids in another order. Bring them to one order: y = y.loc[X.index]."
        )


def encode_target(estimator, target, column):
    """Labels of one target without holes, its classes, and each label as a number."""
    labels = labels_of(column)
    if not len(labels):
        return labels, np.empty(0), np.empty(0, dtype=np.int64)
    try:
        return labels, *encode_labels(estimator, labels, np.asarray(labels))
    except ValueError as error:
        error.add_note(f"Raised by the labels of target {target!r}.")
        raise


def estimators_by_target(own, targets, parameters):
    """Unfitted classifier of each target, from one for all or a dict, checked."""
    if isinstance(own, Mapping):
        unknown = [target for target in own if target not in targets]
        lacking = [target for target in targets if target not in own]
        if unknown or lacking:
            what = f"no target {unknown}" if unknown else f"no classifier for {lacking}"
            raise ValueError(
                f"estimator must name every target of y, and no other. There is {what}; the targets are "
                f"{targets}."
            )
        taken = sorted({str(target) for target in own} & set(parameters))
        if taken:
            raise ValueError(
                f"{taken} are names of parameters of MultiTargetClassifier: rename these targets."
            )
    templates = {target: own[target] if isinstance(own, Mapping) else own for target in targets}
    for target, template in templates.items():
        if isinstance(template, type) or not (hasattr(template, "fit") and hasattr(template, "predict")):
            where = f"estimator[{target!r}]" if isinstance(own, Mapping) else "estimator"
            raise TypeError(f"{where} must be a classifier instance. Got {template!r} instead.")
    return templates


def modalities_by_target(given, X, targets):
    """Names of the modalities of the targets that may not see all, checked."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise ValueError(
            "The 'modalities' parameter of MultiTargetClassifier must be a dict {target: [names]}. "
            f"Got {given!r} instead."
        )
    if not isinstance(X, ModalityDict):
        raise ValueError("modalities names modalities, but X is one table. Hand over a dict of modalities.")
    unknown = [target for target in given if target not in targets]
    if unknown:
        raise ValueError(f"modalities names {unknown}, but the targets of y are {targets}.")
    seen = {target: [own] if isinstance(own, str) else list(own) for target, own in given.items()}
    for target, names in seen.items():
        absent = [name for name in names if name not in X]
        if absent:
            raise messages.unknown_names(f"modalities[{target!r}]", absent, list(X))
        if not names or len(set(names)) < len(names):
            raise ValueError(
                f"modalities[{target!r}] must hold one name or more, each once. Got {names!r} instead."
            )
    return seen


def shares(totals, classes):
    """Share of each class in the weights of its labels."""
    weights = np.array([totals.get(label, 0.0) for label in classes.tolist()])
    return weights / weights.sum()


def warn_of_targets(alone, empty):
    """Warn of targets with one class, and of those without a label."""
    if alone:
        text = f"{len(alone)} targets have one class only ({messages.shown(alone)}): they get it always."
        warnings.warn(text, UserWarning, stacklevel=3)
    if empty:
        text = f"{len(empty)} targets have no label ({messages.shown(empty)}): they are left out."
        warnings.warn(text, UserWarning, stacklevel=3)
