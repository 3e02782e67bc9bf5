"""The parts of a ModalityDict, each checked: entries, presence, feature names, sample ids and groups."""

import numpy as np
import pandas as pd

from skmm.containers import _validation as messages
from skmm.containers._kinds import coerce
from skmm.containers._presence import entry_presence
from skmm.containers._rows import n_rows


def check_name(name):
    """Refuse names that nested parameters or keys could not carry."""
    if not isinstance(name, str) or not name or "__" in name:
        raise messages.bad_name(name)


def collect(X, kinds):
    """Stored forms, kinds and presence of the entries of a mapping."""
    unknown = set(kinds) - set(X)
    if unknown:
        raise messages.unknown_names("kinds", sorted(unknown), list(X))
    data, inferred, present = {}, {}, {}
    for name, value in X.items():
        check_name(name)
        data[name], inferred[name], entries = coerce(value, name, kinds.get(name))
        present[name] = (
            entry_presence(data[name]) if entries is None else entries & entry_presence(data[name])
        )
    lengths = {name: n_rows(value) for name, value in data.items()}
    if len(set(lengths.values())) > 1:
        raise messages.unequal_lengths(lengths)
    return data, inferred, present


def common_index(X, index, n_samples):
    """Sample ids: the given ones, or those on which the tables agree."""
    frames = {name: value.index for name, value in X.items() if isinstance(value, (pd.DataFrame, pd.Series))}
    if index is not None:
        index = pd.Index(index)
        if len(index) != n_samples:
            raise messages.wrong_length("index", n_samples, len(index))
        frames = {name: own for name, own in frames.items() if not own.equals(pd.RangeIndex(n_samples))}
        frames = {"index=": index, **frames}
    first = next(iter(frames), None)
    for name, own in frames.items():
        if not own.equals(frames[first]):
            raise messages.disagreeing_indexes(first, name)
    return frames[first] if frames else None


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


def same_labels(first, second):
    """Whether sample ids or groups agree."""
    if first is None or second is None:
        return first is second
    return len(first) == len(second) and bool(np.all(np.asarray(first) == np.asarray(second)))
