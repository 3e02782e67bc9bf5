"""Handles: a ModalityDict passes through code that knows object arrays only, without loss."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.naive_bayes import GaussianNB, MultinomialNB

from skmm import BagArray, ModalityDict
from skmm.containers import as_modality_dict, is_lazy


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


@pytest.mark.parametrize("classifier", [GaussianNB(), MultinomialNB()])
def test_calculating_without_a_cast_says_what_to_use(classifier):
    """So does a classifier of scikit-learn that adds or compares entries."""
    X = make()
    with pytest.raises(TypeError, match="ConcatModalities"):
        classifier.fit(X, np.arange(len(X)) % 2)


def test_tables_permuted_against_one_another():
    """Rows of two DataFrames that are shuffled against one another keep their values and lose their ids."""
    ids = ["ann", "bob", "eve"]
    tables = {name: pd.DataFrame({"v": [1.0, 2.0, 3.0]}, index=ids) for name in ("rna", "protein")}
    handles = np.asarray(ModalityDict(tables, groups=ids))
    handles[:, 0] = handles[::-1, 0]

    X = as_modality_dict(handles)

    assert X["rna"]["v"].tolist() == [3.0, 2.0, 1.0]
    assert X["protein"]["v"].tolist() == [1.0, 2.0, 3.0]
    assert X.index is None
    assert X.groups is None


def test_ids_of_several_levels_come_from_several_parents():
    """Sample ids keep their levels and data types when two containers are concatenated."""
    index = pd.MultiIndex.from_tuples([("ann", 1), ("bob", 2)])
    X = ModalityDict({"rna": np.ones((2, 1))}, index=index)

    both = as_modality_dict(np.concatenate([np.asarray(X), np.asarray(X[[1]])]))

    assert both.index.equals(index[[0, 1, 1]])


@pytest.mark.parametrize("other", [np.ones((2, 3)), pd.DataFrame({"b": [1, 2]}), ["a", "b"]])
def test_parents_must_be_alike(other):
    """Modalities of one name that differ in kind, width or columns are not put together."""
    first, second = (ModalityDict({"m": value}) for value in (pd.DataFrame({"a": [1, 2]}), other))

    with pytest.raises(ValueError, match="the ModalityDicts that it comes from differ"):
        as_modality_dict(np.concatenate([np.asarray(first), np.asarray(second)]))


def test_lazy_parents_stay_lazy(tmp_path):
    """Lazy tables and bags of several files become one lazy array, read in the order of the handles."""
    pieces = []
    for number in range(2):
        path = tmp_path / f"{number}.npy"
        np.save(path, np.arange(24.0).reshape(4, 3, 2) + 100 * number)
        stored = np.load(path, mmap_mode="r")
        pieces.append(ModalityDict({"rna": stored.reshape(4, 6), "mri": stored}, kinds={"mri": "bag"}))
    handles = np.concatenate([np.asarray(piece) for piece in pieces])[[7, 0, 5, 0]]

    X = as_modality_dict(handles)

    assert is_lazy(X["rna"])
    assert is_lazy(X["mri"].values)
    expected = np.concatenate([np.arange(24.0), np.arange(24.0) + 100]).reshape(8, 6)[[7, 0, 5, 0]]
    np.testing.assert_array_equal(X["rna"][:], expected)
    np.testing.assert_array_equal(X["mri"].read().values, expected.reshape(12, 2))
    assert pickle.loads(pickle.dumps(X)) == X
