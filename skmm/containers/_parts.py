"""The parts of a ModalityDict, each checked: entries, presence, feature names, sample ids and groups."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from skmm.containers import _validation as messages
from skmm.containers._kinds import coerce
from skmm.containers._presence import entry_presence
from skmm.containers._rows import n_rows


def check_options(**options):
    """Refuse what is no dict of modality name -> something."""
    for what, option in options.items():
        if not isinstance(option, (Mapping, type(None))):
            raise messages.not_a_dict(what, option)


def check_name(name):
    """A name as a plain str; refused where nested parameters or keys could not carry it."""
    if not isinstance(name, str) or not name or "__" in name:
        raise messages.bad_name(name)
    return str(name)


def are_names(key):
    """Whether a key is a list (or array) of names, not of rows."""
    is_list = isinstance(key, (list, pd.Index)) or (isinstance(key, np.ndarray) and key.ndim == 1)
    return is_list and len(key) > 0 and all(isinstance(name, str) for name in key)


def collect(X, kinds):
    """Stored forms, kinds and presence of the entries of a mapping."""
    unknown = set(kinds) - set(X)
    if unknown:
        raise messages.unknown_names("kinds", sorted(unknown), list(X))
    data, inferred, present = {}, {}, {}
    for name, value in X.items():
        name = check_name(name)  # noqa: PLW2901 - the same name as a plain str
        data[name], inferred[name], entries = coerce(value, name, kinds.get(name))
        present[name] = (
            entry_presence(data[name]) if entries is None else entries & entry_presence(data[name])
        )
    lengths = {name: n_rows(value) for name, value in data.items()}
    if len(set(lengths.values())) > 1:
        raise messages.unequal_lengths(lengths)
    return data, inferred, present


def common_index(X, index, groups, n_samples):
    """Sample ids: the given ones, or those on which the tables (and groups) agree."""
    frames = {name: value.index for name, value in X.items() if isinstance(value, (pd.DataFrame, pd.Series))}
    has_ids = bool(frames) or index is not None
    if has_ids and isinstance(groups, pd.Series) and not groups.index.equals(pd.RangeIndex(n_samples)):
        frames["groups="] = groups.index
    if index is not None:
        index = index if isinstance(index, pd.Index) else pd.Index(index)  # flattens a MultiIndex
        if len(index) != n_samples:
            raise messages.wrong_length("index", n_samples, len(index))
        frames = {name: own for name, own in frames.items() if not own.equals(pd.RangeIndex(n_samples))}
        frames = {"index=": index, **frames}
    first = next(iter(frames), None)
    for name, own in frames.items():
        if not own.equals(frames[first]):
            raise messages.disagreeing_indexes(first, name)
    return frames[first] if frames else None


def label_frames(data, index):
    """Give the sample ids to DataFrames that only count their rows: selections must still agree on them."""
    for name, value in data.items():
        if index is not None and isinstance(value, pd.DataFrame) and not value.index.equals(index):
            data[name] = value.copy(deep=False)
            data[name].index = index
    return data


def check_groups(groups, n_samples):
    """Groups as a 1-D array without holes."""
    if groups is None:
        return None
    groups = np.asarray(groups)
    if groups.ndim != 1 or len(groups) != n_samples:
        raise messages.wrong_length(
            "groups", n_samples, groups.shape[0] if groups.ndim == 1 else groups.shape
        )
    if pd.isna(groups).any():
        raise messages.missing_groups(np.flatnonzero(pd.isna(groups)))
    return groups


def apply_masks(present, masks, n_samples):
    """Take the entries that ``present=`` rules out from those that are there."""
    unknown = set(masks) - set(present)
    if unknown:
        raise messages.unknown_names("present", sorted(unknown), list(present))
    for name, mask in masks.items():
        array = np.asarray(mask)
        if array.dtype != bool:
            raise messages.bad_presence_mask(name, array)
        if array.shape != (n_samples,):
            raise messages.wrong_length(
                f"present[{name!r}]", n_samples, array.shape[0] if array.ndim == 1 else array.shape
            )
        present[name] = present[name] & array
    return present


def check_feature_names(data, kinds, given):
    """Feature names of each table: the given ones, or its columns."""
    unknown = set(given) - set(data)
    if unknown:
        raise messages.unknown_names("feature_names", sorted(unknown), list(data))
    names = {}
    for name, value in data.items():
        chosen = given.get(name)
        if chosen is None:
            names[name] = np.asarray(value.columns, dtype=object) if isinstance(value, pd.DataFrame) else None
            continue
        if kinds[name] != "table":
            raise messages.feature_names_of_non_table(name, kinds[name])
        chosen = np.asarray(chosen, dtype=object)
        if chosen.shape != (value.shape[1],):
            raise messages.bad_feature_names(
                name, value.shape[1], chosen.shape[0] if chosen.ndim == 1 else chosen.shape
            )
        names[name] = chosen
    return names


def frozen(present):
    """Presence that nobody can write to."""
    present = np.asarray(present).view()
    present.flags.writeable = False
    return present


class Loc:
    """Selection by sample id."""

    def __init__(self, X):
        self._X = X

    def __getitem__(self, ids):
        """Samples by id, as pandas' ``loc`` takes them: one, several, a slice or a mask."""
        if self._X.index is None:
            raise messages.no_index()
        return self._X[_rows_of_ids(self._X.index, ids)]


def _rows_of_ids(index, ids):
    """Rows of sample ids."""
    positions = pd.Series(np.arange(len(index)), index=index)
    try:
        return np.atleast_1d(positions.loc[ids])
    except KeyError as error:
        several = not isinstance(ids, (str, bytes, tuple, slice)) and hasattr(ids, "__len__")
        unknown = [label for label in ids if label not in index] if several else [ids]
        raise messages.unknown_ids(unknown) from error


def same_labels(first, second):
    """Whether sample ids or groups agree."""
    if first is None or second is None:
        return first is second
    if isinstance(first, pd.Index):
        return first.equals(second)
    return bool(np.array_equal(first, second))
