"""Light handles: how a ModalityDict passes through code that only knows 2-D object arrays."""

from itertools import pairwise, repeat

import numpy as np
import pandas as pd

from skmm.containers import _validation as messages
from skmm.containers._rows import chain_rows, take_rows
from skmm.containers._schema import Schema


class ModalityHandle:
    """One entry (a sample's modality) of a ModalityDict, by reference."""

    __slots__ = ("name", "parent", "row")

    def __init__(self, parent, row, name):
        self.parent = parent
        self.row = row
        self.name = name

    def __float__(self, *_):
        raise messages.cast_to_float()

    # some estimators calculate with what they do not cast, such as GaussianNB and MultinomialNB
    __add__ = __sub__ = __mul__ = __lt__ = __le__ = __gt__ = __ge__ = __float__

    def __repr__(self):
        return f"<{self.name!r} of sample {self.row}>"


def to_handles(X):
    """Object array (n_samples, n_modalities) of handles to the entries of ``X``."""
    handles = np.empty(X.shape, dtype=object)
    for column, name in enumerate(X.modalities):
        handles[:, column] = list(map(ModalityHandle, repeat(X), range(len(X)), repeat(name)))
    return handles


def is_handle_array(X):
    """Whether ``X`` is an object array made by ``to_handles``, or rows and columns of one."""
    return (
        isinstance(X, np.ndarray)
        and X.dtype == object
        and X.ndim == 2
        and X.size > 0
        and isinstance(X.flat[0], ModalityHandle)
    )


def from_handles(handles):
    """Turn handles, selected and permuted as they may be, back into a ModalityDict.

    Columns may come from several parents (a concatenation) and be permuted against one another
    (permutation importance): then no sample ids or groups are left, since no sample is left whole.
    """
    columns = [_column(handles[:, j]) for j in range(handles.shape[1])]
    names = [name for name, _, _, _ in columns]
    if len(set(names)) != len(names):
        raise messages.broken_handles(f"the modalities {messages.quoted(names)} repeat")
    _, parents, owners, rows = columns[0]
    whole = all(
        len(parents) == len(theirs)
        and all(a is b for a, b in zip(parents, theirs, strict=True))
        and np.array_equal(owners, their_owners)
        and np.array_equal(rows, their_rows)
        for _, theirs, their_owners, their_rows in columns[1:]
    )
    if whole and len(parents) == 1:
        return parents[0][names][rows]
    parts = {name: _gather(name, *where) for name, *where in columns}
    data = {name: values for name, (values, _) in parts.items()}
    ids = groups = None
    if whole:
        ids = _gather_labels([parent.index for parent in parents], owners, rows)
        groups = _gather_labels([parent.groups for parent in parents], owners, rows)
    else:
        data = {name: _without_ids(values) for name, values in data.items()}
    firsts = {name: theirs[0] for name, theirs, _, _ in columns}
    return parents[0]._build(
        data,
        {name: first.kinds[name] for name, first in firsts.items()},
        np.column_stack([present for _, present in parts.values()]),
        {name: first.feature_names[name] for name, first in firsts.items()},
        ids,
        groups,
    )


def _without_ids(values):
    """A DataFrame whose index only counts rows; all else as it is."""
    return values.reset_index(drop=True) if isinstance(values, pd.DataFrame) else values


def _column(handles):
    """Name, parents, number of the parent and row of each handle of one column."""
    parents, numbers = [], {}
    owners = np.empty(len(handles), dtype=np.intp)
    rows = np.empty(len(handles), dtype=np.intp)
    name = handles[0].name if isinstance(handles[0], ModalityHandle) else None
    for position, handle in enumerate(handles):
        if not isinstance(handle, ModalityHandle) or handle.name != name:
            raise messages.broken_handles(
                f"row {position} of a column holds {handle!r}, but the column is of modality {name!r}"
            )
        if id(handle.parent) not in numbers:
            numbers[id(handle.parent)] = len(parents)
            parents.append(handle.parent)
        owners[position] = numbers[id(handle.parent)]
        rows[position] = handle.row
    return name, parents, owners, rows


def _gather(name, parents, owners, rows):
    """Values and presence of one modality out of several parents, in the order of the handles."""
    if len(parents) == 1:
        return take_rows(parents[0][name], rows), parents[0].is_present(name)[rows]
    parents = _alike(name, parents)
    pieces, back = _by_owner(owners, rows, len(parents))
    stacked = chain_rows(
        [take_rows(parent[name], piece) for parent, piece in zip(parents, pieces, strict=True)]
    )
    present = [parent.is_present(name)[piece] for parent, piece in zip(parents, pieces, strict=True)]
    return take_rows(stacked, back), np.concatenate(present)[back]


def _by_owner(owners, rows, n_parents):
    """Rows of each parent, and the order that brings them back to that of the handles."""
    order = np.argsort(owners, kind="stable")
    bounds = np.searchsorted(owners[order], np.arange(n_parents + 1))
    return [rows[order[start:stop]] for start, stop in pairwise(bounds)], np.argsort(order)


def _alike(name, parents):
    """Parents in which a name means the same."""
    schema = Schema.of(parents[0][[name]])
    try:
        return [schema.align(parent[[name]]) for parent in parents]
    except ValueError as error:
        raise messages.broken_handles(f"the ModalityDicts that it comes from differ ({error})") from error


def _gather_labels(labels, owners, rows):
    """Sample ids or groups of several parents; None where one of them has none."""
    if any(label is None for label in labels):
        return None
    pieces, back = _by_owner(owners, rows, len(labels))
    chosen = [label[piece] for label, piece in zip(labels, pieces, strict=True)]
    if isinstance(chosen[0], pd.Index):
        return chosen[0].append(chosen[1:])[back]
    return np.concatenate(chosen)[back]
