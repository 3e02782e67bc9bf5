"""map_rows: stateless steps on rows, lazy where the rows are; keys that stand for what was not read."""

import os
import pickle
from functools import partial

import numpy as np
import pytest

from skmm import BagArray, ModalityDict
from skmm.containers import LazyArray, as_modality_dict, map_rows
from skmm.containers._sources import RowSource


def halve(images):
    """Every second row and column."""
    return images[:, ::2, ::2]


def scale(values, factor):
    """Values times a factor."""
    return values * factor


class Pictures(RowSource):
    """Images of different sizes, the second missing, that count how often they are read."""

    present = np.array([True, False, True])
    entry_shape, entry_dtype = (None, None), np.dtype(np.uint8)
    shape, dtype = (3,), np.dtype(object)

    def __init__(self):
        self.reads = []

    def read(self, rows):
        """Images of as many pixels a side as twice their number plus two."""
        self.reads += list(rows)
        images = np.empty(len(rows), dtype=object)
        for place, row in enumerate(rows):
            side = 2 * row + 2
            images[place] = np.full((side, side), row, np.uint8) if self.present[row] else None
        return images


@pytest.fixture
def path(tmp_path):
    """A file of four images of 6 x 6."""
    np.save(tmp_path / "images.npy", np.arange(4 * 36, dtype=np.float64).reshape(4, 6, 6))
    return tmp_path / "images.npy"


def test_lazy_rows_stay_lazy_and_equal_those_in_memory(path):
    """A chain of steps on a memory map reads nothing until asked, and gives what it gives in memory."""
    memory = np.load(path)
    lazy = LazyArray(np.load(path, mmap_mode="r"))
    chain = map_rows(map_rows(lazy, halve, token="halve"), partial(scale, factor=2.0), token=("scale", 2.0))

    assert isinstance(chain, LazyArray)
    assert chain.shape == (4, 3, 3)
    np.testing.assert_array_equal(chain[[3, 0, 3]], 2 * memory[[3, 0, 3], ::2, ::2])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(chain))[1], 2 * memory[1, ::2, ::2])


def test_keys_tell_files_rows_and_steps_apart(path):
    """Keys differ between rows, steps and parameters, are equal for equal ones, and change with the file."""
    lazy = LazyArray(np.load(path, mmap_mode="r"))
    keys = [
        map_rows(lazy, partial(scale, factor=factor), token=("scale", factor)).row_keys([2, 0])
        for factor in (2.0, 3.0, 2.0)
    ]

    assert keys[0] == keys[2]
    assert len({*keys[0], *keys[1], *lazy.row_keys([2, 0])}) == 6
    assert lazy.select([3, 2]).row_keys([1]) == lazy.row_keys([2])

    np.save(path, np.zeros((4, 6, 6)))
    os.utime(path, ns=(1, 1))

    assert lazy.row_keys([2]) != [keys[0][0][0]]


def test_a_map_that_can_be_written_to_has_no_keys(path):
    """Writing through a memory map may leave the time of the file as it was: only the content tells."""
    assert LazyArray(np.load(path, mmap_mode="r+")).row_keys([0]) is None


def test_bags_are_mapped_by_instance(path):
    """The instances of bags are rows; their bounds stay, and their keys travel with a selection."""
    values = np.load(path, mmap_mode="r")
    bags = map_rows(BagArray(values, [0, 1, 1, 4]), halve, token="halve")

    assert bags.lengths.tolist() == [1, 0, 3]
    np.testing.assert_array_equal(bags[2], np.load(path)[1:, ::2, ::2])
    assert bags[[2]].values.row_keys(0) == bags.values.row_keys([1])


def test_equal_bags_of_a_lazy_stack_have_keys(path):
    """A lazy stack declared as bags keeps keys: the sample's, and the place within it."""
    X = ModalityDict({"scan": np.load(path, mmap_mode="r")}, kinds={"scan": "bag"})
    keys = X["scan"].values.row_keys(slice(None))

    assert len(set(keys)) == 24
    assert keys[7][1] == 1


def test_images_of_different_sizes_are_lazy_too():
    """They are an image modality whose missing rows are known, and are read one by one when asked for."""
    source = Pictures()
    X = ModalityDict({"xray": LazyArray(source)})

    assert X.kinds["xray"] == "image"
    assert X.is_present("xray").tolist() == [True, False, True]
    assert "different sizes uint8, lazy" in repr(X)
    assert source.reads == []

    halved = map_rows(X["xray"], halve, token="halve")

    assert [None if image is None else image.shape for image in halved[:]] == [(1, 1), None, (3, 3)]
    assert source.reads == [0, 1, 2]
    assert halved.entry_shape == (None, None)
    assert ModalityDict({"xray": halved})[[2, 1]].is_present("xray").tolist() == [True, False]


def crop(images):
    """Two by two pixels, as floats."""
    return images[:, :2, :2].astype(np.float32)


def test_different_sizes_become_one_where_the_step_says_so():
    """With a shape, rows of different sizes become an ordinary lazy array; missing ones are not asked for."""
    fixed = map_rows(LazyArray(Pictures()), crop, token="crop", shape=(2, 2))

    assert (fixed.shape, fixed.dtype) == ((3, 2, 2), np.float32)
    np.testing.assert_array_equal(fixed[[2, 0]], [np.full((2, 2), 2), np.zeros((2, 2))])
    assert fixed.present.tolist() == [True, False, True]


def test_missing_rows_of_one_size_are_zeros():
    """A missing image that must have a size is read as zeros; the presence says that it is missing."""
    fixed = map_rows(LazyArray(Pictures()), crop, token="crop", shape=(2, 2))

    np.testing.assert_array_equal(fixed[1], np.zeros((2, 2)))


def test_objects_in_memory():
    """An object array of images is mapped image by image; None stays None."""
    images = np.empty(2, dtype=object)
    images[0] = np.ones((4, 4))

    mapped = map_rows(images, halve, token="halve")

    assert mapped[0].shape == (2, 2)
    assert mapped[1] is None


def test_a_step_that_loses_rows_is_refused(path):
    """A function that returns another number of rows raises, with the file and both shapes."""
    lazy = map_rows(LazyArray(np.load(path, mmap_mode="r")), lambda rows: rows[:1], token="first")

    with pytest.raises(ValueError, match=r"Reading 2 rows of .*images.npy.* must give an array of shape \(2"):
        lazy[:2]


def test_a_step_that_fails_says_on_which_rows(path):
    """An error of the function notes the rows and the file that were read."""

    def refuse_two(rows):
        if len(rows) == 2:
            raise ValueError("too dark")
        return rows

    lazy = map_rows(LazyArray(np.load(path, mmap_mode="r")), refuse_two, token="refuse")

    with pytest.raises(ValueError, match="too dark") as caught:
        lazy[1:3]
    assert "rows 1, 2 of" in caught.value.__notes__[0]
    assert "images.npy" in caught.value.__notes__[0]


def test_handles_of_ragged_images_from_two_parents():
    """Lazy images of different sizes of several containers come back from handles as one lazy array."""
    first, second = (ModalityDict({"xray": LazyArray(Pictures())}) for _ in range(2))
    handles = np.concatenate([np.asarray(first), np.asarray(second)])
    X = as_modality_dict(handles)

    assert isinstance(X["xray"], LazyArray)
    assert X.is_present("xray").tolist() == [True, False, True] * 2
    assert X["xray"][5].shape == (6, 6)
