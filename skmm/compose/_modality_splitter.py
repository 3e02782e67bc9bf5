"""ModalitySplitter: one wide table -> modalities."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from skmm.compose._columns import column_positions
from skmm.containers import KINDS, ModalityDict, is_bare_table
from skmm.containers import _validation as messages
from skmm.containers._parts import check_name, check_options
from skmm.containers._schema import column_names


class ModalitySplitter(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):
    """Split one wide table into modalities by its columns.

    So a single DataFrame or array goes through scikit-learn's cross-validation and searches untouched, and
    becomes a :class:`~skmm.ModalityDict` inside the Pipeline. A modality whose columns are all NaN in a row
    is missing there.

    Parameters
    ----------
    modalities : dict of str -> str, int, slice, list, boolean mask or callable
        Columns of each modality: names of a DataFrame's columns, positions, a slice of either (of names, the
        last one belongs to it), or a callable such as :class:`~sklearn.compose.make_column_selector`, which
        gets X in ``fit``. Two modalities may have columns in common.
    kinds : dict of str -> {"table", "image", "volume", "bag", "text"}, default=None
        Kinds of modalities that are not tables. A single column of str is declared "text"; one of arrays,
        "image" or "bag".
    shapes : dict of str -> tuple of int, default=None
        Shape of one entry where columns are the pixels of an image, such as ``(8, 8)`` for 64 columns.
    groups : str or int, default=None
        Column that holds groups, such as patients: it becomes ``groups`` of what comes out and belongs to no
        modality.
    remainder : {"drop", "error"} or str, default="drop"
        What becomes of columns that no modality has: they are dropped, refused, or form a modality of the
        given name.

    Attributes
    ----------
    columns_ : dict of str -> ndarray of int
        Positions of the columns of each modality.
    n_features_in_ : int
        Number of columns seen in ``fit``.
    feature_names_in_ : ndarray of str of shape (n_features,)
        Their names, where X is a DataFrame with names of type str.

    Raises
    ------
    ValueError
        If a column is not there or a modality has none, columns remain under ``remainder="error"``, or a
        shape or kind does not fit.

    See Also
    --------
    ConcatModalities : Joins modalities into one table again.
    skmm.ModalityDict.from_dataframe : The same outside of a Pipeline.

    Examples
    --------
    >>> import pandas as pd
    >>> from skmm.compose import ModalitySplitter
    >>> df = pd.DataFrame({"GAPDH": [1.0, None], "TP53": [0.0, None], "age": [40, 50], "note": ["a", "b"]})
    >>> columns = {"rna": slice("GAPDH", "TP53"), "note": "note"}
    >>> split = ModalitySplitter(columns, kinds={"note": "text"}, remainder="clinical")
    >>> X = split.fit_transform(df)
    >>> X.modalities
    ('rna', 'note', 'clinical')
    >>> X.is_present("rna")
    array([ True, False])
    """

    def __init__(self, modalities, *, kinds=None, shapes=None, groups=None, remainder="drop"):
        self.modalities = modalities
        self.kinds = kinds
        self.shapes = shapes
        self.groups = groups
        self.remainder = remainder

    def fit(self, X, y=None):
        """Find the columns of each modality.

        Parameters
        ----------
        X : DataFrame, array or sparse matrix of shape (n_samples, n_features)
            The wide table.
        y : None
            Not used.

        Returns
        -------
        self : ModalitySplitter
            Fitted.

        Examples
        --------
        See the example of the class.
        """
        X = self._read(X, reset=True)
        if not isinstance(self.modalities, Mapping) or not self.modalities:
            raise ValueError(
                f"modalities must be a dict of name -> columns. Got {self.modalities!r} instead."
            )
        if not isinstance(self.remainder, str) or self.remainder in self.modalities:
            raise ValueError(
                "remainder must be 'drop', 'error' or a name that modalities does not have. "
                f"Got {self.remainder!r} instead."
            )
        for name in (*self.modalities, self.remainder):
            check_name(name)
        self._groups_column = self._find_groups(X)
        columns = {name: self._find_columns(name, spec, X) for name, spec in self.modalities.items()}
        rest = np.setdiff1d(np.arange(X.shape[1]), np.concatenate([*columns.values(), self._groups_column]))
        if len(rest) and self.remainder == "error":
            raise ValueError(
                f"{len(rest)} columns belong to no modality: {messages.shown(_labels(X)[rest])}. Assign "
                "them, or choose remainder='drop' or a name for them."
            )
        if len(rest) and self.remainder not in {"drop", "error"}:
            columns[self.remainder] = rest
        self._check_forms(columns)
        self.columns_ = columns
        self._labels = _labels(X) if isinstance(X, pd.DataFrame) else None
        return self

    def transform(self, X):
        """Split the columns.

        Parameters
        ----------
        X : DataFrame, array or sparse matrix of shape (n_samples, n_features)
            A table with the columns of ``fit``.

        Returns
        -------
        ModalityDict
            The modalities, with the DataFrame's index as sample ids.

        Examples
        --------
        See the example of the class.
        """
        check_is_fitted(self)
        X = self._read(X, reset=False)
        kinds = dict(self.kinds or {})
        blocks = {name: self._block(X, name, kinds.get(name, "table")) for name in self.columns_}
        kinds = {name: kind for name, kind in kinds.items() if name in blocks}
        for name in blocks:
            if name not in (self.shapes or {}):
                kinds.setdefault(name, "table")
        groups = None
        if len(self._groups_column):
            column = (
                X.iloc[:, self._groups_column[0]]
                if isinstance(X, pd.DataFrame)
                else X[:, self._groups_column]
            )
            groups = column.toarray().ravel() if hasattr(column, "toarray") else np.asarray(column).ravel()
        return ModalityDict(blocks, kinds=kinds, groups=groups, index=getattr(X, "index", None))

    def get_feature_names_out(self, input_features=None):
        """Names of the columns with their modality's as a prefix: ``rna__GAPDH``.

        Parameters
        ----------
        input_features : None
            Not used; the names are those of ``fit``.

        Returns
        -------
        ndarray of str
            Modality after modality; of those that are not tables, the name alone.

        Examples
        --------
        >>> import numpy as np
        >>> from skmm.compose import ModalitySplitter
        >>> ModalitySplitter({"rna": [0, 1]}).fit(np.eye(3)).get_feature_names_out()
        array(['rna__x0', 'rna__x1'], dtype=object)
        """
        check_is_fitted(self)
        others = {name for name, kind in (self.kinds or {}).items() if kind != "table"} | set(
            self.shapes or {}
        )
        names = []
        for name, columns in self.columns_.items():
            labels = None if self._labels is None else self._labels[columns]
            names += [name] if name in others else column_names(name, "table", (len(columns),), labels)
        return np.asarray(names, dtype=object)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # X has two axes, but what comes out is no array, and scikit-learn's checks compare outputs as numbers
        tags.input_tags.two_d_array = False
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        tags.transformer_tags.preserves_dtype = []
        return tags

    def _read(self, X, *, reset):
        """X as it is stored: DataFrames keep their columns' types, arrays of objects get them."""
        if not is_bare_table(X):
            raise TypeError(
                "ModalitySplitter takes one table, and X is modalities already: leave ModalitySplitter out."
            )
        if isinstance(X, pd.DataFrame):
            validate_data(self, X, reset=reset, skip_check_array=True)
            if len(X) == 0:
                raise messages.no_samples(type(self).__name__)
            return X
        X = validate_data(
            self, X, reset=reset, dtype=None, accept_sparse=("csr", "csc"), ensure_all_finite=False
        )
        if not hasattr(X, "tocsr") and X.dtype.kind == "O":
            return pd.DataFrame(X).add_prefix("x").infer_objects()
        return X

    def _find_groups(self, X):
        """Position of the column of groups, in an array that is empty without one."""
        if self.groups is None:
            return np.empty(0, dtype=np.intp)
        if not isinstance(self.groups, (str, int, np.integer)):
            raise ValueError(
                f"groups must be the name or position of one column. Got {self.groups!r} instead."
            )
        return column_positions(self.groups, X, "groups")

    def _find_columns(self, name, spec, X):
        """Positions of the columns of a modality; without the groups, of which models must know nothing."""
        what = f"modalities[{name!r}]"
        positions = column_positions(spec, X, what)
        if not np.isin(positions, self._groups_column).any():
            return positions
        if not callable(spec) and not isinstance(spec, slice):
            raise ValueError(
                f"{what} names the column of groups, {self.groups!r}: "
                "remove it from the modality, or from groups."
            )
        return positions[~np.isin(positions, self._groups_column)]

    def _check_forms(self, columns):
        """Check that declared kinds and shapes fit the columns."""
        check_options(kinds=self.kinds, shapes=self.shapes)
        for param in ("kinds", "shapes"):
            given = getattr(self, param) or {}
            unknown = [name for name in given if name not in columns]
            if unknown:
                raise ValueError(
                    f"{param} names {messages.quoted(unknown)}, "
                    f"but modalities holds {messages.quoted(columns)}."
                )
        for name, kind in (self.kinds or {}).items():
            if kind not in KINDS:
                raise messages.unknown_kind(name, kind, KINDS)
            if kind != "table" and name not in (self.shapes or {}) and len(columns[name]) != 1:
                raise ValueError(
                    f"Modality {name!r} is declared {kind!r}, so it takes one column with an entry in each "
                    f"row, or shapes= for the shape of one entry. Got {len(columns[name])} columns."
                )
        for name, shape in (self.shapes or {}).items():
            if not isinstance(shape, (tuple, list)) or any(np.less(shape, 1)):
                raise ValueError(f"shapes[{name!r}] must be a tuple of positive integers. Got {shape!r}.")
            if np.prod(shape) != len(columns[name]):
                raise ValueError(
                    f"shapes[{name!r}] is {shape}, {np.prod(shape)} values, "
                    f"but there are {len(columns[name])} columns."
                )

    def _block(self, X, name, kind):
        """The columns of one modality, in the form that its kind takes."""
        columns = self.columns_[name]
        block = X.iloc[:, columns] if isinstance(X, pd.DataFrame) else X[:, columns]
        shape = (self.shapes or {}).get(name)
        if shape is not None:
            if isinstance(block, pd.DataFrame):
                block = block.to_numpy(dtype=None if len(set(block.dtypes)) == 1 else float)
            block = block.toarray() if hasattr(block, "toarray") else block
            return block.reshape(len(block), *shape)
        if kind == "table":
            return block
        return block.iloc[:, 0] if isinstance(block, pd.DataFrame) else block[:, 0]


def _labels(X):
    """Names of the columns, or x0, x1, ..."""
    if isinstance(X, pd.DataFrame):
        return np.asarray(X.columns, dtype=object)
    return np.asarray([f"x{column}" for column in range(X.shape[1])], dtype=object)
