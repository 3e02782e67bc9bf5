"""What is filled into tables: predicted numbers, in the type and form that the tables have."""

import numpy as np
import pandas as pd
from scipy.spatial.distance import cdist

from skmm.containers import read_rows
from skmm.containers._entries import cast_numbers

_CHUNK = 1 << 22  # distances held in memory at once


def nearest_means(queries, here, donors, there, widths, wanted, n_neighbors):
    """Mean of one modality over the nearest donors that have it.

    The distance is the mean, over the modalities that both have, of the mean squared difference of their
    columns, so that each modality counts the same whatever its width.

    Parameters
    ----------
    queries, donors : list of ndarray of shape (n_queries, width) and (n_donors, width)
        Standardized modalities.
    here, there : ndarray of bool of shape (n_queries, n_modalities) and (n_donors, n_modalities)
        Which of them queries and donors have.
    widths : list of int
        Number of columns of each modality over which a mean is taken.
    wanted : int
        The modality; no query has it.
    n_neighbors : int
        Number of donors; fewer where fewer share a modality with the query.

    Returns
    -------
    ndarray of shape (n_queries, width)
        The means; zero where no donor shares a modality with the query.
    """
    chosen = np.flatnonzero(there[:, wanted])
    values, n_neighbors = donors[wanted][chosen], min(n_neighbors, len(chosen))
    means = np.zeros((len(here), values.shape[1]))
    step = max(1, _CHUNK // max(1, len(chosen)))
    for start in range(0, len(here) if n_neighbors else 0, step):
        rows = np.arange(start, min(start + step, len(here)))
        total, shared = np.zeros((2, len(rows), len(chosen)))
        for column, width in enumerate(widths):
            ours, theirs = np.flatnonzero(here[rows, column]), np.flatnonzero(there[chosen, column])
            if not len(ours) or not len(theirs):
                continue
            block = np.ix_(ours, theirs)
            # A loop over pairs: a matrix product would round alone otherwise than in company, and ties break
            pairs = cdist(queries[column][rows[ours]], donors[column][chosen[theirs]], "sqeuclidean")
            total[block] += pairs / max(width, 1)
            shared[block] += 1
        distance = np.divide(total, shared, where=shared > 0, out=np.full_like(total, np.inf))
        nearest = np.argsort(distance, axis=1, kind="stable")[:, :n_neighbors]
        counts = np.isfinite(np.take_along_axis(distance, nearest, axis=1))  # (n_rows, n_neighbors)
        summed = np.einsum("ij,ijk->ik", counts.astype(float), values[nearest])
        means[rows] = summed / np.maximum(counts.sum(axis=1), 1)[:, None]
    return means


def template_of(value):
    """No rows of a table: its form, columns and types."""
    if isinstance(value, pd.DataFrame):
        return value.iloc[:0].copy()
    return np.empty((0, *value.shape[1:]), dtype=value.dtype)


def missing_like(template, index, n_samples):
    """A table of the form of a template that is missing for all samples: NaN where the type has it, or 0."""
    if not isinstance(template, pd.DataFrame):
        filler = np.nan if template.dtype.kind in "fO" else 0
        return np.full((n_samples, *template.shape[1:]), filler, dtype=template.dtype)
    index = pd.RangeIndex(n_samples) if index is None else index
    columns = []
    for position, dtype in enumerate(template.dtypes):
        filler = 0 if getattr(dtype, "kind", "O") in "biu" and isinstance(dtype, np.dtype) else np.nan
        filler = pd.NA if not isinstance(dtype, np.dtype) else filler
        column = pd.Series([filler] * n_samples, index=index, dtype=dtype)
        columns.append(column.rename(template.columns[position]))
    return pd.concat(columns, axis=1).set_axis(template.columns, axis=1)


def with_rows(value, rows, numbers):
    """A copy of a table, in memory, with numbers in some of its rows; types of columns stay.

    Parameters
    ----------
    value : DataFrame, ndarray or LazyArray of shape (n_samples, n_features)
        The table; the other rows stay as they are, bit for bit.
    rows : ndarray of int of shape (n_rows,)
        Where to write.
    numbers : ndarray of float64 of shape (n_rows, n_features)
        What to write.

    Returns
    -------
    DataFrame or ndarray
        The table.
    """
    value = read_rows(value, slice(None))
    if not isinstance(value, pd.DataFrame):
        table = np.array(value)
        table[rows] = cast_numbers(numbers, value.dtype if value.dtype != object else np.float64)
        return table
    dtypes = value.dtypes
    if len(set(dtypes)) == 1 and isinstance(dtypes.iloc[0], np.dtype) and dtypes.iloc[0].kind != "O":
        table = value.to_numpy(copy=True)
        table[rows] = cast_numbers(numbers, dtypes.iloc[0])
        return pd.DataFrame(table, index=value.index, columns=value.columns)
    columns = []
    for position, dtype in enumerate(dtypes):
        column = value.iloc[:, position].copy()
        column.iloc[rows] = cast_numbers(numbers[:, position], np.float64 if dtype.kind == "O" else dtype)
        columns.append(column)
    return pd.concat(columns, axis=1)
