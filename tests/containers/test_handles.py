"""Handles: a ModalityDict passes through code that knows object arrays only, without loss."""

import pickle

import numpy as np
import pytest

from skmm import BagArray, ModalityDict
from skmm.containers import as_modality_dict


def make(start=0, n=4):
    """Kinds that stack differently, numbered from ``start``; the second sample lacks the table."""
    table = np.arange(start, start + n, dtype=float).reshape(n, 1)
    table[1] = np.nan
    return ModalityDict(
        {
            "t": table,
            "b": BagArray.from_list([[[i]] * (i % 3 + 1) for i in range(start, start + n)]),
            "s": [str(i) for i in range(start, start + n)],
        },
        groups=np.arange(n),
        index=[f"id{i}" for i in range(start, start + n)],
    )


def test_round_trip():
    """An object array turns back into an equal container, ids and groups included."""
    X = make()

    assert np.asarray(X).shape == (4, 3)
    assert as_modality_dict(np.asarray(X)) == X


def test_rows_and_columns_of_handles():
    """Selected and repeated rows, and some of the columns, give what the container would."""
    X = make()

    assert as_modality_dict(np.asarray(X)[[3, 1, 1]]) == X[[3, 1, 1]]
    assert as_modality_dict(np.asarray(X)[:, [2, 0]]) == X[["s", "t"]]


def test_a_permuted_column_permutes_one_modality():
    """Values and presence of a shuffled column follow the handles; the other columns stay."""
    X = make()
    handles = np.asarray(X).copy()
    handles[:, 0] = handles[[1, 0, 3, 2], 0]

    permuted = as_modality_dict(handles)

    assert permuted.is_present("t").tolist() == [False, True, True, True]
    np.testing.assert_array_equal(permuted["t"][1:].ravel(), [0, 3, 2])
    assert permuted["s"].tolist() == ["0", "1", "2", "3"]
    assert permuted["b"] == X["b"]


def test_several_parents():
    """Handles of two containers, mixed, give the samples of both, in order."""
    first, second = make(0), make(10)
    handles = np.concatenate([np.asarray(first), np.asarray(second)])[[5, 0, 4, 3, 2]]

    mixed = as_modality_dict(handles)

    assert mixed["s"].tolist() == ["11", "0", "10", "3", "2"]
    assert mixed.is_present("t").tolist() == [False, True, True, True, True]
    assert [bag[0, 0] for bag in mixed["b"]] == [11, 0, 10, 3, 2]
    assert mixed.index.tolist() == ["id11", "id0", "id10", "id3", "id2"]
    assert mixed.groups.tolist() == [1, 0, 0, 3, 2]


def test_handles_survive_pickling_with_one_parent():
    """Pickled handles keep one common parent and turn back."""
    X = make()

    assert as_modality_dict(pickle.loads(pickle.dumps(np.asarray(X)))) == X


def test_what_cannot_be_turned_back():
    """Columns that mix modalities, and repeated columns, raise."""
    handles = np.asarray(make()).copy()
    repeated = handles[:, [0, 0]]
    handles[0, 0] = handles[0, 1]

    with pytest.raises(ValueError, match="cannot be turned back"):
        as_modality_dict(handles)
    with pytest.raises(ValueError, match="repeat"):
        as_modality_dict(repeated)


def test_a_cast_to_float_says_what_to_use():
    """Casting handles to numbers names ConcatModalities."""
    with pytest.raises(TypeError, match="ConcatModalities"):
        np.asarray(make()).astype(float)
