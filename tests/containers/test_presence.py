"""Presence: every way to say missing is understood, computed once, and nothing more is read than needed."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from skmm import BagArray, ModalityDict

NAN = np.nan


@pytest.mark.parametrize(
    "value",
    [
        np.array([[1.0, NAN], [NAN, NAN], [NAN, 2.0]]),
        np.array([["a", None], [None, None], [None, "b"]], dtype=object),
        pd.DataFrame({"a": [1, None, None], "b": ["x", None, "y"]}),
        pd.DataFrame({"a": [True, pd.NA, False]}, dtype="boolean"),
        BagArray.from_list([np.ones((2, 3)), None, np.ones((1, 3))]),
        [np.ones((2, 3)), None, np.ones((1, 3))],
        [np.ones((2, 3)), NAN, np.ones((1, 3))],
        ["a", None, ""],
        ["a", pd.NA, ""],
        ["a", NAN, ""],
        np.stack([np.zeros((4, 4)), np.full((4, 4), NAN), np.eye(4)]),
    ],
)
def test_a_missing_entry_in_every_form(value):
    """None, NaN and NA in sequences, all-NaN rows, and empty bags are missing; an empty string is not."""
    assert ModalityDict({"m": value}).is_present("m").tolist() == [True, False, True]


@pytest.mark.parametrize(
    "value",
    [np.zeros((3, 2), int), sp.csr_matrix((3, 2)), np.zeros((3, 4, 4), np.uint8), np.zeros((3, 2), bool)],
)
def test_zero_is_present_and_a_mask_tells_the_rest(value):
    """Integers, all-zero sparse rows and black images are present; ``present=`` alone makes them missing."""
    assert ModalityDict({"m": value}).present.all()
    assert ModalityDict({"m": value}, present={"m": [True, False, True]}).is_present("m").tolist() == [
        True,
        False,
        True,
    ]


def test_mask_and_entries_add_up():
    """An entry is missing when its value or the mask says so."""
    X = ModalityDict({"m": np.array([[NAN], [1.0], [2.0]])}, present={"m": np.array([True, False, True])})

    assert X.present[:, 0].tolist() == [False, False, True]


def test_present_cannot_be_written_to():
    """The presence array is read-only, before and after selection and copying."""
    X = ModalityDict({"m": np.zeros((2, 1))})

    for present in (X.present, X[[0]].present, X[:1].present, __import__("copy").deepcopy(X).present):
        with pytest.raises(ValueError, match="read-only"):
            present[0, 0] = False


@pytest.mark.parametrize(
    ("mask", "error", "match"),
    [
        ([1, 0], TypeError, "boolean"),
        ([True], ValueError, "2 in all. Got 1"),
    ],
)
def test_bad_masks(mask, error, match):
    """Masks that are not boolean, or too short, raise with their name."""
    with pytest.raises(error, match=match):
        ModalityDict({"m": np.zeros((2, 1))}, present={"m": mask})


def test_a_mask_for_an_unknown_modality():
    """A mask that names nothing raises."""
    with pytest.raises(ValueError, match="present names 'n'"):
        ModalityDict({"m": np.zeros((2, 1))}, present={"n": [True, True]})


def test_bags_that_are_nan_throughout_are_missing():
    """A bag of NaN is missing, whether it comes in a sequence or in an array of equal bags."""
    nan, half = np.full((2, 3), np.nan), np.array([[np.nan, 1.0, 1.0], [1.0, 1.0, 1.0]])

    X = ModalityDict(
        {"stack": np.stack([nan, half, half]), "list": [half[:1], nan, half]}, kinds={"stack": "bag"}
    )

    assert X.present.tolist() == [[False, True], [True, False], [True, True]]


def test_images_of_different_sizes_that_are_nan_are_missing():
    """Of images of different sizes, one that is NaN throughout is missing, a partly NaN one is not."""
    partly = np.ones((4, 5))
    partly[0, 0] = np.nan

    assert ModalityDict({"xray": [np.full((2, 3), np.nan), partly]}).present.ravel().tolist() == [False, True]
