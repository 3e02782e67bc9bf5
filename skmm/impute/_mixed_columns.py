"""Columns of numbers and of categories as one matrix of numbers, and back with their data types."""

from dataclasses import dataclass
from numbers import Number

import numpy as np
import pandas as pd

_LARGEST = 1e30  # of standardised numbers: a tree takes what float32 can hold
_INITIAL = 0.0  # the code of the mean, and of the most frequent category
_MISSING_VALUE = "missing_value"  # scikit-learn's word in a column of which nothing is known


def split_columns(X):
    """Columns of a DataFrame as Series, of an array as 1-D arrays."""
    if isinstance(X, pd.DataFrame):
        return [X.iloc[:, position] for position in range(X.shape[1])]
    return list(X.T)


def holes_of(column):
    """Where a column has no value."""
    return np.asarray(pd.isna(column))


def is_categorical(column, label, who):
    """Whether a column holds categories (strings, booleans, pandas' categories) rather than numbers.

    Raises
    ------
    TypeError
        If it holds something else, such as dates or dicts.
    """
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype) or pd.api.types.is_bool_dtype(dtype):
        return True
    if pd.api.types.is_numeric_dtype(dtype):
        return False
    values = np.asarray(column, dtype=object)
    values = values[~holes_of(column)]
    strange = next((v for v in values if not isinstance(v, (str, bytes, bool, np.bool_, Number))), None)
    if strange is not None:
        raise TypeError(
            f"{who} takes tables of which each value given as argument must be a string, a bool or a number "
            f"(None, NaN or NA where it is missing). Column {label!r} holds {type(strange).__name__}: turn "
            "it into numbers, or leave it out."
        )
    return any(isinstance(value, (str, bytes, bool, np.bool_)) for value in values)


@dataclass
class ColumnCode:
    """How the values of one column become numbers, and numbers values.

    Numbers are standardised: trees work in float32, which would lose a small spread around a large mean.
    Categories are numbered by how often they occur, then by their first appearance, so that nothing hangs on
    the alphabet. A value that fit has not seen gets a number of its own, the next one.

    Parameters
    ----------
    label : str or int
        Name or position, for messages.
    categories : pd.Index or None
        Categories in the order of their numbers; None for a column of numbers.
    centre, spread : float
        Mean and standard deviation of a column of numbers.
    observed : bool
        Whether any value is known.
    """

    label: object
    categories: pd.Index | None = None
    centre: float = 0.0
    spread: float = 1.0
    observed: bool = True

    @classmethod
    def learn(cls, column, label, *, categorical):
        """The code of a column of fit."""
        values = column[~holes_of(column)]
        if len(values) == 0:
            return cls(label, categories=pd.Index([]) if categorical else None, observed=False)
        if categorical:
            numbers, categories = pd.factorize(np.asarray(values, dtype=object))
            order = np.argsort(-np.bincount(numbers), kind="stable")
            return cls(label, categories=pd.Index(categories[order], dtype=object))
        values = as_floats(values, label)
        centre = (values / len(values)).sum()  # divided first: the sum of large numbers overflows
        reach = np.abs(values - centre).max()
        spread = reach * np.sqrt(np.mean(((values - centre) / reach) ** 2)) if reach > 0 else 0.0
        return cls(label, centre=centre, spread=spread if np.isfinite(spread) and spread > 0 else 1.0)

    @property
    def categorical(self):
        """Whether the column is one of categories."""
        return self.categories is not None

    @property
    def initial_value(self):
        """What stands in a hole at first: the mean, or the most frequent category; None without values."""
        return self.decode(np.array([_INITIAL]))[0] if self.observed else None

    def encode(self, column, holes):
        """Numbers of the values, (n_samples,); in a hole that of `initial_value`."""
        out = np.full(len(column), _INITIAL)
        values = column[~holes]
        if self.categorical:
            numbers = self.categories.get_indexer(pd.Index(np.asarray(values, dtype=object), dtype=object))
            out[~holes] = np.where(numbers < 0, len(self.categories), numbers)
        else:
            scaled = (as_floats(values, self.label) - self.centre) / self.spread
            out[~holes] = np.clip(scaled, -_LARGEST, _LARGEST)
        return out

    def decode(self, codes):
        """Values of numbers that a forest gave."""
        if self.categorical:
            return self.categories[codes.astype(np.intp)].to_numpy()
        return codes.astype(np.float64) * self.spread + self.centre

    def constant(self, column):
        """What fills a column of which nothing is known: 0, or "missing_value" where that is no number."""
        is_number = pd.api.types.is_numeric_dtype(column.dtype) and not self.categorical
        return 0.0 if is_number else _MISSING_VALUE


def as_floats(values, label):
    """Numbers as float64.

    Raises
    ------
    ValueError
        If one is no number, or infinite.
    """
    try:
        if isinstance(values, pd.Series):
            out = values.to_numpy(dtype=np.float64, na_value=np.nan)
        else:
            out = np.asarray(values).astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"Column {label!r} held numbers in fit. Got values that are none ({error}): pass the same kind "
            "of values."
        ) from error
    if np.isinf(out).any():
        raise ValueError(
            f"Column {label!r} contains infinity in {np.isinf(out).sum()} rows. Replace it by a number, or "
            "by NaN to have it imputed."
        )
    return out


def fill_holes(column, holes, values):
    """A copy of a column with values in its holes and the data type that it had.

    Whole numbers and numbers of a type that holds no others are rounded; a category that a pandas
    categorical does not list yet is added to its list.
    """
    if not isinstance(column, pd.Series):
        out = column.copy()
        out[holes] = values
        return out
    dtype = column.dtype
    if isinstance(dtype, np.dtype) and dtype.kind == "f":
        out = column.to_numpy(copy=True)
        out[holes] = values
        return pd.Series(out, index=column.index, name=column.name)
    if pd.api.types.is_integer_dtype(dtype):
        values = np.rint(np.asarray(values, dtype=np.float64)).astype(np.int64)
    elif isinstance(dtype, pd.CategoricalDtype):
        new = pd.Index(pd.unique(pd.Series(values))).difference(dtype.categories, sort=False)
        column = column.cat.add_categories(new) if len(new) else column
    out = column.copy()
    out.iloc[np.flatnonzero(holes)] = values
    return out
