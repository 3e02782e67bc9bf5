"""Kinds are inferred where there is no doubt, asked for elsewhere, and declared kinds win."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from skmm import BagArray, ModalityDict
from skmm.containers import as_modality_dict, stack_rows

f4 = np.zeros((2, 5, 6, 3), dtype=np.float32)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (np.zeros((2, 3)), "table"),
        ([[1, 2], [3, 4]], "table"),
        (np.array([["a", "b"], ["c", "d"]], dtype=object), "table"),
        (sp.csr_matrix((2, 3)), "table"),
        (sp.csc_array((2, 3)), "table"),
        (sp.coo_array((2, 3)), "table"),
        (sp.dok_array((2, 3)), "table"),
        (pd.DataFrame({"a": [1, 2]}), "table"),
        (np.zeros((2, 5, 6), dtype=np.uint8), "image"),
        (f4, "image"),
        (np.zeros((2, 5, 6, 1)), "image"),
        (np.zeros((2, 5, 6, 4)), "image"),
        (np.zeros((2, 4, 5, 6, 1)), "volume"),
        (BagArray.from_list([np.ones((2, 3)), np.ones((1, 3))]), "bag"),
        ([np.ones((2, 3)), np.ones((1, 3))], "bag"),
        ([np.ones((2, 8, 8)), None], "bag"),
        ([np.ones((7, 8, 8)), np.ones((5, 8, 8))], "bag"),
        ([np.ones((7, 8)), np.ones((5, 6))], "image"),
        ([np.ones((7, 8, 3)), np.ones((5, 6, 3)), None], "image"),
        (["a report", None], "text"),
        (np.array(["a", "b"]), "text"),
        (pd.Series(["a", None, pd.NA, np.nan]), "text"),
        (pd.Series(["a", "b"], dtype="string"), "text"),
    ],
)
def test_inferred(value, kind):
    """Every form of the contract's table is read as its kind."""
    assert ModalityDict({"m": value}).kinds == {"m": kind}


@pytest.mark.parametrize(
    ("value", "match"),
    [
        (np.zeros((2, 20, 64, 64)), "channels last"),
        (np.zeros((2, 3, 64, 64)), r"np.moveaxis\(array, 1, -1\)"),
        ([np.zeros((8, 8)), np.zeros((8, 8))], "'image'.* or .*'bag'"),
        ([np.zeros((8, 8), np.uint8), np.zeros((6, 8), np.uint8)], "'image'.* or .*'bag'"),
        ([np.zeros((8, 8, 3)), np.zeros((8, 8, 3))], "leaves doubt"),
        ([np.zeros((8, 6, 3)), np.zeros((7, 6, 3))], "leaves doubt"),
        ([np.zeros(3), np.zeros(4)], "'table'.* or .*'bag'"),
        ([None, None], "missing for every sample"),
        (np.zeros((2, 3, 4, 5, 6, 7)), "6 axes"),
        (np.arange(3), "to_frame"),
        (pd.Series([1, 2]), "to_frame"),
        ([1.0, 2.0], "to_frame"),
        (np.zeros((2, 0)), "0 features"),
        (np.zeros((2, 2), dtype=complex), "Complex"),
    ],
)
def test_doubt_is_an_error_that_says_what_to_do(value, match):
    """What leaves doubt raises, and the message shows the declaration or the fix."""
    with pytest.raises(ValueError, match=match):
        ModalityDict({"m": value})


@pytest.mark.parametrize(
    "value",
    [
        "text",
        3,
        {"a": 1},
        iter([1]),
        np.ma.zeros((2, 2)),
        ["a", np.zeros(3)],
        [np.zeros((2, 2)), "a"],
        [object()],
    ],
)
def test_what_is_no_modality(value):
    """Values that no kind takes raise a TypeError that names the modality."""
    with pytest.raises(TypeError, match="'m'"):
        ModalityDict({"m": value})


@pytest.mark.parametrize(
    ("value", "kind", "stored"),
    [
        (np.zeros((2, 20, 6, 6)), "bag", BagArray),
        (np.zeros((2, 20, 6, 6)), "image", np.ndarray),
        (np.zeros((2, 20, 6, 6)), "volume", np.ndarray),
        (np.zeros((2, 5, 3)), "bag", BagArray),
        ([np.zeros((8, 8)), None], "image", np.ndarray),
        ([np.zeros((8, 8)), None], "bag", BagArray),
        ([np.zeros(3), None], "table", np.ndarray),
        (np.arange(2), "table", np.ndarray),
        ([None, None], "text", np.ndarray),
    ],
)
def test_declared_kind_wins(value, kind, stored):
    """A declared kind settles what the shape leaves open."""
    X = ModalityDict({"m": value}, kinds={"m": kind})

    assert X.kinds["m"] == kind
    assert isinstance(X["m"], stored)


def test_declared_bags_hold_their_instances():
    """An array declared as bags keeps each sample's instances together."""
    array = np.arange(24.0).reshape(2, 3, 4)

    bags = ModalityDict({"m": array}, kinds={"m": "bag"})["m"]

    np.testing.assert_array_equal(bags[1], array[1])
    assert np.shares_memory(bags.values, array)


@pytest.mark.parametrize("kinds", [None, {"mri": "bag"}])
def test_slices_of_different_sizes_in_a_list(kinds):
    """A list of a sample's images of different sizes is a bag, which can be selected and stacked."""
    images = [np.full((size, 8), size) for size in (8, 9, 8)]
    X = ModalityDict({"mri": [images[:2], None, images[2:]]}, kinds=kinds)

    assert X.kinds["mri"] == "bag"
    assert X["mri"].instance_shape == (None, None)
    assert X.present.ravel().tolist() == [True, False, True]
    assert as_modality_dict(np.concatenate([np.asarray(X[2:]), np.asarray(X[:2])])) == X[[2, 0, 1]]
    even = ModalityDict({"mri": [images[2:]]}, kinds={"mri": "bag"})
    assert stack_rows([even["mri"], X["mri"]]) == X["mri"][[2, 0, 1, 2]]
    with pytest.raises(ValueError, match="declared 'volume', but it is bags of images of different sizes"):
        ModalityDict({"mri": [images[:2]]}, kinds={"mri": "volume"})


def test_a_lazy_stack_declared_as_bags_is_not_read(tmp_path):
    """A memory map declared as bags gives the right instances, and stays on disk."""
    array = np.arange(2 * 3 * 4 * 5.0).reshape(2, 3, 4, 5)
    np.save(tmp_path / "a.npy", array)

    bags = ModalityDict({"m": np.load(tmp_path / "a.npy", mmap_mode="r")}, kinds={"m": "bag"})["m"]

    assert "lazy" in repr(bags)
    np.testing.assert_array_equal(bags[[1, 0]][0], array[1])


def test_equal_images_with_a_missing_one_become_one_array():
    """None among images of one size is missing; the others keep their pixels."""
    X = ModalityDict({"m": [np.full((8, 8), 7, np.uint8), None]}, kinds={"m": "image"})

    assert X["m"].shape == (2, 8, 8)
    assert X["m"].dtype == np.uint8
    assert X.is_present("m").tolist() == [True, False]


def test_torch_tensors_are_arrays():
    """A tensor is read as the array it holds."""
    torch = __import__("torch")

    assert ModalityDict({"m": torch.ones(2, 3)})["m"].tolist() == [[1, 1, 1], [1, 1, 1]]


def test_unknown_and_contradicted_declarations():
    """Declared kinds that do not exist, or do not fit, or name nothing, raise."""
    with pytest.raises(ValueError, match="must be one of"):
        ModalityDict({"m": np.zeros((2, 2))}, kinds={"m": "picture"})
    with pytest.raises(ValueError, match="declared 'image'"):
        ModalityDict({"m": np.zeros((2, 2))}, kinds={"m": "image"})
    with pytest.raises(ValueError, match="declared 'table'"):
        ModalityDict({"m": [np.zeros(2), np.zeros(3)]}, kinds={"m": "table"})
    with pytest.raises(ValueError, match="kinds names 'n'"):
        ModalityDict({"m": np.zeros((2, 2))}, kinds={"n": "table"})


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "uint8"])
def test_tensors(dtype):
    """Tensors of any precision, with or without gradient, become arrays of the same values."""
    torch = pytest.importorskip("torch")
    tensor = torch.tensor([[1, 2], [3, 4]]).to(getattr(torch, dtype))
    if tensor.is_floating_point():
        tensor.requires_grad_()

    X = ModalityDict({"rna": tensor, "mri": [tensor, None]}, kinds={"mri": "bag"})

    np.testing.assert_array_equal(X["rna"], [[1, 2], [3, 4]])
    np.testing.assert_array_equal(X["mri"][0], [[1, 2], [3, 4]])


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (np.full((2, 3, 4), "a"), TypeError, "'m' is of kind 'image', so it must hold real numbers"),
        (np.ones((2, 3, 3), dtype=complex), TypeError, "must hold real numbers"),
        (BagArray(np.array(["a", "b"]), [0, 1, 2]), TypeError, "'m' is of kind 'bag'"),
        (np.zeros((3, 0, 5)), ValueError, r"entries without values, shape \(3, 0, 5\)"),
        (np.zeros((3, 2), dtype=[("a", float)]), TypeError, "structured array"),
        (pd.DataFrame({"a": [1j]}), ValueError, "Complex data not supported"),
        (sp.coo_array(np.ones(3)), ValueError, r"sparse array of shape \(3,\)"),
        (pd.Series(["a", "b"], dtype="category"), ValueError, r"\.to_frame\(\)"),
        (pd.Series(pd.to_datetime(["2020-01-01"])), ValueError, r"\.to_frame\(\)"),
        ([b"a"], TypeError, "Got bytes at row 0"),
        ([None, {"a": 1}], TypeError, "Got dict at row 1"),
    ],
)
def test_values_of_the_wrong_sort(value, error, message):
    """Values of the wrong sort are refused where they come in, by name."""
    with pytest.raises(error, match=message):
        ModalityDict({"m": value})


def test_images_have_two_or_three_axes():
    """A sequence that is declared images holds no vectors."""
    with pytest.raises(
        ValueError, match=r"declared 'image', but it is a sequence with an array of shape \(3,\)"
    ):
        ModalityDict({"m": [np.ones(3), np.ones(4)]}, kinds={"m": "image"})


@pytest.mark.parametrize("kind", ["table", "image", "volume", "bag", "text"])
def test_a_declared_modality_may_be_missing_throughout(kind):
    """Where the kind is declared, a sequence of missing entries is that kind with no present row."""
    X = ModalityDict({"m": [None, np.nan]}, kinds={"m": kind})

    assert X.kinds == {"m": kind}
    assert X.present.tolist() == [[False], [False]]


def test_volumes_have_channels():
    """A declared volume with four axes gets one for its only channel."""
    values = np.arange(16.0).reshape(2, 2, 2, 2)

    X = ModalityDict({"ct": values}, kinds={"ct": "volume"})

    np.testing.assert_array_equal(X["ct"], values[..., np.newaxis])
    assert np.shares_memory(X["ct"], values)


def test_lazy_volumes_have_channels(tmp_path):
    """A lazy volume without channels is read with one."""
    values = np.arange(16.0).reshape(2, 2, 2, 2)
    np.save(tmp_path / "ct.npy", values)

    X = ModalityDict({"ct": np.load(tmp_path / "ct.npy", mmap_mode="r")}, kinds={"ct": "volume"})

    np.testing.assert_array_equal(X["ct"][[1, 0]], values[[1, 0]][..., np.newaxis])


def test_sparse_tables_are_stored_by_rows():
    """A sparse table of any format is stored as CSR, of which rows are fast to select."""
    for form in (sp.csc_array, sp.csc_matrix, sp.dok_matrix, sp.coo_array):
        X = ModalityDict({"m": form(np.eye(3))})
        assert X["m"].format == "csr"
        np.testing.assert_array_equal(X[[2]]["m"].toarray(), [[0, 0, 1]])


def test_subclasses_of_str_and_ndarray_become_plain():
    """Strings of NumPy become str, and np.matrix an ndarray, so that equal containers have equal parts."""
    X = ModalityDict({"note": np.array(["a", "b"]), "rna": np.eye(2).view(np.matrix)})

    assert [type(text) for text in X["note"]] == [str, str]
    assert type(X["rna"]) is np.ndarray
