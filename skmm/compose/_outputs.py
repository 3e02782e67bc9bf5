"""What comes out of a modality's transformer: its kind, names and presence, spread over all samples."""

import numpy as np
import pandas as pd
import scipy.sparse as sp

from skmm.containers import BagArray, LazyArray, ModalityDict, Schema, n_rows, placeholder, take_rows
from skmm.containers import _validation as messages

N_AXES = {"image": (3, 4), "volume": (4, 5), "bag": (3, 4, 5)}  # of arrays that keep the kind that went in


def output_kind(value, kind):
    """Kind of a transformer's output, given the kind that went in, which wins where the form leaves doubt.

    None where the container is to infer it, or to say that it cannot.
    """
    if isinstance(value, BagArray):
        return "bag"
    n_axes = getattr(value, "ndim", None)
    if n_axes == 2:
        return "table"
    if n_axes is not None and n_axes > 1:
        return kind if n_axes in N_AXES.get(kind, ()) else None
    if kind in {"image", "bag"} and not hasattr(value, "to_frame") and hasattr(value, "__len__"):
        first = next((entry for entry in value if entry is not None), None)
        return kind if np.ndim(first) > 1 else None
    return None


def feature_names_out(transformer, value, names_in):
    """Names of the columns of an output, or None where neither it nor its transformer tells."""
    if isinstance(value, pd.DataFrame) or getattr(value, "ndim", None) != 2:
        return None  # a DataFrame's are its columns
    if not hasattr(transformer, "get_feature_names_out"):
        return None
    try:
        names = transformer.get_feature_names_out(names_in)
    except AttributeError:  # a Pipeline, one step of which has no names
        return None
    return names if len(names) == value.shape[1] else None


def read_output(value, transformer, name, kind, value_in, rows, names_in):
    """Bring what a transformer returned for the present rows to a ModalityDict of one modality.

    ``rows`` are the numbers of these rows, for messages.

    Raises
    ------
    ValueError
        If there is not one row a sample, the output is no modality, or it is NaN where the input was
        complete.
    """
    who = f"{type(transformer).__name__}, the transformer of modality {name!r},"
    expected = n_rows(value_in)
    if not hasattr(value, "__len__") and not hasattr(value, "shape"):
        raise ValueError(
            f"{who} must return an array with one row a sample. Got {type(value).__name__} instead."
        )
    if n_rows(value) != expected:
        raise ValueError(
            f"{who} must return one row a sample, {expected} for as many present rows. "
            f"Got {n_rows(value)} instead: transformers of modalities neither drop nor add samples."
        )
    kind_out = output_kind(value, kind)
    names = feature_names_out(transformer, value, names_in)
    try:
        out = ModalityDict(
            {name: value},
            kinds=None if kind_out is None else {name: kind_out},
            feature_names=None if names is None else {name: names},
        )
    except (TypeError, ValueError) as error:
        raise ValueError(f"{who} returned what is no modality. {error}") from error
    lost = np.flatnonzero(~out.is_present(name))
    if len(lost) and out.kinds[name] not in {"bag", "text"}:
        lost = lost[~_has_nan(value_in, lost)]  # partly NaN rows may lose the rest: they become missing
        if len(lost):
            raise ValueError(
                f"{who} returned nothing but NaN for {len(lost)} of {expected} present rows "
                f"({messages.shown(rows[lost])}). Check its input and its parameters."
            )
    return out


def _has_nan(value, rows):
    """Which of some rows of an input hold NaN."""
    chosen = take_rows(value, rows)
    if isinstance(chosen, pd.DataFrame):
        return chosen.isna().any(axis=1).to_numpy()
    if isinstance(chosen, np.ndarray) and chosen.ndim == 2 and chosen.dtype.kind in "fO":
        return pd.isna(chosen).any(axis=1)
    return np.zeros(len(rows), dtype=bool)


def spread_rows(value, rows, n_samples):
    """Put the rows of a modality at ``rows`` of ``n_samples``; the others are missing entries.

    Data types stay. Missing entries are NaN, None or an empty bag where the form has that, and 0 elsewhere,
    where only the presence says that they are missing.
    """
    if len(rows) == n_samples:
        return value
    if isinstance(value, BagArray):
        lengths = np.zeros(n_samples, dtype=np.int64)
        lengths[rows] = value.lengths
        return BagArray(value.values, np.concatenate([[0], np.cumsum(lengths)]))
    if isinstance(value, LazyArray):
        source = np.zeros(
            n_samples, dtype=np.intp
        )  # missing entries point to the first row: they are never looked at
        source[rows] = np.arange(len(rows))
        return value.select(source)
    if sp.issparse(value):
        return _spread_sparse(value, rows, n_samples)
    if isinstance(value, pd.DataFrame):
        return _spread_frame(value, rows, n_samples)
    shape = (n_samples, *value.shape[1:])
    filler = {"f": np.nan, "c": np.nan, "O": None if value.ndim == 1 else np.nan}.get(value.dtype.kind)
    spread = (
        np.zeros(shape, dtype=value.dtype)
        if filler is None and value.dtype != object
        else np.full(shape, filler, value.dtype)
    )
    spread[rows] = value
    return spread


def _spread_sparse(value, rows, n_samples):
    """Rows of a sparse matrix among empty ones; no copy of its values."""
    csr = value.tocsr()
    lengths = np.zeros(n_samples, dtype=csr.indptr.dtype)
    lengths[rows] = np.diff(csr.indptr)
    indptr = np.concatenate([csr.indptr[:1], np.cumsum(lengths, dtype=csr.indptr.dtype)])
    return type(csr)((csr.data, csr.indices, indptr), shape=(n_samples, csr.shape[1]))


def _spread_frame(value, rows, n_samples):
    """Rows of a DataFrame among missing ones; columns that cannot hold NA (integers, booleans) hold 0."""
    spread = value.set_axis(rows, axis=0).reindex(np.arange(n_samples))
    changed = [
        column for column in range(value.shape[1]) if spread.dtypes.iloc[column] != value.dtypes.iloc[column]
    ]
    if not changed:
        return spread
    columns = [
        spread.iloc[:, column].fillna(0).astype(value.dtypes.iloc[column])
        if column in set(changed)
        else spread.iloc[:, column]
        for column in range(value.shape[1])
    ]
    return pd.concat(columns, axis=1)


def schema_of(outputs, transformers, schema_in):
    """Schema of all that comes out: of the transformed modalities and of those passed through."""
    schemas = {
        name: Schema.of(outputs[name]) if name in outputs else schema_in
        for name, transformer in transformers.items()
        if name in outputs or transformer == "passthrough"
    }
    fields = {
        field: {name: getattr(schema, field)[name] for name, schema in schemas.items()}
        for field in ("kinds", "shapes", "feature_names")
    }
    sparse = frozenset(name for name, schema in schemas.items() if name in schema.sparse)
    return Schema(names=tuple(schemas), **fields, sparse=sparse)


def assemble(X, outputs, schema, transformers):
    """Join what came out of the present rows of X and what passes through: a container of all samples.

    A modality that X does not hold is absent; one that it holds and that all samples lack is missing for all.
    """
    n_samples = len(X)
    names = [name for name in schema.names if name in X] or schema.names  # a container is never empty
    data, kinds, feature_names, present = {}, {}, {}, []
    for name in names:
        has = np.zeros(n_samples, dtype=bool)
        if name in outputs:
            rows, out = np.flatnonzero(X.is_present(name)), outputs[name]
            has[rows] = out.is_present(name)
            value, kind, columns = (
                spread_rows(out[name], rows, n_samples),
                out.kinds[name],
                out.feature_names[name],
            )
            if isinstance(value, pd.DataFrame):
                value = value.set_axis(np.arange(n_samples) if X.index is None else X.index, axis=0)
        elif name in X and isinstance(transformers[name], str):
            value, kind, columns, has = X[name], X.kinds[name], X.feature_names[name], X.is_present(name)
        else:
            kind, columns = schema.kinds[name], schema.feature_names[name]
            value = placeholder(kind, schema.shapes[name], n_samples, sparse=name in schema.sparse)
        data[name], kinds[name], feature_names[name] = value, kind, columns
        present.append(has)
    return ModalityDict._build(data, kinds, np.column_stack(present), feature_names, X.index, X.groups)
