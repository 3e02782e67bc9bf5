"""ConcatModalities: modalities -> one table, for early fusion."""

import warnings
from numbers import Real

import numpy as np
import pandas as pd
import scipy.sparse as sp
import sklearn
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from skmm.compose._outputs import spread_rows
from skmm.containers import (
    LazyArray,
    check_finite,
    check_numeric,
    is_bare_table,
    n_rows,
    read_rows,
    validate_modalities,
)
from skmm.containers import _validation as messages
from skmm.containers._schema import column_names
from skmm.exceptions import NoModalityWarning

CHUNK = 1024  # rows of a lazy array that are held in memory at once


def different_sizes(name):
    """Error for images that have no common width."""
    return ValueError(
        f"Modality {name!r} holds images of different sizes, which have no common width. Resize or embed "
        "them in a ModalityTransformer, or leave it out."
    )


def read_block(value, kind, name, rows, *, allow_nan):
    """Present rows of a modality as a matrix of numbers, (len(rows), width), dense or CSR.

    Raises
    ------
    ValueError
        If a column is not numeric, or there are infinities, or NaN that are not allowed.
    """
    block = read_rows(value, rows)
    if kind == "table":
        block = check_numeric(block, name)
    elif block.dtype == object:
        raise different_sizes(name)
    else:
        block = block.reshape(len(block), int(np.prod(block.shape[1:])))
    checked = block
    if allow_nan and block.dtype.kind == "f":
        checked = block.copy()  # infinities are refused all the same
        values = checked.data if sp.issparse(checked) else checked
        values[np.isnan(values)] = 0
    numbers = np.arange(n_rows(value))[rows] if isinstance(rows, slice) else rows
    check_finite(checked, np.ones(block.shape[0], dtype=bool), name, numbers)
    return block.tocsr() if sp.issparse(block) else block


def chunks(value, present):
    """Present rows in parts to read at once: a few where the modality is lazy, all (as a view) elsewhere."""
    rows = np.flatnonzero(present)
    if not isinstance(value, LazyArray):
        return [slice(None) if len(rows) == len(present) else rows]
    return [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]


def wants_pandas(transformer):
    """Whether a transformer, or scikit-learn as a whole, was told to put out DataFrames."""
    own = getattr(transformer, "_sklearn_output_config", {})
    return own.get("transform", sklearn.get_config()["transform_output"]) == "pandas"


class ConcatModalities(TransformerMixin, BaseEstimator):
    r"""Concatenate modalities into one table, so that any classifier can take them (early fusion).

    Sample :math:`i` becomes :math:`[x_i^{(1)}, \ldots, x_i^{(M)}]`, where :math:`x_i^{(m)}` holds the values
    of modality :math:`m`, images and volumes flattened, or, where the sample lacks it, a fill value: the mean
    over the training samples that have it, column by column.

    Parameters
    ----------
    missing : "mean" or float, default="mean"
        What stands for a missing modality: the training mean (0 for sparse tables, so that they stay sparse),
        or a number. With NaN, rows that are partly NaN pass as well, for classifiers that take NaN.
    add_presence : bool, default=False
        Whether to add a column for each modality that is 1 where it is present and 0 where it is missing.

    Attributes
    ----------
    fill_values_ : dict of str -> ndarray of shape (width,)
        What is filled in for each modality; without those that no training sample had.
    modalities_ : tuple of str
        Modalities seen in ``fit``.
    sparse_output_ : bool
        Whether the output is sparse: where any modality was in ``fit``.
    n_features_in_ : int
        Number of features, where there is a single table.
    feature_names_in_ : ndarray of str
        Their names, where it has names.

    Raises
    ------
    ValueError
        If a modality is text or bags, or images of different sizes; if a column is not numeric; if present
        rows hold infinities or (unless ``missing`` is NaN) NaN; if widths differ from those of ``fit``.
    MissingModalityError
        If no training sample has any modality.

    See Also
    --------
    ModalityTransformer : Transforms each modality first.

    Examples
    --------
    >>> import numpy as np
    >>> from skmm.compose import ConcatModalities
    >>> X = {"rna": np.array([[1.0, 2.0], [3.0, 6.0]]), "age": np.array([[40.0], [np.nan]])}
    >>> concat = ConcatModalities().fit(X)
    >>> concat.transform(X)
    array([[ 1.,  2., 40.],
           [ 3.,  6., 40.]])
    >>> concat.transform({"age": np.array([[50.0]])})
    array([[ 2.,  4., 50.]])
    >>> concat.get_feature_names_out()
    array(['rna__x0', 'rna__x1', 'age__x0'], dtype=object)
    """

    def __init__(self, *, missing="mean", add_presence=False):
        self.missing = missing
        self.add_presence = add_presence

    def fit(self, X, y=None):
        """Learn widths and fill values.

        Parameters
        ----------
        X : mapping of str -> array, or one 2-D table
            Tables, images and volumes.
        y : None
            Not used.

        Returns
        -------
        self : ConcatModalities
            Fitted.

        Examples
        --------
        See the example of the class.
        """
        self._check_missing()
        self._prefixed = not is_bare_table(X)
        X = validate_modalities(self, X, reset=True, accept=("table", "image", "volume"), numeric=True)
        self.fill_values_, dtypes = {}, []
        for name in X:
            if not X.is_present(name).any():
                text = messages.modality_never_present_warning(name, "ConcatModalities leaves it out")
                warnings.warn(text, NoModalityWarning, stacklevel=2)
                continue
            if None in self.schema_.shapes[name]:
                raise different_sizes(name)
            self.fill_values_[name], dtype = self._learn(X, name)
            dtypes.append(dtype)
        if not dtypes:
            raise messages.nothing_present(type(self).__name__)
        dtype = np.result_type(*dtypes)
        self._dtype = np.result_type(dtype, np.float32) if dtype.kind == "f" else np.dtype(np.float64)
        sparse = [X[name] for name in self.fill_values_ if sp.issparse(X[name])]
        self.sparse_output_ = bool(sparse)
        self._csr = sp.csr_array if all(isinstance(value, sp.sparray) for value in sparse) else sp.csr_matrix
        return self

    def transform(self, X):
        """Concatenate the modalities.

        Parameters
        ----------
        X : mapping of str -> array, or one 2-D table
            Some or all of the modalities of ``fit``.

        Returns
        -------
        ndarray or sparse matrix of shape (n_samples, n_features_out)
            Modality after modality in the order of ``fit``, float32 where all of them were, float64
            otherwise. A DataFrame after ``set_output(transform="pandas")``, with the sample ids as index.

        Examples
        --------
        See the example of the class.
        """
        check_is_fitted(self)
        X = validate_modalities(self, X, reset=False, numeric=True)
        presence = np.column_stack([X.is_present(name) for name in self.fill_values_]).astype(self._dtype)
        if self.sparse_output_:
            parts = [self._sparse_part(X, name) for name in self.fill_values_]
            return self._csr(sp.hstack(parts + [sp.csr_array(presence)] * self.add_presence, format="csr"))
        widths = [len(fill) for fill in self.fill_values_.values()]
        ends = np.cumsum(widths)
        out = np.empty((len(X), ends[-1] + self.add_presence * len(widths)), dtype=self._dtype)
        for name, width, end in zip(self.fill_values_, widths, ends, strict=True):
            self._fill_dense(X, name, out[:, end - width : end])
        if self.add_presence:
            out[:, ends[-1] :] = presence
        if wants_pandas(self):  # scikit-learn would number the rows
            return pd.DataFrame(out, index=X.index, columns=self.get_feature_names_out())
        return out

    def get_feature_names_out(self, input_features=None):
        """Names of the columns: ``rna__GAPDH``; ``rna__x0`` without names; ``xray__12_7`` for a pixel.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Used only where ``fit`` got one table rather than a mapping, whose names have no prefix.

        Returns
        -------
        ndarray of str of shape (n_features_out,)
            With ``add_presence``, ``rna__present`` at the end.

        Examples
        --------
        See the example of the class.
        """
        check_is_fitted(self)
        if self._prefixed:
            schema = self.schema_
            parts = [
                column_names(name, schema.kinds[name], schema.shapes[name], schema.feature_names[name])
                for name in self.fill_values_
            ]
            names = [column for part in parts for column in part]
        else:
            names = list(OneToOneFeatureMixin.get_feature_names_out(self, input_features))
        names += [f"{name}__present" for name in self.fill_values_] * self.add_presence
        return np.asarray(names, dtype=object)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.dict = True
        tags.input_tags.allow_nan = self._allows_nan()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _check_missing(self):
        """Refuse what cannot be filled in."""
        is_number = isinstance(self.missing, Real) and not isinstance(self.missing, bool)
        if not (is_number and not np.isinf(self.missing)) and not (
            isinstance(self.missing, str) and self.missing == "mean"
        ):
            raise ValueError(f"missing must be 'mean', a finite number or NaN. Got {self.missing!r} instead.")

    def _allows_nan(self):
        """Whether NaN may pass: where it stands for missing modalities too."""
        return isinstance(self.missing, Real) and bool(np.isnan(self.missing))

    def _learn(self, X, name):
        """Fill values of a modality, and the data type of its numbers, from its present rows."""
        value, present = X[name], X.is_present(name)
        width = int(np.prod(self.schema_.shapes[name]))
        total = np.zeros(width)
        for rows in chunks(value, present):
            block = read_block(value, X.kinds[name], name, rows, allow_nan=self._allows_nan())
            if self.missing == "mean" and not sp.issparse(block):
                # divided first: the sum of large numbers overflows where their mean does not
                total += (block / present.sum()).sum(axis=0, dtype=np.float64)
        return (total if self.missing == "mean" else np.full(width, float(self.missing))), block.dtype

    def _fill_dense(self, X, name, out):
        """Write a modality into its columns of the output."""
        value, present = X[name], X.is_present(name)
        out[~present] = self.fill_values_[name]
        for rows in chunks(value, present):
            block = read_block(value, X.kinds[name], name, rows, allow_nan=self._allows_nan())
            out[rows] = block.toarray() if sp.issparse(block) else block

    def _sparse_part(self, X, name):
        """A modality as a CSR matrix over all samples."""
        present, fill = X.is_present(name), self.fill_values_[name]
        if name not in self.schema_.sparse:
            dense = np.empty((len(X), len(fill)), dtype=self._dtype)
            self._fill_dense(X, name, dense)
            return sp.csr_array(dense)
        (rows,) = chunks(X[name], present)
        block = read_block(X[name], "table", name, rows, allow_nan=self._allows_nan())
        part = spread_rows(sp.csr_array(block).astype(self._dtype), np.flatnonzero(present), len(X))
        if present.all() or not fill.any():
            return part
        missing = sp.csr_array((~present)[:, np.newaxis].astype(self._dtype))
        return part + missing @ sp.csr_array(fill[np.newaxis].astype(self._dtype))
