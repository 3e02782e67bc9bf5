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


def _images(*sizes, dtype=np.uint8):
    """Return images of some sizes that are full of their place."""
    return [np.full(size, place, dtype=dtype) for place, size in enumerate(sizes)]


@pytest.mark.parametrize(
    ("bags", "lengths"),
    [
        ([_images((8, 8), (9, 9)), None, _images((8, 8))], [2, 0, 1]),
        ([_images((8, 8)), _images((9, 9), (9, 9)), []], [1, 2, 0]),
        ([_images((8, 7), (8, 9)), np.zeros((2, 8, 7), np.uint8)], [2, 2]),
    ],
    ids=["within a bag", "between bags", "beside an array"],
)
def test_images_of_different_sizes(bags, lengths):
    """They are kept one by one, whether they differ within a bag or between bags; selection is exact."""
    given = [list(bag) if bag is not None else [] for bag in bags]
    found = BagArray.from_list(bags)

    assert (found.lengths.tolist(), found.instance_shape) == (lengths, (None, None))
    order = [1, 0, 1]
    for row, bag in zip(order, found[order], strict=True):
        assert len(bag) == len(given[row])
        for image, own in zip(bag, given[row], strict=True):
            assert image.dtype == np.uint8
            np.testing.assert_array_equal(image, own)
            assert not np.shares_memory(image, own)
    again = BagArray.from_list(list(found), instance_shape=found.instance_shape, dtype=found.dtype)
    assert again == found
    assert joblib.hash(again) == joblib.hash(found)


def test_images_of_different_sizes_have_one_data_type():
    """The common one, or the one that is asked for; channels stay in the shape."""
    bags = [_images((4, 5, 3)), _images((2, 2, 3), dtype=np.float32)]

    found = BagArray.from_list(bags)
    assert found.instance_shape == (None, None, 3)
    assert {image.dtype for image in found.values} == {np.dtype(np.float32)}
    assert {image.dtype for image in BagArray.from_list(bags, dtype="u2").values} == {np.dtype("u2")}
    assert BagArray.from_list([None], instance_shape=(None, None)).instance_shape == (None, None)


@pytest.mark.parametrize(
    ("bags", "options", "message"),
    [
        ([[[1.0, 2.0]], [[1.0, 2.0], [3.0]]], {}, r"shape \(2,\) in every bag. Got \(1,\) at row 1. Bring"),
        ([_images((8, 8), (8, 8, 3))], {}, r"shape \(8, 8\) in every bag. Got \(8, 8, 3\) at row 0"),
        ([_images((5, 8, 8)), _images((6, 8, 8))], {}, r"Got \(6, 8, 8\) at row 1"),
        ([_images((8, 8), (9, 9))], {"instance_shape": (8, 8)}, r"Got \(9, 9\) at row 0"),
    ],
    ids=["vectors", "channels", "volumes", "told otherwise"],
)
def test_only_images_may_differ_in_size(bags, options, message):
    """Instances of other kinds that differ are refused with the row, also within a bag."""
    with pytest.raises(ValueError, match=message):
        BagArray.from_list(bags, **options)


def test_bags_that_are_no_arrays():
    """What has no form, or holds no numbers, is named with its row or type."""
    with pytest.raises(TypeError, match="Got list at row 1"):
        BagArray.from_list([[[1.0]], [[[1.0, 2.0], [3.0]]]])
    with pytest.raises(TypeError, match="must hold real numbers. Got dtype <U1"):
        BagArray.from_list([[np.full((1, 2), "a"), np.full((2, 2), "a")]])


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
