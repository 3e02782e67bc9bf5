"""Columns of a table, however they are named: positions, names, slices, masks, selectors."""

import numpy as np
import pandas as pd

from skmm.containers import _validation as messages


def column_positions(columns, X, what):
    """Positions of the columns that a specification selects.

    Parameters
    ----------
    columns : str, int, slice, list, boolean mask or callable
        Names (of a DataFrame), positions, or a callable that gets ``X`` and returns either.
    X : DataFrame, ndarray or sparse matrix of shape (n_samples, n_features)
        The table.
    what : str
        Who asks, for messages.

    Returns
    -------
    ndarray of int
        In the order in which they were named.

    Raises
    ------
    ValueError
        If a column is not there, or none is selected.
    """
    if callable(columns):
        columns = columns(X)
    n_features = X.shape[1]
    if isinstance(columns, slice) and any(isinstance(end, str) for end in (columns.start, columns.stop)):
        positions = _slice_of_names(columns, X, what)
    elif _are_names(columns):
        positions = _positions_of_names(columns, X, what)
    else:
        key = columns if isinstance(columns, slice) else np.atleast_1d(np.asarray(columns))
        if isinstance(key, np.ndarray) and key.size and key.dtype.kind not in "biu":
            raise ValueError(
                f"{what} must be names, positions, a slice, a mask or a callable. Got {columns!r} instead."
            )
        try:
            positions = np.arange(n_features)[key if isinstance(key, slice) or key.size else []]
        except IndexError as error:
            raise ValueError(f"{what} is out of range: X has {n_features} feature(s). {error}.") from None
    if len(positions) == 0:
        raise ValueError(f"{what} selects no column of the {n_features} feature(s) of X. Got {columns!r}.")
    return positions


def _are_names(columns):
    """Whether a specification is a name or a list of names."""
    if isinstance(columns, str):
        return True
    return (
        hasattr(columns, "__len__")
        and len(columns) > 0
        and all(isinstance(column, str) for column in columns)
    )


def _names(X, what):
    """Column names of X, which must be a DataFrame."""
    if not isinstance(X, pd.DataFrame):
        raise ValueError(
            f"{what} names columns, but X is no DataFrame and has none: use positions or a slice."
        )
    return X.columns


def _positions_of_names(columns, X, what):
    """Positions of one name or several."""
    wanted, names = [columns] if isinstance(columns, str) else list(columns), _names(X, what)
    missing = [column for column in wanted if column not in names]
    if missing:
        raise ValueError(f"{what} names columns that X does not have: {messages.quoted(missing)}.")
    return np.concatenate([np.flatnonzero(names == column) for column in wanted])


def _slice_of_names(columns, X, what):
    """Positions of a slice of names, the last one included, as in ``DataFrame.loc``."""
    start, stop = (
        None if end is None else _positions_of_names(end, X, what) for end in (columns.start, columns.stop)
    )
    return np.arange(X.shape[1])[
        None if start is None else start[0] : None if stop is None else stop[-1] + 1 : columns.step
    ]
