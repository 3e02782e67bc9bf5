"""Images in every form in which they may come, and a lazy source that counts what is read."""

import numpy as np
import pytest

from skmm import BagArray
from skmm.containers import LazyArray
from skmm.containers._sources import RowSource


class CountingSource(RowSource):
    """Images in memory that are read like a file's, and note which rows each read asks for."""

    location = "counted images"

    def __init__(self, images, present=None):
        self.images, self.present, self.reads = images, present, []
        self.shape, self.dtype = images.shape, images.dtype
        if images.dtype == object:
            first = next(image for image in images if image is not None)
            self.entry_shape, self.entry_dtype = (None, None, *first.shape[2:]), first.dtype

    def read(self, rows):
        """Rows in memory."""
        self.reads.append(rows.tolist())
        return self.images[rows]

    def row_keys(self, rows):
        """Their numbers."""
        return [("counted", int(row)) for row in rows]


def as_objects(images):
    """Images as a 1-D object array."""
    array = np.empty(len(images), dtype=object)
    for row, image in enumerate(images):
        array[row] = image
    return array


def on_each_slice(slices, transform):
    """Slices, each transformed as the only image of an array, stacked."""
    return np.stack([transform(image[np.newaxis])[0] for image in slices])


@pytest.fixture
def counting_source():
    """Return the class of lazy sources that count."""
    return CountingSource


@pytest.fixture
def check_forms():
    """Return a check: whatever form the same images have, each slice becomes what it becomes alone."""

    def check(estimator, slices, *, channel=False):
        """Compare forms; `channel` says whether volumes keep one channel that images lose."""
        expected = on_each_slice(slices, estimator.fit(slices).transform)
        assert expected.shape[0] == 6
        has_channels = slices.ndim == 4
        as_volume = expected if has_channels and not channel else expected[..., np.newaxis]

        volumes = slices if has_channels else slices[..., np.newaxis]
        volumes = volumes.reshape(2, 3, *volumes.shape[1:])
        np.testing.assert_array_equal(
            estimator.transform(volumes), as_volume.reshape(2, 3, *as_volume.shape[1:])
        )

        bags = estimator.transform(BagArray(slices, [0, 1, 1, 6]))
        assert bags.lengths.tolist() == [1, 0, 5]
        np.testing.assert_array_equal(bags.values, expected)

        for sequence in (list(slices), tuple(slices), as_objects(list(slices))):
            np.testing.assert_array_equal(estimator.transform(sequence), expected)

        source = CountingSource(slices)
        lazy = estimator.transform(LazyArray(source))
        assert isinstance(lazy, LazyArray)
        assert source.reads == []
        assert (lazy.shape, lazy.dtype) == (expected.shape, expected.dtype)
        np.testing.assert_array_equal(lazy[[4, 0, 4]], expected[[4, 0, 4]])
        assert source.reads == [[0, 4]]

        lazy_bags = estimator.transform(BagArray(LazyArray(CountingSource(slices)), [0, 2, 6]))
        assert isinstance(lazy_bags.values, LazyArray)
        np.testing.assert_array_equal(lazy_bags[1], expected[2:])

        for order in (slices[:, ::-1, ::-1], np.asfortranarray(slices)):
            np.testing.assert_array_equal(
                estimator.transform(order), on_each_slice(np.ascontiguousarray(order), estimator.transform)
            )
        swapped = slices.astype(slices.dtype.newbyteorder(">"))
        np.testing.assert_array_equal(estimator.transform(swapped), expected)
        np.testing.assert_array_equal(estimator.transform(LazyArray(CountingSource(swapped)))[:], expected)

    return check
