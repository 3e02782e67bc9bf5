"""Which transformer is fitted on which rows of which modalities, with which metadata."""

import warnings
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from skmm.compose._fitting import take_metadata
from skmm.compose._named import parameter_of
from skmm.containers import BagArray, Schema, take_rows
from skmm.containers import _validation as messages
from skmm.containers._frames import object_array
from skmm.exceptions import NoModalityWarning

METADATA = ("sample_weight", "groups")


@dataclass
class Job:
    """One transformer to fit: its parameter's name, its modalities and the numbers of their present rows."""

    param: str
    template: object
    names: list = field(default_factory=list)
    rows: list = field(default_factory=list)


def plan(X, keys, transformers, remainder, *, share):
    """Jobs to do, and by modality what it gets (a template or a keyword) and that parameter's name.

    Parameters
    ----------
    X : ModalityDict
        The training data.
    keys : dict of str -> str or tuple
        Key of ``transformers`` of each modality that is named there.
    transformers, remainder, share
        Parameters of ModalityTransformer.

    Returns
    -------
    jobs, chosen, params : list of Job, dict, dict
    """
    absent = [name for name in keys if name not in X]
    if absent:
        raise ValueError(
            f"transformers names {messages.quoted(absent)}, but X holds {messages.quoted(X)}. "
            "Give these modalities (None or NaN where samples lack them), or remove them from transformers."
        )
    jobs, chosen, params = {}, {}, {}
    for name in X:
        key = keys.get(name)
        template = remainder if key is None else transformers[key]
        rows = np.flatnonzero(X.is_present(name))
        if not len(rows):
            text = messages.modality_never_present_warning(name, "ModalityTransformer leaves it out")
            warnings.warn(text, NoModalityWarning, stacklevel=4)
            continue
        chosen[name] = template
        params[name] = "remainder" if key is None else parameter_of(key)
        if isinstance(template, str):
            continue
        job = jobs.setdefault(key if share and key is not None else name, Job(params[name], template))
        job.names.append(name)
        job.rows.append(rows)
    if not chosen:
        raise messages.nothing_present("ModalityTransformer")
    if all(isinstance(template, str) and template == "drop" for template in chosen.values()):
        raise ValueError("ModalityTransformer drops every modality: keep at least one.")
    for job in jobs.values():
        if len(job.names) > 1:
            _check_alike(Schema.of(X), job.names)
    return list(jobs.values()), chosen, params


def _check_alike(schema, names):
    """Refuse to share a transformer between modalities of different kind, shape or features."""
    first = names[0]
    for name in names[1:]:
        columns, others = schema.feature_names[first], schema.feature_names[name]
        same_columns = columns is None or others is None or np.array_equal(columns, others)
        alike = schema.kinds[first] == schema.kinds[name] and schema.shapes[first] == schema.shapes[name]
        if not alike or not same_columns:
            raise ValueError(
                "share=True needs modalities of the same kind, shape and features. "
                f"{first!r} is of kind {schema.kinds[first]!r} with entries of shape {schema.shapes[first]}, "
                f"{name!r} of kind {schema.kinds[name]!r} with {schema.shapes[name]}"
                f"{'' if same_columns else ' and other feature names'}: use one key for each."
            )


def present_part(X, name, rows):
    """The present rows of a modality: lazy where it is, and safe from being written to."""
    if len(rows) == len(X):
        return read_only(X[name])
    part = take_rows(X[name], rows)
    return read_only(part) if X.kinds[name] == "image" else part  # images of different sizes are not copied


def read_only(value):
    """The caller's data as a transformer with ``copy=False`` copies them instead of writing into them."""
    if isinstance(value, np.ndarray):
        if value.dtype == object and value.ndim == 1:  # images of different sizes, or documents
            value = object_array([read_only(entry) for entry in value])
        value = value.view()
        value.flags.writeable = False
    elif isinstance(value, BagArray) and isinstance(value.values, np.ndarray):
        return BagArray(read_only(value.values), value.offsets)
    elif sp.issparse(value):
        return type(value)((read_only(value.data), value.indices, value.indptr), shape=value.shape)
    elif (
        isinstance(value, pd.DataFrame)
        and len(set(value.dtypes)) == 1
        and isinstance(value.dtypes.iloc[0], np.dtype)
    ):
        return value.copy()  # scikit-learn makes its array writeable; mixed types it copies itself
    return value


def fit_metadata(transformer, metadata):
    """Those of ``sample_weight`` and ``groups`` that a transformer's fit takes; in a Pipeline, by step."""
    if isinstance(transformer, Pipeline):
        return {
            f"{name}__{key}": value
            for name, step in transformer.steps
            if hasattr(step, "fit")
            for key, value in fit_metadata(step, metadata).items()
        }
    return {key: value for key, value in metadata.items() if has_fit_parameter(transformer, key)}


def keyword_arguments(job, method, metadata, routed, n_samples):
    """Keyword arguments of a job's fit and fit_transform, and of transform for each modality, for their rows.

    ``routed`` is what metadata routing hands on, None where it is off. After ``method="fit"`` only the first
    present row of each modality is transformed.
    """
    if routed is None:
        taken = fit_metadata(job.template, metadata)
        calls = {"fit": taken, "fit_transform": taken, "transform": {}}
    else:
        calls = {call: routed[job.param].get(call, {}) for call in ("fit", "fit_transform", "transform")}

    def chosen(call, rows):
        return {key: take_metadata(value, rows, n_samples) for key, value in calls[call].items()}

    rows = np.concatenate(job.rows)
    transformed = [numbers[:1] for numbers in job.rows] if method == "fit" else job.rows
    return {
        "fit": chosen("fit", rows),
        "fit_transform": chosen("fit_transform", rows),
        "transform": [chosen("transform", numbers) for numbers in transformed],
    }
