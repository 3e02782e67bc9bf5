"""ModalityDict: the one container of skmm."""

from collections.abc import Mapping

import numpy as np
import scipy.sparse as sp

from skmm.containers import _validation as messages
from skmm.containers._handles import to_handles
from skmm.containers._parts import (
    Loc,
    apply_masks,
    are_names,
    check_feature_names,
    check_groups,
    check_options,
    collect,
    common_index,
    frozen,
    label_frames,
    same_labels,
)
from skmm.containers._repr import html_repr, text_repr
from skmm.containers._rows import n_rows, normalize_rows, same_entries, take_rows
from skmm.containers._state import freeze, thaw
from skmm.containers._views import NamedMapping


class ModalityDict(NamedMapping):
    """Modalities of the same samples, some of them missing, in a mapping that is indexed by rows too.

    It behaves like a DataFrame whose columns are modalities: ``X["rna"]`` is a modality, ``X[rows]``
    selects samples of all modalities at once, ``len(X)`` counts samples. What is present, feature names,
    sample ids and groups travel with every selection. It cannot be changed.

    Parameters
    ----------
    X : mapping of str -> array
        One entry a modality, all with the same number of samples. 2-D arrays, sparse matrices and
        DataFrames are tables; 3-D arrays, and 4-D ones with 1, 3 or 4 channels last, images; 5-D arrays
        volumes; a :class:`BagArray`, or a sequence of arrays that differ in their first axis, bags; a
        sequence of str text. Memory maps, zarr and h5py arrays are read on demand. Missing entries are
        None (or NaN) in a sequence, rows that are NaN throughout in float arrays and DataFrames, and
        empty bags.
    kinds : dict of str -> {"table", "image", "volume", "bag", "text"}, default=None
        Declared kinds, for what shapes leave in doubt.
    present : dict of str -> array of bool of shape (n_samples,), default=None
        Where False, the entry is missing (True = observed); besides those that the values tell.
    feature_names : dict of str -> array of str of shape (n_features,), default=None
        Names of a table's columns; those of a DataFrame are taken from it.
    index : array-like of shape (n_samples,), default=None
        Sample ids; those of DataFrames are taken from them.
    groups : array-like of shape (n_samples,), default=None
        Groups, such as patients, that must not be split between training and test.

    Attributes
    ----------
    modalities : tuple of str
        Names, in order.
    kinds : dict of str -> str
        Kind of each modality.
    present : ndarray of bool of shape (n_samples, n_modalities)
        Which entries are there (True = observed).
    feature_names : dict of str -> ndarray of object, or None
        Feature names of each modality.
    index : pandas.Index or None
        Sample ids.
    groups : ndarray of shape (n_samples,) or None
        Groups.
    shape : tuple
        (n_samples, n_modalities).
    loc : object
        ``X.loc[ids]`` selects samples by id.

    Raises
    ------
    ValueError
        If lengths or indexes differ, a name or kind is unknown, or a kind is in doubt.
    TypeError
        If a value is no modality.

    Examples
    --------
    >>> import numpy as np
    >>> from skmm import ModalityDict
    >>> X = ModalityDict(
    ...     {"rna": np.arange(6.0).reshape(3, 2), "note": ["stable", None, "worse"]},
    ...     groups=["ann", "bob", "bob"],
    ... )
    >>> X
    ModalityDict: 3 samples, 2 modalities, with groups
      rna   table  2 float64  all present
      note  text   documents  33% missing
    >>> X[[2, 0]]["rna"]
    array([[4., 5.],
           [0., 1.]])
    >>> X.present
    array([[ True,  True],
           [ True, False],
           [ True,  True]])
    """

    def __init__(self, X, *, kinds=None, present=None, feature_names=None, index=None, groups=None):
        check_options(kinds=kinds, present=present, feature_names=feature_names)
        if isinstance(X, ModalityDict):
            kinds = {**X._kinds, **(kinds or {})}
            known_names = {name: names for name, names in X._feature_names.items() if names is not None}
            feature_names = {**known_names, **(feature_names or {})}
            index = X._index if index is None else index
            groups = X._groups if groups is None else groups
        elif not isinstance(X, Mapping) or sp.issparse(X):  # SciPy's DOK matrices are dict subclasses
            raise messages.not_a_mapping(X)
        if not list(X):
            raise messages.no_modalities()
        data, self._kinds, entries = collect(X, kinds or {})
        n_samples = n_rows(next(iter(data.values())))
        if isinstance(X, ModalityDict):
            entries = {name: mask & X.is_present(name) for name, mask in entries.items()}
        entries = apply_masks(entries, present or {}, n_samples)
        self._index = common_index(X, index, groups, n_samples)
        self._data = label_frames(data, self._index)
        self._present = frozen(np.column_stack(list(entries.values())))
        self._feature_names = check_feature_names(data, self._kinds, feature_names or {})
        self._groups = check_groups(groups, n_samples)

    @classmethod
    def _build(cls, data, kinds, present, feature_names, index, groups):
        """A container of parts that are known to be right."""
        new = cls.__new__(cls)
        new._data, new._kinds, new._feature_names = data, kinds, feature_names
        new._present, new._index, new._groups = frozen(present), index, groups
        return new

    # --- constructors -----------------------------------------------------------------------------

    @classmethod
    def from_dataframe(cls, df, modalities, **options):
        """Split one DataFrame into modalities by columns.

        See :func:`skmm.containers.from_dataframe` for parameters.

        Parameters
        ----------
        df : DataFrame of shape (n_samples, n_columns)
            The wide table; its index gives the sample ids.
        modalities : dict of str -> list of column names, slice or callable
            Columns of each modality.
        **options : dict
            Handed on.

        Returns
        -------
        ModalityDict
            The modalities.

        Examples
        --------
        >>> import pandas as pd
        >>> from skmm import ModalityDict
        >>> df = pd.DataFrame({"GAPDH": [1.0, 2.0], "TP53": [0.0, 1.0], "age": [40, 50]})
        >>> ModalityDict.from_dataframe(df, {"rna": ["GAPDH", "TP53"], "clinical": ["age"]}).shape
        (2, 2)
        """
        from skmm.containers._constructors import from_dataframe

        return from_dataframe(df, modalities, **options)

    @classmethod
    def from_tables(cls, tables, **options):
        """Join tables and other modalities by sample id; ids that one lacks are missing there.

        See :func:`skmm.containers.from_tables` for parameters.

        Parameters
        ----------
        tables : dict of str -> DataFrame, Series or (ids, array)
            What each modality holds, and for which samples.
        **options : dict
            Handed on.

        Returns
        -------
        ModalityDict
            All samples that any modality has.

        Examples
        --------
        >>> import pandas as pd
        >>> from skmm import ModalityDict
        >>> rna = pd.DataFrame({"GAPDH": [1.0, 2.0]}, index=["ann", "bob"])
        >>> age = pd.DataFrame({"age": [50]}, index=["bob"])
        >>> ModalityDict.from_tables({"rna": rna, "clinical": age}).present
        array([[ True, False],
               [ True,  True]])
        """
        from skmm.containers._constructors import from_tables

        return from_tables(tables, **options)

    @classmethod
    def from_anndata(cls, adata, modalities, **options):
        """Take modalities out of an AnnData object; backed files stay lazy.

        See :func:`skmm.containers.from_anndata` for parameters.

        Parameters
        ----------
        adata : anndata.AnnData of shape (n_obs, n_vars)
            The object, in memory or backed.
        modalities : dict of str -> str
            Where each modality is: "X", "obsm/protein" or "layers/counts".
        **options : dict
            Handed on.

        Returns
        -------
        ModalityDict
            With ``obs_names`` as sample ids.

        Examples
        --------
        >>> import anndata, numpy as np
        >>> from skmm import ModalityDict
        >>> adata = anndata.AnnData(np.eye(3), obsm={"protein": np.ones((3, 2))})
        >>> ModalityDict.from_anndata(adata, {"rna": "X", "protein": "obsm/protein"}).modalities
        ('rna', 'protein')
        """
        from skmm.containers._constructors import from_anndata

        return from_anndata(adata, modalities, **options)

    @classmethod
    def from_mudata(cls, mdata, modalities=None, **options):
        """Take modalities out of a MuData object; cells that one lacks are missing there.

        See :func:`skmm.containers.from_mudata` for parameters.

        Parameters
        ----------
        mdata : mudata.MuData
            The object, in memory or backed.
        modalities : dict of str -> str, default=None
            Where each modality is: "rna" or "prot/obsm/X_pca"; all when None.
        **options : dict
            Handed on.

        Returns
        -------
        ModalityDict
            With ``obs_names`` as sample ids.

        Examples
        --------
        >>> import anndata, mudata, numpy as np
        >>> from skmm import ModalityDict
        >>> with mudata.set_options(pull_on_update=False):
        ...     parts = {"rna": anndata.AnnData(np.eye(3)), "prot": anndata.AnnData(np.ones((3, 2)))}
        ...     parts["prot"].var_names = ["CD3", "CD4"]
        ...     mdata = mudata.MuData(parts)
        >>> ModalityDict.from_mudata(mdata).modalities
        ('rna', 'prot')
        """
        from skmm.containers._constructors import from_mudata

        return from_mudata(mdata, modalities, **options)

    @classmethod
    def load(cls, directory):
        """Read a container that :meth:`save` wrote; dense arrays stay on disk until they are read.

        Parameters
        ----------
        directory : str or path
            Where it was saved.

        Returns
        -------
        ModalityDict
            Equal to the one that was saved.

        Examples
        --------
        >>> import tempfile
        >>> from skmm import ModalityDict
        >>> X = ModalityDict({"rna": [[1.0, 2.0]]})
        >>> with tempfile.TemporaryDirectory() as parent:
        ...     X.save(parent + "/study")
        ...     ModalityDict.load(parent + "/study") == X
        True
        """
        from skmm.containers._io import load_modalities

        return load_modalities(directory)

    def save(self, directory, *, overwrite=False):
        """Write the container to a directory: npy, npz, parquet or CSV files and a JSON manifest.

        Parameters
        ----------
        directory : str or path
            Made where it does not exist.
        overwrite : bool, default=False
            Whether an earlier container there may be replaced.

        Examples
        --------
        See :meth:`load`.
        """
        from skmm.containers._io import save_modalities

        save_modalities(self, directory, overwrite=overwrite)

    # --- what it holds ----------------------------------------------------------------------------

    @property
    def modalities(self):
        """Names, in order."""
        return tuple(self._data)

    @property
    def kinds(self):
        """Kind of each modality."""
        return dict(self._kinds)

    @property
    def present(self):
        """Which entries are there, (n_samples, n_modalities)."""
        return self._present

    @property
    def feature_names(self):
        """Feature names of each modality, or None."""
        return dict(self._feature_names)

    @property
    def index(self):
        """Sample ids, or None."""
        return self._index

    @property
    def groups(self):
        """Groups, or None."""
        return self._groups

    @property
    def shape(self):
        """(n_samples, n_modalities)."""
        return self._present.shape

    @property
    def loc(self):
        """Selection by sample id: ``X.loc[ids]``."""
        return Loc(self)

    def is_present(self, name):
        """Tell which samples have a modality.

        Parameters
        ----------
        name : str
            The modality.

        Returns
        -------
        ndarray of bool of shape (n_samples,)
            True where it is observed.

        Examples
        --------
        >>> from skmm import ModalityDict
        >>> ModalityDict({"note": ["a", None]}).is_present("note")
        array([ True, False])
        """
        if name not in self._data:
            raise messages.unknown_modality(name, self.modalities)
        return self._present[:, self.modalities.index(name)]

    # --- mapping, and rows ------------------------------------------------------------------------

    def __getitem__(self, key):
        """A modality by name; a ModalityDict by a list of names or by rows."""
        if isinstance(key, str):
            if key not in self._data:
                raise messages.unknown_modality(key, self.modalities)
            return self._data[key]
        if are_names(key):
            return self._select_modalities([str(name) for name in key])
        return self._select_rows(normalize_rows(key, len(self)))

    def _select_modalities(self, names):
        """Some of the modalities, in the order asked for."""
        for name in names:
            if name not in self._data:
                raise messages.unknown_modality(name, self.modalities)
        names = list(dict.fromkeys(names))
        columns = [self.modalities.index(name) for name in names]
        chosen = [
            {name: part[name] for name in names} for part in (self._data, self._kinds, self._feature_names)
        ]
        return self._build(
            chosen[0], chosen[1], self._present[:, columns], chosen[2], self._index, self._groups
        )

    def _select_rows(self, rows):
        """Some of the samples."""
        return self._build(
            {name: take_rows(value, rows) for name, value in self._data.items()},
            self._kinds,
            self._present[rows],
            self._feature_names,
            None if self._index is None else self._index[rows],
            None if self._groups is None else self._groups[rows],
        )

    def __len__(self):
        """Number of samples."""
        return self._present.shape[0]

    def __eq__(self, other):
        """Whether present entries and all that travels with them are equal, in any order of names."""
        if not isinstance(other, ModalityDict):
            return NotImplemented
        if len(self) != len(other) or self._kinds != other._kinds:
            return False
        if not same_labels(self._index, other._index) or not same_labels(self._groups, other._groups):
            return False
        for name in self:
            present = self.is_present(name)
            names = self._feature_names[name], other._feature_names[name]
            if not any(part is None for part in names) and not np.array_equal(*names):
                return False
            if not np.array_equal(present, other.is_present(name)):
                return False
            if not same_entries(self._data[name], other._data[name], np.flatnonzero(present)):
                return False
        return True

    __hash__ = None

    def __array__(self, dtype=None, copy=None):
        """Object array (n_samples, n_modalities) of handles, which every skmm estimator turns back."""
        if dtype is not None and np.dtype(dtype) != object:
            raise messages.cast_to_float()
        return to_handles(self)

    def __getstate__(self):
        """State that is the same for equal containers, so that ``joblib.hash`` is stable."""
        data = {name: freeze(value) for name, value in self._data.items()}
        return {
            **self.__dict__,
            "_data": data,
            "_present": freeze(self._present),
            "_index": freeze(self._index),
            "_groups": freeze(self._groups),
        }

    def __setstate__(self, state):
        """Restore, with presence read-only again."""
        self.__dict__.update(state)
        self._data = {name: thaw(value) for name, value in state["_data"].items()}
        self._present, self._index = frozen(state["_present"]), thaw(state["_index"])

    def __repr__(self):
        """One line a modality."""
        return text_repr(self)

    def _repr_html_(self):
        """A table, one row a modality."""
        return html_repr(self)
