"""What attention networks make of each modality: parameters about tokens, and the tokenizers they ask for."""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from numbers import Integral

import numpy as np

from skmm._training import Choice, Instance
from skmm._training._parameters import COUNT
from skmm.containers import _validation as messages
from skmm.nn import BagTokens, FeatureTokens, GroupTokens, PatchTokens, VectorTokens

N_GROUPS = 16  # groups of a table that ``feature_groups`` does not mention
TOKEN_RULES = {
    "tokenization": (Choice(("vector", "feature", "groups")),),
    "feature_groups": (COUNT, Instance(Mapping, "a dict {modality: int or {name: columns}}")),
    "patch_size": (COUNT,),
}


def _equal_chunks(n_groups, n_features, feature_names):
    """Consecutive columns in groups of equal sizes up to one, named after the first and last."""
    chunks = np.array_split(np.arange(n_features), min(n_groups, n_features))
    if feature_names is not None and len(set(feature_names)) == n_features:
        names, alone, several = feature_names, "{}", "{} to {}"
    else:
        names, alone, several = range(n_features), "column {}", "columns {} to {}"
    return {
        (several if len(chunk) > 1 else alone).format(names[chunk[0]], names[chunk[-1]]): chunk
        for chunk in chunks
    }


def _positions(columns, group, name, n_features, feature_names):
    """Positions of a group's columns, which are given by name or by position."""
    where = f"feature_groups[{name!r}][{group!r}]"
    given = [columns] if isinstance(columns, (str, Integral)) else columns
    if not isinstance(given, Iterable):
        raise ValueError(
            f"{where} must be a sequence of columns, by name or position. Got {columns!r} instead."
        )
    given = list(given)
    if not given:
        raise ValueError(f"{where} has no columns: leave the group out, or name some.")
    places = {}
    for place, column in enumerate(() if feature_names is None else feature_names):
        places.setdefault(column, []).append(place)

    def is_position(column):
        return isinstance(column, Integral) and not isinstance(column, bool) and 0 <= column < n_features

    unknown = [c for c in given if not (c in places if isinstance(c, str) else is_position(c))]
    if unknown:
        has = (
            f"columns 0 to {n_features - 1}, without names"
            if feature_names is None
            else f"columns {messages.quoted(feature_names)}"
        )
        raise ValueError(
            f"{where} must hold columns of modality {name!r}. Got {messages.quoted(unknown)}; it has {has}."
        )
    shared = [column for column in given if isinstance(column, str) and len(places[column]) > 1]
    if shared:
        raise ValueError(
            f"{where} names {messages.quoted(shared)}, as several columns of modality {name!r} are called: "
            "give positions."
        )
    found = [places[column][0] if isinstance(column, str) else column for column in given]
    # The order of a set of strings is another in each process, and initial weights go by the order.
    return np.array(sorted(found) if isinstance(columns, AbstractSet) else found, dtype=np.intp)


def column_groups(feature_groups, name, n_features, feature_names=None):
    """The columns of each group of a table.

    Parameters
    ----------
    feature_groups : int or mapping
        Number of groups of consecutive columns; or by modality such a number, or {group name: columns}, by
        name or position.
    name : str
        The table.
    n_features : int
        Its columns.
    feature_names : sequence of str, default=None
        Their names, where there are any.

    Returns
    -------
    dict of str -> ndarray of int
        Positions of the columns by name of the group.
    """
    wanted = feature_groups.get(name, N_GROUPS) if isinstance(feature_groups, Mapping) else feature_groups
    if not isinstance(wanted, Mapping):
        if not COUNT.allows(wanted):
            raise ValueError(
                f"feature_groups[{name!r}] must be {COUNT} or a dict {{name: columns}}. "
                f"Got {wanted!r} instead."
            )
        return _equal_chunks(wanted, n_features, feature_names)
    if not wanted:
        raise ValueError(f"feature_groups[{name!r}] has no groups: leave the modality out, or name some.")
    names = [str(group) for group in wanted]
    if len(set(names)) < len(names):
        raise ValueError(
            f"feature_groups[{name!r}] must have groups whose names differ as strings. Got {list(wanted)!r}."
        )
    return {
        str(group): _positions(columns, group, name, n_features, feature_names)
        for group, columns in wanted.items()
    }


def _groups_of(estimator, name, n_features):
    """The groups that an estimator's ``feature_groups`` makes of a table."""
    if isinstance(estimator.feature_groups, Mapping):
        tables = [table for table, kind in estimator.schema_.kinds.items() if kind == "table"]
        unknown = [table for table in estimator.feature_groups if table not in tables]
        if unknown:
            raise ValueError(
                f"feature_groups must be a number or a dict of tables, as in "
                f"{{{tables[0]!r}: {{'a signature': columns}}}}. Got {messages.quoted(unknown)}; "
                f"the tables are {messages.quoted(tables)}."
            )
    names = estimator.schema_.feature_names[name]
    return column_groups(estimator.feature_groups, name, n_features, names)


def make_tokenizer(
    estimator, name, shape, *, width, n_bands=None, max_frequency=10.0, groups=False, instance_bands=None
):
    """The tokenizer of one modality.

    Parameters
    ----------
    estimator : BaseFusionClassifier
        With the parameters ``tokenization``, ``feature_groups`` and ``patch_size``.
    name : str
        The modality.
    shape : tuple of int
        Shape of a sample's tensor, of an instance's for a bag.
    width : int
        Width of a group's token.
    n_bands : int, default=None
        Frequencies of the Fourier features of positions; None for no positions.
    max_frequency : float, default=10.0
        Twice the highest frequency.
    groups : bool, default=False
        Whether a table is cut into groups whatever ``tokenization`` says.
    instance_bands : int, default=None
        Frequencies for the instances of a bag that are vectors, which have no order and are all at the same
        position.

    Returns
    -------
    Tokenizer or BagTokens
        From the modality's tensor to tokens.
    """
    options = {"n_bands": n_bands, "max_frequency": max_frequency}
    kind = estimator.schema_.kinds[name]
    if kind == "bag":
        return BagTokens(
            VectorTokens(shape[0], instance_bands, max_frequency)
            if len(shape) == 1
            else PatchTokens(shape, estimator.patch_size, **options)
        )
    if kind != "table":
        return PatchTokens(shape, estimator.patch_size, **options)
    if groups or estimator.tokenization == "groups":
        found = _groups_of(estimator, name, shape[0])
        return GroupTokens(list(found.values()), width, **options)
    return (VectorTokens if estimator.tokenization == "vector" else FeatureTokens)(shape[0], **options)


def token_names(estimator, name, n_features, *, groups=False):
    """Names of the tokens of a table, as `make_tokenizer` cuts it: of groups, of features, or its own."""
    if groups or estimator.tokenization == "groups":
        return list(_groups_of(estimator, name, n_features))
    if estimator.tokenization == "vector":
        return [name]
    names = estimator.schema_.feature_names[name]
    return [f"column {place}" for place in range(n_features)] if names is None else [str(n) for n in names]
