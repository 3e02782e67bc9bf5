"""Containers from the forms in which data is kept: a wide table, tables by sample id, AnnData, MuData."""

from collections.abc import Hashable, Mapping

import numpy as np
import pandas as pd

from skmm.containers import _validation_sources as messages
from skmm.containers._join import check_same_sort, gather_bags, join_ids, split_ids, take_or_missing
from skmm.containers._modality_dict import ModalityDict
from skmm.containers._singlecell import from_anndata, from_mudata
from skmm.containers._validation import unknown_names

__all__ = ["from_anndata", "from_dataframe", "from_mudata", "from_tables"]


def from_dataframe(df, modalities, *, kinds=None, present=None, groups=None):
    """Split one DataFrame into modalities by columns.

    Parameters
    ----------
    df : DataFrame of shape (n_samples, n_columns)
        The wide table; its index gives the sample ids.
    modalities : dict of str -> list of column names, slice or callable
        Columns of each modality: names; a slice of names (both ends included) or of positions; or a callable
        that is given the DataFrame and returns names, such as `sklearn.compose.make_column_selector`. Slices
        and callables never select the column of `groups`.
    kinds : dict of str -> str, default=None
        Declared kinds. Of a modality that is no table ("text", "image", "bag"), each cell of its one column
        is an entry.
    present : dict of str -> array of bool of shape (n_samples,), default=None
        Where False, the entry is missing; besides rows whose cells are all missing.
    groups : column name or array-like of shape (n_samples,), default=None
        Groups, such as patients.

    Returns
    -------
    ModalityDict
        The modalities; tables stay DataFrames.

    Raises
    ------
    TypeError
        If `df` is no DataFrame, or columns are given in another way.
    ValueError
        If a column is not there, or a modality whose cells are entries has several.

    Examples
    --------
    >>> import pandas as pd
    >>> from skmm.containers import from_dataframe
    >>> df = pd.DataFrame(
    ...     {"GAPDH": [1.0, 2.0], "TP53": [0.0, 1.0], "report": ["clear", None], "patient": [7, 7]},
    ...     index=["s1", "s2"],
    ... )
    >>> columns = {"rna": slice("GAPDH", "TP53"), "report": ["report"]}
    >>> X = from_dataframe(df, columns, kinds={"report": "text"}, groups="patient")
    >>> X
    ModalityDict: 2 samples, 2 modalities, with sample ids and groups
      rna     table  2 columns  all present
      report  text   documents  50% missing
    >>> X.feature_names["rna"]
    array(['GAPDH', 'TP53'], dtype=object)
    """
    if not isinstance(df, pd.DataFrame):
        raise messages.not_a_frame(df)
    features = df
    if _is_label(groups):
        if groups not in df.columns:
            raise messages.unknown_groups_column(groups, df.columns)
        features, groups = df.drop(columns=groups), df[groups].to_numpy()
    data = {}
    for name, columns in modalities.items():
        chosen = _select_columns(df, features, name, columns)
        kind = (kinds or {}).get(name, "table")
        if kind != "table":
            if chosen.shape[1] != 1:
                raise messages.needs_one_column(name, kind, chosen.shape[1])
            chosen = chosen.iloc[:, 0].tolist()
        data[name] = chosen
    return ModalityDict(data, kinds=kinds, present=present, index=df.index, groups=groups)


def _is_label(groups):
    """Whether `groups` names a column."""
    return groups is not None and isinstance(groups, Hashable) and np.ndim(groups) == 0


def _select_columns(df, features, name, columns):
    """The columns of one modality as a DataFrame."""
    if isinstance(columns, slice):
        ends = [end for end in (columns.start, columns.stop) if end is not None]
        if all(isinstance(end, (int, np.integer)) for end in ends) and not all(
            end in features.columns for end in ends
        ):
            return features.iloc[:, columns]
        unknown = [end for end in ends if end not in df.columns]
        if unknown:
            raise messages.unknown_columns(name, unknown, df.columns)
        chosen = df.loc[:, columns]
        return chosen.loc[:, chosen.columns.isin(features.columns)]
    if callable(columns):
        columns, df = columns(features), features
    if isinstance(columns, (str, bytes)) or not hasattr(columns, "__len__"):
        raise messages.bad_columns(name, columns)
    columns = list(columns)
    unknown = [column for column in columns if column not in df.columns]
    if unknown:
        raise messages.unknown_columns(name, unknown, df.columns)
    return df[columns]


def from_tables(tables, *, how="outer", repeated="error", kinds=None, feature_names=None, groups=None):
    """Join tables, texts, images and bags by sample id; ids that a modality does not have are missing there.

    Parameters
    ----------
    tables : dict of str -> DataFrame, Series, (ids, values) or dict of id -> value
        What each modality holds, and for which samples. The index of a DataFrame or Series gives the ids;
        values are arrays (lazy ones stay lazy), sparse matrices, a BagArray or a sequence with one entry an
        id. A Series of strings is text; one of numbers or categories is a table of one column.
    how : {"outer", "inner", "left"}, default="outer"
        Samples that any modality has, that all have, or that the first has; in the order in which they first
        appear.
    repeated : {"error", "bag", "first"} or dict of str -> one of these, default="error"
        What to do where a modality has several rows for an id: raise, make a bag of the rows of each id
        (numeric modalities), or take the first. A dict says so for each modality; one that it names "bag"
        becomes a bag even where no id repeats.
    kinds : dict of str -> str, default=None
        Declared kinds, for what shapes leave in doubt.
    feature_names : dict of str -> array of str of shape (n_features,), default=None
        Names of a table's columns; those of a DataFrame are taken from it.
    groups : column name, Series, dict of id -> group, or array-like of shape (n_samples,), default=None
        Groups, such as patients: a column of one or more tables (which is then no feature), groups by id, or
        groups of the joined samples in order.

    Returns
    -------
    ModalityDict
        The joined samples, with the ids as ``index``.

    Raises
    ------
    TypeError
        If a modality does not say which rows belong to which sample.
    ValueError
        If ids are missing, repeat (with ``repeated="error"``) or are of different sorts (1 and "1"), if no
        sample is left, or if a sample has no group or two.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from skmm.containers import from_tables
    >>> rna = pd.DataFrame({"GAPDH": [1.0, 2.0]}, index=["ann", "bob"])
    >>> scans = (["bob", "eve"], np.zeros((2, 8, 8), dtype=np.uint8))
    >>> X = from_tables({"rna": rna, "scan": scans, "report": {"eve": "clear"}})
    >>> list(X.index)
    ['ann', 'bob', 'eve']
    >>> X.present
    array([[ True, False, False],
           [ True,  True, False],
           [False,  True,  True]])
    """
    if how not in ("outer", "inner", "left"):
        raise messages.bad_option("how", ("outer", "inner", "left"), how)
    policies = _policies(repeated, tables)
    tables, groups_by_id = _pop_groups(tables, groups)
    parts = {name: split_ids(name, value, (kinds or {}).get(name)) for name, value in tables.items()}
    indexes = {name: ids for name, (ids, _) in parts.items()}
    if not indexes:
        return ModalityDict({})  # which says what is wrong
    check_same_sort(indexes if groups_by_id is None else {**indexes, "groups": groups_by_id.index})
    for name, ids in indexes.items():
        if policies[name] == "error" and ids.has_duplicates:
            raise messages.repeated_ids(name, ids[ids.duplicated()].unique())
    samples = join_ids(indexes, how)
    data, present = {}, {}
    for name, (ids, value) in parts.items():
        if policies[name] == "bag" and (ids.has_duplicates or isinstance(repeated, Mapping)):
            data[name] = gather_bags(name, value, samples.get_indexer(ids), len(samples))
            continue
        rows = _first_rows(ids, samples)
        data[name], present[name] = take_or_missing(value, rows), rows >= 0
        if isinstance(data[name], pd.DataFrame):
            data[name] = data[name].set_axis(samples, axis=0)
    if groups_by_id is not None:
        groups = _groups_of(samples, groups_by_id)
    return ModalityDict(
        data, kinds=kinds, present=present, feature_names=feature_names, index=samples, groups=groups
    )


def _policies(repeated, tables):
    """What to do with repeated ids, for each modality."""
    given = dict(repeated) if isinstance(repeated, Mapping) else dict.fromkeys(tables, repeated)
    unknown = [name for name in given if name not in tables]
    if unknown:
        raise unknown_names("repeated", unknown, list(tables))
    for policy in given.values():
        if policy not in ("error", "bag", "first"):
            raise messages.bad_option("repeated", ("error", "bag", "first"), policy)
    return {name: given.get(name, "error") for name in tables}


def _first_rows(ids, samples):
    """Row of each sample in a table, the first where there are several; -1 where there is none."""
    is_first = ~ids.duplicated()
    rows = ids[is_first].get_indexer(samples)
    return np.where(rows < 0, -1, np.flatnonzero(is_first)[rows])


def _pop_groups(tables, groups):
    """Tables without the column of groups, and a Series of groups by id (None if not given by id)."""
    if groups is None:
        return tables, None
    if isinstance(groups, Mapping):
        return tables, pd.Series(groups)
    if isinstance(groups, pd.Series):
        return tables, groups
    if not _is_label(groups):
        return tables, None
    frames = {name: value for name, value in tables.items() if isinstance(value, pd.DataFrame)}
    holders = [name for name, frame in frames.items() if groups in frame.columns]
    if not holders:
        raise messages.unknown_groups_column(
            groups, [column for frame in frames.values() for column in frame.columns]
        )
    by_id = pd.concat([frames[name][groups] for name in holders])
    return {**tables, **{name: frames[name].drop(columns=groups) for name in holders}}, by_id


def _groups_of(samples, by_id):
    """Groups of the samples, each told once, or several times alike."""
    by_id = by_id[by_id.notna().to_numpy()]
    rows = _first_rows(by_id.index, samples)
    if (rows < 0).any():
        raise messages.ids_without_group(samples[rows < 0])
    told = by_id.to_numpy()
    groups = told[rows]
    positions = samples.get_indexer(by_id.index)
    differs = (positions >= 0) & (groups[positions] != told)
    if differs.any():
        raise messages.conflicting_groups(by_id.index[differs].unique())
    return groups
