"""Labels, weights, class weights and groups."""

import numpy as np
import pandas as pd
import pytest
from sklearn.utils.class_weight import compute_class_weight

from skmm import ModalityDict
from skmm._training import check_groups, check_weights, class_factors, encode_labels

X = ModalityDict({"a": np.zeros((4, 1))}, groups=["p", "q", "p", "r"])


@pytest.mark.parametrize(
    ("y", "classes"),
    [
        (["b", "a", "b", "c"], ["a", "b", "c"]),
        ([3, -1, 3, 7], [-1, 3, 7]),
        ([True, False, True, True], [False, True]),
        (np.array([0.0, 1.0, 1.0, 2.0]), [0.0, 1.0, 2.0]),
        (pd.Series(["b", "a", "b", "c"], dtype="category"), ["a", "b", "c"]),
    ],
)
def test_labels_of_any_type(y, classes):
    """Classes are sorted, and codes are the positions of the labels among them."""
    found, codes = encode_labels(None, X, y)

    assert found.tolist() == classes
    assert found[codes].tolist() == list(y)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "requires y to be passed, but the target y is None"),
        ([0, 1], "inconsistent numbers of samples"),
        ([0.5, 1.2, 0.1, 3.3], "Unknown label type"),
        ([0.0, np.nan, 1.0, 1.0], "Input y contains NaN"),
        (np.array(["a", None, "b", "b"], dtype=object), r"Input y contains NaN, None or NA in 1 rows \(1\)"),
    ],
)
def test_bad_labels(y, message):
    """Missing, short, continuous and NaN labels are refused in scikit-learn's words."""
    with pytest.raises(ValueError, match=message):
        encode_labels(None, X, y)


def test_labels_beyond_the_classes():
    """A label that was not announced is named."""
    with pytest.raises(ValueError, match=r"labels \['z'\] that are not among the classes \['a', 'b'\]"):
        encode_labels(None, X, ["a", "b", "z", "a"], classes=["b", "a"])


def test_weights():
    """None is 1 each, a number is itself each, an array is copied."""
    given = np.array([1.0, 0.0, 2.0, 3.0])
    weights = check_weights(given, 4)
    weights[0] = 9

    assert given[0] == 1
    assert check_weights(None, 4).tolist() == [1] * 4
    assert check_weights(2, 4).tolist() == [2.0] * 4
    assert check_weights([1, 0, 2, 3], 4).dtype == np.float64


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0, 2.0], r"shape \(4,\). Got shape \(2,\)"),
        (np.ones((4, 2)), r"shape \(4,\). Got shape \(4, 2\)"),
        ([1, -1, 1, -2], r"must not be negative. Rows \[1, 3\]"),
        ([1, np.nan, 1, 1], "sample_weight contains NaN"),
        ([0, 0, 0, 0], "at least one non-zero"),
        (np.nan, "sample_weight contains NaN"),
        (np.inf, "sample_weight contains infinity"),
    ],
)
def test_bad_weights(weights, message):
    """Wrong lengths, negative, NaN and all-zero weights are refused."""
    with pytest.raises(ValueError, match=message):
        check_weights(weights, 4)


def test_balanced_classes_count_weighted():
    """Each class gets the same total of weights, and the total of all stays; repetition equals weight."""
    codes, weights = np.array([0, 0, 0, 1, 2]), np.array([1.0, 2.0, 1.0, 3.0, 0.5])
    classes = np.array(["a", "b", "c"])

    factors = class_factors("balanced", classes, codes, weights)
    totals = np.bincount(codes, weights * factors)

    np.testing.assert_allclose(totals, [weights.sum() / 3] * 3)
    ones = class_factors("balanced", classes, codes, np.ones(5))
    np.testing.assert_allclose(
        ones[[0, 3, 4]], compute_class_weight("balanced", classes=np.arange(3), y=codes)
    )


def test_balanced_with_a_class_that_has_no_sample():
    """A class without samples changes nothing for the others."""
    factors = class_factors("balanced", np.array([0, 1, 2]), np.array([0, 0, 2]), np.ones(3))

    np.testing.assert_allclose(factors, [0.75, 0.75, 1.5])


def test_class_weights_by_label():
    """A dict gives factors by label, 1 where it is silent; an unknown label is refused."""
    classes, codes = np.array(["a", "b"]), np.array([1, 0, 1])

    assert class_factors({"b": 5}, classes, codes, np.ones(3)).tolist() == [5, 1, 5]
    assert class_factors(None, classes, codes, np.ones(3)).tolist() == [1, 1, 1]
    with pytest.raises(ValueError, match="class_weight"):
        class_factors({"z": 5}, classes, codes, np.ones(3))


def test_groups_travel_with_the_samples():
    """Groups given win over those of X; without any there are none."""
    assert check_groups(None, X).tolist() == [0, 1, 0, 2]
    assert check_groups([5, 5, 5, 1], X).tolist() == [1, 1, 1, 0]
    assert check_groups(None, ModalityDict({"a": np.zeros((4, 1))})) is None
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        check_groups([1, 2], X)


@pytest.mark.parametrize("weight", [{"a": -1}, {"a": np.nan}, {"a": np.inf}, {"a": 0, "b": 0}])
def test_class_weights_that_are_none(weight):
    """Negative, infinite and NaN factors, and nothing but zeros, are refused."""
    with pytest.raises(ValueError, match="class_weight must be finite, not negative"):
        class_factors(weight, np.array(["a", "b"]), np.array([0, 1]), np.ones(2))


def test_groups_of_mixed_types():
    """Ids may be numbers and text; a missing one is refused with its row, and so is a table of ids."""
    assert check_groups(np.array([7, "p", 7, "a"], dtype=object), X).tolist() == [0, 2, 0, 1]
    with pytest.raises(ValueError, match=r"groups are missing in 2 rows \(1, 3\)"):
        check_groups(np.array(["p", None, "p", np.nan], dtype=object), X)
    with pytest.raises(ValueError, match=r"one entry a sample. Got shape \(4, 2\)"):
        check_groups(np.zeros((4, 2)), X)
