"""The tables of a ModalityDict as one matrix for a sampler, and rows between two of their rows."""

import numpy as np
import pandas as pd
import scipy.sparse as sp

from skmm.containers import check_finite, check_numeric, read_rows
from skmm.containers._entries import cast_numbers


def numeric_block(X, name):
    """A table as a matrix of float64; missing rows are the mean of the others, or 0 where it is CSR."""
    present = X.is_present(name)
    block = check_numeric(read_rows(X[name], slice(None)), name)
    if sp.issparse(block):
        block = sp.csr_array(block, dtype=np.float64)
        check_finite(block[present], np.ones(present.sum(), dtype=bool), name, np.flatnonzero(present))
        return sp.csr_array(sp.diags_array(present.astype(np.float64)) @ block)
    block = np.array(block, dtype=np.float64)
    check_finite(block[present], np.ones(present.sum(), dtype=bool), name, np.flatnonzero(present))
    block[~present] = block[present].mean(axis=0) if present.any() else 0.0
    return block


def spreads_of(block):
    """Standard deviation of each column, dense or CSR."""
    if not sp.issparse(block):
        return block.std(axis=0)
    mean = np.asarray(block.mean(axis=0)).ravel()
    return np.sqrt(np.maximum(np.asarray(block.power(2).mean(axis=0)).ravel() - mean**2, 0))


def presence_columns(X, names, blocks):
    """A column for each modality that some sample lacks: larger than the data's diameter where it is present.

    So samples that lack the same modalities are nearer to each other than to any other sample, and, among
    the others, those are nearer that differ in fewer modalities.
    """
    present = np.column_stack([X.is_present(name) for name in names])
    present = present[:, ~present.all(axis=0)]
    if not present.shape[1]:
        return present.astype(np.float64)
    squares = sum(_squared_diameter(block) for block in blocks)
    return present * (2 * np.sqrt(squares) if squares > 0 else 1.0)


def _squared_diameter(block):
    """Squared diagonal of the box in which the rows lie."""
    if sp.issparse(block):
        high, low = (np.asarray(part.todense()).ravel() for part in (block.max(axis=0), block.min(axis=0)))
    else:
        high, low = block.max(axis=0), block.min(axis=0)
    return float(np.square(high - low).sum())


def join_columns(blocks):
    """Matrices side by side; sparse where one of them is."""
    if any(sp.issparse(block) for block in blocks):
        return sp.hstack([sp.csr_array(block) for block in blocks], format="csr")
    return np.column_stack(blocks)


def rows_between(value, parents, present):
    """Rows of a table between two of its rows, in its own form and data types.

    Parameters
    ----------
    value : ndarray, sparse matrix or DataFrame of shape (n_samples, n_features)
        A table in memory.
    parents : Parents
        Parents and step of each new row.
    present : ndarray of bool of shape (n_rows,)
        Whether the new row has the modality; its values do not matter where it does not.

    Returns
    -------
    table of shape (n_rows, n_features)
        Whole numbers are rounded, booleans are those of the nearer parent.
    """
    step = np.where(present, parents.step, 0.0)[:, np.newaxis]
    if sp.issparse(value):
        csr = sp.csr_array(value, dtype=np.float64)
        first, second = csr[parents.nearer], csr[parents.other]
        new = sp.csr_array(first + sp.diags_array(step[:, 0]) @ (second - first))
        new.data = _as_type(new.data, value.dtype)
        return type(value)(new.astype(value.dtype))
    if isinstance(value, pd.DataFrame):
        numbers = value.to_numpy(dtype=np.float64, na_value=np.nan)
        new = _between(numbers, parents, step)
        out = value.iloc[parents.nearer].copy()
        for position, dtype in enumerate(value.dtypes):
            column = pd.Series(_as_type(new[:, position], dtype), index=out.index)
            if pd.api.types.is_float_dtype(dtype):
                column[~present] = np.nan
            out.isetitem(position, column.astype(dtype))
        return out
    new = _between(value.astype(np.float64), parents, step)
    if value.dtype.kind in "fO":
        new[~present] = np.nan
    return _as_type(new, value.dtype)


def _between(numbers, parents, step):
    """Rows between two rows of an array of floats; the nearer one itself where the step is 0."""
    first, second = numbers[parents.nearer], numbers[parents.other]
    return np.where(step == 0, first, first * (1 - step) + second * step)


def _as_type(values, dtype):
    """Numbers as a data type holds them; NaN stays where a type of pandas can say that there is none."""
    if isinstance(dtype, np.dtype):
        return cast_numbers(values, dtype)
    own = getattr(dtype, "numpy_dtype", np.dtype(float))
    return np.where(np.isnan(values), np.nan, cast_numbers(np.nan_to_num(values), own))
