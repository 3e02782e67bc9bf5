"""BagArray: bags are stored flat, and selection is exact."""

import joblib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skmm import BagArray

lengths_lists = st.lists(st.integers(0, 4), min_size=1, max_size=8)


def make(lengths):
    """Bags whose instances hold their own number."""
    values = np.arange(2 * sum(lengths)).reshape(-1, 2)
    return BagArray(values, np.concatenate([[0], np.cumsum(lengths)]).astype(int))


@given(lengths_lists, st.data())
def test_any_selection_gives_the_same_bags_as_a_list(lengths, data):
    """Rows in any order, repeated, or none, select what a list of bags would give."""
    bags = make(lengths)
    rows = data.draw(st.lists(st.integers(-len(lengths), len(lengths) - 1), max_size=10))
    expected = [bags[row] for row in rows]

    chosen = bags[rows]

    assert len(chosen) == len(rows)
    for bag, other in zip(chosen, expected, strict=True):
        np.testing.assert_array_equal(bag, other)


@given(lengths_lists, st.integers(-9, 9), st.integers(-9, 9), st.sampled_from([1, 2, -1]))
def test_slices_equal_integer_selection(lengths, start, stop, step):
    """A slice selects the bags that its integers select."""
    bags = make(lengths)
    key = slice(start, stop, step)

    assert bags[key] == bags[np.arange(len(lengths))[key]]


def test_round_trip_of_a_list():
    """from_list keeps every instance, and None becomes an empty bag."""
    bags = BagArray.from_list([np.ones((2, 3)), None, np.zeros((1, 3))])

    assert bags.lengths.tolist() == [2, 0, 1]
    assert bags.instance_shape == (3,)
    np.testing.assert_array_equal(bags[0], np.ones((2, 3)))
    assert bags[1].shape == (0, 3)


def test_a_contiguous_slice_is_a_view():
    """A slice copies no instance."""
    bags = make([2, 3, 1])

    assert np.shares_memory(bags[1:].values, bags.values)


def test_values_in_a_file_stay_lazy(tmp_path):
    """Instances in a memory map are read only where they are asked for."""
    np.save(tmp_path / "values.npy", np.arange(12.0).reshape(6, 2))
    bags = BagArray(np.load(tmp_path / "values.npy", mmap_mode="r"), [0, 2, 3, 6])

    chosen = bags[[2, 0]]

    assert "lazy" in repr(chosen)
    np.testing.assert_array_equal(chosen[0], [[6, 7], [8, 9], [10, 11]])
    assert chosen.read() == make([2, 1, 3])[[2, 0]]


def test_equality_and_pickle():
    """A pickled copy is equal; other offsets or values are not."""
    bags = make([2, 0, 1])

    assert joblib.hash(bags) == joblib.hash(make([2, 0, 1]))
    assert bags == make([2, 0, 1])
    assert bags != make([2, 1, 0])
    assert bags != BagArray(bags.values + 1, bags.offsets)


@pytest.mark.parametrize(
    ("offsets", "why"),
    [
        ([1, 3], "start at 1"),
        ([0, 2, 1, 3], "decrease after bag 1"),
        ([0, 2], "end at 2, but there are 3"),
        ([0.0, 3.0], "dtype float64"),
    ],
)
def test_bad_offsets_say_what_is_wrong(offsets, why):
    """Offsets that describe no bags are refused with the reason."""
    with pytest.raises(ValueError, match=why):
        BagArray(np.zeros((3, 2)), offsets)


def test_instances_of_different_shapes_name_the_row():
    """Bags whose instances differ in shape are refused, naming the row."""
    with pytest.raises(ValueError, match=r"shape \(2,\) in every bag. Got \(3,\) at row 2"):
        BagArray.from_list([np.ones((1, 2)), None, np.ones((1, 3))])


def test_a_row_that_is_not_there():
    """Rows out of range raise instead of wrapping around."""
    with pytest.raises(IndexError, match="Row 3 is out of range: there are 3"):
        make([1, 1, 1])[3]


def test_bags_are_no_array_of_numbers():
    """A cast to float says that bags differ in length."""
    with pytest.raises(TypeError, match="Bags differ in length"):
        np.asarray(BagArray.from_list([[[1.0]], [[2.0], [3.0]]]), dtype=float)


def test_missing_bags_and_tensors():
    """NaN and pandas' NA stand for empty bags, as None does, and tensors of any precision are taken."""
    torch = pytest.importorskip("torch")
    tensor = torch.ones(2, 3, dtype=torch.bfloat16, requires_grad=True)

    bags = BagArray.from_list([np.nan, tensor, pd.NA, None])

    assert bags.lengths.tolist() == [0, 2, 0, 0]
    assert BagArray(tensor, [0, 2])[0].tolist() == [[1.0, 1.0, 1.0]] * 2


def test_empty_bags_need_the_shape_of_an_instance():
    """Where no bag has an instance, its shape must be given."""
    with pytest.raises(ValueError, match="Pass instance_shape="):
        BagArray.from_list([None, None])
    assert BagArray.from_list([None], instance_shape=(4,)).values.shape == (0, 4)
