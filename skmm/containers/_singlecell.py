"""Containers from AnnData and MuData objects, in memory or backed by files; neither package is imported."""

import numpy as np
import pandas as pd
import scipy.sparse as sp

from skmm.containers import _validation_sources as messages
from skmm.containers._join import take_or_missing
from skmm.containers._lazy import LazyArray, is_lazy, select_columns
from skmm.containers._modality_dict import ModalityDict


def from_anndata(adata, modalities, *, kinds=None, present=None, groups=None):
    """Take modalities out of an AnnData object; what is backed by a file stays there until it is read.

    Parameters
    ----------
    adata : anndata.AnnData of shape (n_obs, n_vars)
        The object, in memory or backed; views are welcome.
    modalities : dict of str -> str
        Where each modality is: "X", "raw/X", "layers/counts", "obsm/protein", "obs" (all columns) or
        "obs/age".
    kinds : dict of str -> str, default=None
        Declared kinds, for what shapes leave in doubt; with "text", a column of `obs` gives documents.
    present : dict of str -> array of bool of shape (n_obs,), default=None
        Where False, the entry is missing.
    groups : column of ``adata.obs`` or array-like of shape (n_obs,), default=None
        Groups, such as donors.

    Returns
    -------
    ModalityDict
        With ``obs_names`` as sample ids, and feature names from ``var_names`` or from the columns of
        DataFrames.

    Raises
    ------
    ValueError
        If a location is not there.

    Notes
    -----
    A backed sparse matrix that is stored by columns (CSC) is read whole, since its rows lie scattered in the
    file.

    Examples
    --------
    >>> import anndata, numpy as np, pandas as pd
    >>> from skmm.containers import from_anndata
    >>> adata = anndata.AnnData(
    ...     np.eye(3),
    ...     obs=pd.DataFrame({"donor": ["a", "a", "b"]}, index=["c1", "c2", "c3"]),
    ...     var=pd.DataFrame(index=["GAPDH", "TP53", "CD3E"]),
    ...     obsm={"protein": np.ones((3, 2))},
    ... )
    >>> X = from_anndata(adata, {"rna": "X", "protein": "obsm/protein"}, groups="donor")
    >>> X.feature_names["rna"]
    array(['GAPDH', 'TP53', 'CD3E'], dtype=object)
    >>> X.groups
    array(['a', 'a', 'b'], dtype=object)
    """
    data, feature_names = {}, {}
    for name, location in modalities.items():
        data[name], features = _locate(adata, name, location, (kinds or {}).get(name))
        if features is not None:
            feature_names[name] = features
    return ModalityDict(
        data,
        kinds=kinds,
        present=present,
        feature_names=feature_names,
        index=pd.Index(adata.obs_names),
        groups=_groups(adata, groups),
    )


def from_mudata(mdata, modalities=None, *, kinds=None, groups=None):
    """Take modalities out of a MuData object; cells that a modality lacks are missing there.

    Parameters
    ----------
    mdata : mudata.MuData
        The object, in memory or backed, whose modalities share observations.
    modalities : dict of str -> str, default=None
        Where each modality is: "rna" (short for "rna/X"), "prot/obsm/X_pca", "rna/layers/counts", or a place
        of the whole object, "obs" and "obsm/X_joint". The X of every modality when None.
    kinds : dict of str -> str, default=None
        Declared kinds, for what shapes leave in doubt.
    groups : column of ``mdata.obs`` or array-like of shape (n_obs,), default=None
        Groups, such as donors.

    Returns
    -------
    ModalityDict
        All cells that any modality has, with ``mdata.obs_names`` as sample ids.

    Raises
    ------
    ValueError
        If a location is not there, observation names repeat, or the modalities do not share observations.

    Examples
    --------
    >>> import anndata, mudata, numpy as np, pandas as pd
    >>> from skmm.containers import from_mudata
    >>> def frame(names):
    ...     return pd.DataFrame(index=names)
    >>> rna = anndata.AnnData(np.eye(2), obs=frame(["c1", "c2"]), var=frame(["GAPDH", "TP53"]))
    >>> protein = anndata.AnnData(np.ones((1, 1)), obs=frame(["c2"]), var=frame(["CD3"]))
    >>> with mudata.set_options(pull_on_update=False):
    ...     mdata = mudata.MuData({"rna": rna, "protein": protein})
    >>> from_mudata(mdata).present
    array([[ True, False],
           [ True,  True]])
    """
    if getattr(mdata, "axis", 0) != 0:
        raise messages.not_samples_first(mdata.axis)
    if modalities is None:
        modalities = {name: name for name in mdata.mod}
    if not mdata.obs_names.is_unique:
        raise messages.repeated_names("the MuData object")
    data, feature_names, present = {}, {}, {}
    for name, location in modalities.items():
        part, _, rest = location.partition("/")
        if part not in mdata.mod:
            if part not in ("obs", "obsm"):
                # A key of obsm that is a modality's name holds which cells it has.
                own = [f"obsm/{key}" for key in mdata.obsm if key not in mdata.mod]
                raise messages.unknown_location(name, location, [*mdata.mod, "obs", *own])
            data[name], features = _locate(mdata, name, location, (kinds or {}).get(name))
        else:
            adata = mdata.mod[part]
            if not adata.obs_names.is_unique:
                raise messages.repeated_names(repr(part))
            value, features = _locate(adata, name, rest or "X", (kinds or {}).get(name))
            rows = adata.obs_names.get_indexer(mdata.obs_names)
            data[name], present[name] = take_or_missing(value, rows), rows >= 0
            if isinstance(value, pd.DataFrame):
                data[name] = data[name].set_axis(mdata.obs_names, axis=0)
        if features is not None:
            feature_names[name] = features
    return ModalityDict(
        data,
        kinds=kinds,
        present=present,
        feature_names=feature_names,
        index=pd.Index(mdata.obs_names),
        groups=_groups(mdata, groups),
    )


def _groups(adata, groups):
    """Groups of the observations: a column of obs, or as given."""
    if not isinstance(groups, str):
        return groups
    if groups not in adata.obs.columns:
        raise messages.unknown_groups_column(groups, adata.obs.columns)
    return np.asarray(adata.obs[groups])


def _keys(adata, slot):
    """Locations that a slot offers."""
    return [f"{slot}/{key}" for key in getattr(adata, slot, {})]


def _locate(adata, name, location, kind):
    """Values at a place of an AnnData or MuData object, and their feature names."""
    slot, _, key = location.partition("/")
    if location == "X" and getattr(adata, "X", None) is not None:
        return _matrix(adata), np.asarray(adata.var_names, dtype=object)
    if location == "raw/X" and getattr(adata, "raw", None) is not None:
        value = _plain(adata.raw.X)
        return value, np.asarray(adata.raw.var_names, dtype=object)
    if slot == "layers" and key in getattr(adata, "layers", {}):
        return _plain(adata.layers[key]), np.asarray(adata.var_names, dtype=object)
    if slot == "obsm" and key in adata.obsm:
        return _plain(adata.obsm[key]), None
    if location == "obs" and adata.obs.shape[1]:
        return _plain(adata.obs), None
    if slot == "obs" and key in adata.obs:
        column = adata.obs[key]
        return (column.astype(object).tolist() if kind == "text" else column.to_frame()), None
    own = [place for place, has in (("X", "X"), ("raw/X", "raw")) if getattr(adata, has, None) is not None]
    known = [*own, *_keys(adata, "layers"), *_keys(adata, "obsm"), "obs", *_keys(adata, "obs")]
    raise messages.unknown_location(name, location, known)


def _matrix(adata):
    """The matrix X; of a view of a backed object too without reading it."""
    if not (adata.is_view and adata.isbacked):
        return _plain(adata.X)
    # A view's own X is read whole. AnnData has no public name for what a view shows.
    parent = adata._adata_ref
    value = _plain(parent.X)
    rows, columns = (
        np.arange(size)[chosen] for chosen, size in zip((adata._oidx, adata._vidx), parent.shape, strict=True)
    )
    all_columns = np.array_equal(columns, np.arange(parent.n_vars))
    if isinstance(value, LazyArray):
        return (value if all_columns else select_columns(value, columns)).select(rows)
    return value[rows][:, columns]


def _plain(value):
    """Values without AnnData's wrappers: of views, and of files (which stay lazy)."""
    if getattr(value, "format", None) == "csc" and hasattr(value, "to_memory"):
        return sp.csr_array(value.to_memory())
    if is_lazy(value):
        return LazyArray(value)
    if isinstance(value, pd.DataFrame):
        return pd.DataFrame(value)
    if sp.issparse(value):
        # A copy of a view is an ordinary matrix.
        return value.copy() if type(value).__module__.startswith("anndata") else value
    return np.asarray(value)
