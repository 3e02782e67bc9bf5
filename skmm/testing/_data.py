"""Small data of any kinds for the checks, and changes of them: incomplete, garbled, plain, on disk."""

from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp

from skmm.containers import KINDS, BagArray, ModalityDict, as_modality_dict, is_lazy, n_rows
from skmm.datasets import make_multimodal_classification

_NAMES = ("beta", "alpha", "delta", "gamma", "zeta", "epsilon", "theta", "eta")  # not in alphabetical order
_OPTIONS = {
    "table": {"n_features": 6},
    "image": {"size": (16, 16), "dtype": "float32"},
    "volume": {"size": (2, 4, 4)},
    "bag": {"n_instances": (1, 4), "n_features": 3},
    "text": {"n_words": (3, 6)},
}
_HUGE = 1e30


def make_modalities(kinds=("table", "table"), *, n_samples=36, missing=0.0, random_state=0):
    """Make small classification data with modalities of given kinds.

    Three classes, two samples a group (a patient), and modalities named "beta", "alpha", "delta", "gamma",
    "zeta", "epsilon", "theta" and "eta", in this order, which is not the alphabetical one.

    Parameters
    ----------
    kinds : sequence of {"table", "image", "volume", "bag", "text"}, default=("table", "table")
        Kind of each modality; one to eight of them.
    n_samples : int, default=36
        Number of samples.
    missing : float, default=0.0
        Share of entries that are missing; each sample keeps a modality.
    random_state : int, default=0
        Seed.

    Returns
    -------
    X : ModalityDict
        Modalities, with groups.
    y : ndarray of int of shape (n_samples,)
        Class of each sample.

    Raises
    ------
    ValueError
        If a kind is unknown, or there are none or more than eight.

    Examples
    --------
    >>> from skmm.testing import make_modalities
    >>> X, y = make_modalities(["table", "image"], n_samples=12)
    >>> X
    ModalityDict: 12 samples, 2 modalities, with groups
      beta   table  6 float64      all present
      alpha  image  16 x 16 float32  all present
    """
    unknown = [kind for kind in kinds if kind not in KINDS]
    if isinstance(kinds, str) or unknown or not 1 <= len(kinds) <= len(_NAMES):
        raise ValueError(f"kinds must hold one to {len(_NAMES)} of {KINDS}. Got {kinds!r} instead.")
    specs = {name: {"kind": kind, **_OPTIONS[kind]} for name, kind in zip(_NAMES, kinds, strict=False)}
    return make_multimodal_classification(
        n_samples,
        modalities=specs,
        n_classes=3,
        informativeness=0.8,
        missing=missing,
        n_groups=n_samples // 2,
        random_state=random_state,
    )


def rebuild(X, data=None, present=None, **changes):
    """A container with other values or presence, and all else as it was."""
    data = dict(X.items()) if data is None else data
    masks = {name: X.is_present(name) for name in data} if present is None else present
    names = {name: names for name, names in X.feature_names.items() if names is not None and name in data}
    options = {"feature_names": names, "index": X.index, "groups": X.groups, **changes}
    return ModalityDict(data, kinds={name: X.kinds[name] for name in data}, present=masks, **options)


def complete_rows(X):
    """Rows that have every modality; all where no row does."""
    rows = np.flatnonzero(X.present.all(axis=1))
    return rows if len(rows) else np.arange(len(X))


def incomplete(X):
    """Data in which entries are missing: as they are where some are, and else every third of each modality.

    Each sample keeps a modality; None where there is only one modality.
    """
    if not X.present.all():
        return X
    if len(X.modalities) < 2:
        return None
    rows = np.arange(len(X))
    step = len(X.modalities) + 1
    return rebuild(X, present={name: rows % step != column for column, name in enumerate(X.modalities)})


def plain_dict(X):
    """A dict of arrays that says itself what is missing, and the rows of ``X`` that it holds.

    Where a form cannot say it (sparse and integer arrays), the rows that lack the modality are left out.
    """
    mute = [name for name in X if not X.is_present(name).all() and not _can_tell(X[name])]
    rows = (
        np.flatnonzero(np.all([X.is_present(name) for name in mute], axis=0)) if mute else np.arange(len(X))
    )
    X = X[rows]
    return {name: filled(X[name], ~X.is_present(name), np.nan, missing=True) for name in X}, rows


def _can_tell(value):
    """Whether a form can say that an entry is missing."""
    if sp.issparse(value) or is_lazy(value):
        return False
    return isinstance(value, (BagArray, pd.DataFrame)) or value.dtype.kind in "fO"


def filled(value, rows, fill, *, missing=False):
    """A copy of a modality with other content in the rows of a mask.

    Parameters
    ----------
    value : array
        A modality in memory.
    rows : ndarray of bool of shape (n_samples,)
        Where to write.
    fill : float
        What to write; "mixed" is NaN and infinity in turn.
    missing : bool, default=False
        Whether to write what stands for a missing entry instead.
    """
    if is_lazy(value) or not rows.any():
        return value
    if isinstance(value, BagArray):
        return _filled_bags(value, rows, fill, missing=missing)
    if isinstance(value, pd.DataFrame):
        return _filled_frame(value, rows, fill, missing=missing)
    if sp.issparse(value):
        return _filled_sparse(value, rows, fill)
    out = value.copy()
    if value.dtype == object:
        garbage = "garbage" if _is_text(value) else np.full((3, 3), _HUGE)
        for row in np.flatnonzero(rows):
            out[row] = None if missing else garbage
        return out
    out[rows] = _content(out[rows].shape, fill, out.dtype)
    return out


def _is_text(value):
    """Whether a 1-D array of objects holds documents."""
    return any(isinstance(entry, str) for entry in value)


def _content(shape, fill, dtype):
    """An array of garbage that a dtype can hold."""
    if fill == "mixed":
        fill = np.where(np.arange(int(np.prod(shape))) % 2, np.inf, np.nan).reshape(shape)
    if dtype.kind != "f":
        return np.full(shape, 1, dtype=dtype)
    return np.full(shape, fill, dtype=dtype)


def _filled_bags(value, rows, fill, *, missing):
    """Bags with others in some rows."""
    shape = (0 if missing else 2, *value.instance_shape)
    garbage = _content(shape, 0.0 if missing else fill, value.dtype)
    bags = [garbage if write else np.asarray(bag) for bag, write in zip(value, rows, strict=True)]
    return BagArray.from_list(bags, instance_shape=value.instance_shape, dtype=value.dtype)


def _filled_frame(value, rows, fill, *, missing):
    """A DataFrame with other numbers in some rows; columns that are not of floats are only made missing."""
    out = value.copy()
    for column in out.columns:
        if missing or out[column].dtype.kind == "f":
            out[column] = out[column].mask(rows, np.nan if missing or fill == "mixed" else fill)
    return out


def _filled_sparse(value, rows, fill):
    """A sparse table with other numbers in some rows."""
    out = value.tolil(copy=True)
    for row in np.flatnonzero(rows):
        out[row, :] = _content((1, value.shape[1]), fill, value.dtype)
    return out.asformat(value.format)


def memory_mapped(X, directory):
    """A container whose arrays are read-only memory maps of files in a directory."""
    return rebuild(X, {name: _mapped(X[name], Path(directory) / name) for name in X})


def _mapped(value, path):
    """A modality read from files; what cannot be mapped is made read-only."""
    if isinstance(value, BagArray):
        return BagArray(_saved(value.values, path), value.offsets)
    if sp.issparse(value):
        parts = [_saved(getattr(value, part), f"{path}-{part}") for part in ("data", "indices", "indptr")]
        return type(value)(tuple(np.asarray(part) for part in parts), shape=value.shape)
    if isinstance(value, np.ndarray) and value.dtype != object:
        return _saved(value, path)
    return _frozen(value)


def _saved(array, path):
    """An array as a read-only memory map."""
    np.save(f"{path}.npy", array)
    return np.load(f"{path}.npy", mmap_mode="r")


def read_only(X):
    """A container whose arrays cannot be written to."""
    return rebuild(X, {name: _frozen(value) for name, value in X.items()})


def _frozen(value):
    """A copy of an array that cannot be written to; other forms as they are."""
    if isinstance(value, np.ndarray):
        value = value.copy()
        value.flags.writeable = False
    elif sp.issparse(value):
        value = value.copy()
        for part in (value.data, value.indices, value.indptr):
            part.flags.writeable = False
    return value


def dense_tables(X):
    """The container with sparse tables as arrays."""
    return rebuild(X, {name: value.toarray() if sp.issparse(value) else value for name, value in X.items()})


def as_data(X, y):
    """The user's data as a container and an array."""
    X, y = as_modality_dict(X), np.asarray(y)
    if n_rows(y) != len(X):
        raise ValueError(f"X has {len(X)} samples, but y has {n_rows(y)} labels.")
    return X, y
