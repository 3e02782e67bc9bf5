"""Fit and apply the transformer of one modality: what it is handed, in this process or another."""

import inspect
from contextlib import contextmanager
from time import perf_counter

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing

from skmm.compose._outputs import read_output
from skmm.containers import _validation as messages
from skmm.containers import n_rows, read_rows, stack_rows, take_rows


def accepts_lazy(transformer):
    """Whether a transformer reads lazy arrays itself: it says so by the attribute ``_accepts_lazy = True``.

    A Pipeline does when its first step does. Any other gets the array in memory.
    """
    if isinstance(transformer, Pipeline):
        steps = [step for _, step in transformer.steps if step is not None and not isinstance(step, str)]
        return bool(steps) and accepts_lazy(steps[0])
    return getattr(transformer, "_accepts_lazy", False)


def take_metadata(value, rows, n_samples):
    """Rows of something that has one entry a sample; anything else as it is."""
    if (
        value is None
        or isinstance(value, (str, bytes, dict))
        or not (hasattr(value, "shape") or hasattr(value, "__len__"))
    ):
        return value
    if np.ndim(value) == 0 or n_rows(value) != n_samples:
        return value
    return _safe_indexing(value, rows)


def _handed(value, transformer):
    """What a transformer is handed: lazy arrays are read, unless it takes them."""
    return value if accepts_lazy(transformer) else read_rows(value, slice(None))


def _takes(method, params):
    """Whether a method takes all of some keyword arguments."""
    parameters = inspect.signature(method).parameters
    return any(p.kind is p.VAR_KEYWORD for p in parameters.values()) or set(params) <= set(parameters)


def fit_one(job, kind, values, y, params, feature_names, *, full, verbose):
    """Fit a clone of a job's transformer on the present rows of its modalities.

    Parameters
    ----------
    job : Job
        The transformer, which stays unfitted; its modalities, which are stacked where there are several.
    kind : str
        Their kind.
    values : list of arrays
        The present rows of each.
    y : array-like or None
        Targets of these rows, all modalities one after the other.
    params : dict
        Keyword arguments of "fit" and "fit_transform" for these rows, and a list of those of "transform", one
        a modality.
    feature_names : list
        Feature names of each modality, or None.
    full : bool
        Whether the transformed rows are wanted; if not, the first is transformed, to learn what comes out.
    verbose : str or None
        Text to print with the time it took.

    Returns
    -------
    transformer, outputs : the fitted clone, and a ModalityDict a modality
    """
    with _watched(job.template, job.names, verbose):
        transformer, rows = clone(job.template), job.rows
        values = [_handed(value, transformer) for value in values]
        stacked = values[0] if len(values) == 1 else stack_rows(values)
        if (
            full
            and hasattr(transformer, "fit_transform")
            and _takes(transformer.fit_transform, params["fit_transform"])
        ):
            pieces = _split(transformer.fit_transform(stacked, y, **params["fit_transform"]), values)
        else:
            transformer.fit(stacked, y, **params["fit"])
            if not full:
                values, rows = (
                    [take_rows(value, slice(0, 1)) for value in values],
                    [numbers[:1] for numbers in rows],
                )
            pieces = [
                transformer.transform(value, **kw)
                for value, kw in zip(values, params["transform"], strict=True)
            ]
    outputs = [
        read_output(piece, transformer, name, kind, value, numbers, columns)
        for piece, name, value, numbers, columns in zip(
            pieces, job.names, values, rows, feature_names, strict=True
        )
    ]
    return transformer, outputs


def _split(returned, values):
    """What fit_transform returned for stacked modalities, modality by modality."""
    lengths = [n_rows(value) for value in values]
    if len(values) == 1 or not hasattr(returned, "__getitem__") or n_rows(returned) != sum(lengths):
        return [returned] * len(values)  # where the number of rows is wrong, read_output says so
    ends = np.cumsum(lengths)
    return [take_rows(returned, slice(end - length, end)) for length, end in zip(lengths, ends, strict=True)]


def transform_one(transformer, name, kind, value, rows, params, feature_names, *, verbose):
    """Transform the present rows of one modality to a ModalityDict."""
    with _watched(transformer, [name], verbose):
        value = _handed(value, transformer)
        returned = transformer.transform(value, **params)
    return read_output(returned, transformer, name, kind, value, rows, feature_names)


@contextmanager
def _watched(transformer, names, verbose):
    """Print the time that a transformer takes, if asked to; note on an error of its own which one it was."""
    start = perf_counter()
    try:
        yield
    except Exception as error:
        error.add_note(
            f"Raised by {type(transformer).__name__}, the transformer of modality {messages.quoted(names)}."
        )
        raise
    if verbose:
        print(f"[ModalityTransformer] {verbose}, {perf_counter() - start:.1f} s")  # noqa: T201 - asked for
