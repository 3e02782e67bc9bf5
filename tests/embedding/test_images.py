"""What a net sees of an image: scale by data type, channels, size, normalization; what is refused."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skmm import BagArray
from skmm.embedding._images import Preparation, Preparer, as_rows, resize, zscore


def prepare(image, n_channels=1, size=None, normalize=None, n_axes=2, dtype=torch.float64):
    """An image as a net sees it, as an ndarray."""
    return Preparer(Preparation(n_axes, n_channels, size, normalize, dtype), "Me")(image, 7).numpy()


@pytest.mark.parametrize(
    ("dtype", "white"),
    [(np.uint8, 255), (np.uint16, 65535), (np.float32, 1.0), (np.float64, 1.0), (bool, True)],
)
def test_white_is_one_and_black_is_zero(dtype, white):
    """The data type tells the range, whatever the brightest value of an image is."""
    image = np.array([[0, white], [white, 0]], dtype=dtype)

    np.testing.assert_array_equal(prepare(image), [[[0, 1], [1, 0]]])


def test_sixteen_bits_are_not_clipped():
    """Values of 16 bits keep their differences: none becomes white before the last."""
    image = np.array([[255, 256, 300], [1000, 4000, 60000]], dtype=np.uint16)
    seen = prepare(image)

    np.testing.assert_allclose(seen * 65535, image[None])
    assert len(np.unique(seen)) == 6


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.full((2, 2), 255.0), "floats within .* Row 7 is float64 from 255 to 255 instead: divide"),
        (np.full((2, 2), -1024, np.int16), "Row 7 is int16 from -1024 .*GrayscaleNormalizer"),
        (np.array([[0.5, np.nan]]), "row 7: the image holds NaN"),
        (np.array([[0.5, np.inf]]), "NaN or infinities"),
        (np.zeros((0, 3)), "row 7, an empty image"),
        (np.zeros((2, 2, 5)), "row 7, an array of shape"),
    ],
)
def test_values_without_a_known_range_are_refused(image, message):
    """Nothing is clipped or guessed: the message names row, type and range, and what to do."""
    with pytest.raises(ValueError, match=message):
        prepare(image)


def test_twelve_bits_in_sixteen_are_told():
    """A warning is due only where no image of a call needs more than 12 bits."""
    how = Preparation(2, 1, None, None, torch.float32)
    dim, bright = np.full((2, 2), 4095, np.uint16), np.full((2, 2), 4096, np.uint16)
    preparer = Preparer(how, "Me")
    assert preparer.warning() is None
    preparer(dim, 0)
    assert "no value exceeded 4095" in preparer.warning()
    preparer(bright, 1)
    assert preparer.warning() is None


def test_channels():
    """Grey is repeated, colour made grey by its luma, opacity left out."""
    grey = np.array([[10, 20]], dtype=np.uint8)
    colour = np.stack([grey, 2 * grey, 3 * grey], axis=-1)
    opaque = np.concatenate([colour, np.full((1, 2, 1), 9, np.uint8)], axis=-1)

    np.testing.assert_array_equal(prepare(grey, 3), np.repeat(prepare(grey), 3, axis=0))
    np.testing.assert_array_equal(prepare(grey[..., None], 3), prepare(grey, 3))
    np.testing.assert_allclose(prepare(colour), prepare(grey) * (0.299 + 2 * 0.587 + 3 * 0.114))
    np.testing.assert_array_equal(prepare(opaque, 3), np.moveaxis(colour / 255, -1, 0))
    with pytest.raises(ValueError, match="cannot give 5 channels"):
        prepare(colour, 5)


def test_imagenet_statistics():
    """Mean and deviation of ImageNet are those of values within [0, 1], channel by channel."""
    white = np.full((1, 1, 3), 255, np.uint8)

    np.testing.assert_allclose(
        prepare(white, 3, normalize="imagenet").ravel(),
        [(1 - 0.485) / 0.229, (1 - 0.456) / 0.224, (1 - 0.406) / 0.225],
    )


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 9), st.integers(1, 9), st.integers(0, 99))
def test_resampling_keeps_range_and_constants(height, width, new_height, new_width, seed):
    """A resampled image stays within the range of the image; a constant one stays as it is."""
    image = torch.from_numpy(np.random.default_rng(seed).random((2, height, width)))
    small = resize(image, (new_height, new_width))

    assert small.shape == (2, new_height, new_width)
    assert small.min() >= image.min() - 1e-12
    assert small.max() <= image.max() + 1e-12
    np.testing.assert_allclose(
        resize(torch.full_like(image, 0.3), (new_height, new_width)), torch.full_like(small, 0.3), rtol=1e-6
    )


def test_shrinking_is_antialiased():
    """A fine checkerboard becomes grey, not one of its colours."""
    board = torch.tensor(np.indices((1, 64, 64)).sum(axis=0) % 2.0)
    inner = resize(board, (8, 8))[0, 1:-1, 1:-1]

    np.testing.assert_allclose(inner, torch.full_like(inner, 0.5), atol=0.02)


def test_depth_is_resampled_linearly():
    """Slices that rise evenly do so at any depth; one slice is every slice."""
    ramp = torch.arange(4.0).reshape(1, 4, 1, 1).expand(1, 4, 3, 3)

    np.testing.assert_allclose(resize(ramp, (8, 3, 3))[0, 1:-1, 0, 0], torch.arange(0.25, 3, 0.5))
    np.testing.assert_allclose(resize(ramp[:, 2:3], (5, 3, 3)), torch.full((1, 5, 3, 3), 2.0))


def test_zscore_sees_the_foreground_only():
    """What is above 0 gets mean 0 and deviation 1, in any units; background and constants become 0."""
    volume = np.zeros((2, 3, 3), np.int16)
    volume[0] = np.arange(9).reshape(3, 3) * 100
    seen = prepare(volume, normalize="zscore", n_axes=3)

    front = seen[:, volume > 0]
    np.testing.assert_allclose([front.mean(), front.std()], [0, 1], atol=1e-12)
    assert (seen[:, volume == 0] == 0).all()
    np.testing.assert_allclose(prepare(volume * 3, normalize="zscore", n_axes=3), seen)
    assert (prepare(np.full((1, 2, 2), 9, np.uint8), normalize="zscore", n_axes=3) == 0).all()
    hounsfield = zscore(torch.tensor([[-1000.0, 0.0, 1000.0]], dtype=torch.float64))
    np.testing.assert_allclose(hounsfield, [[-np.sqrt(1.5), 0, np.sqrt(1.5)]])


@pytest.mark.parametrize(
    ("X", "n_axes", "message"),
    [
        (np.zeros((2, 20, 8, 8)), 2, "A volume is no image: make it a bag of slices"),
        (np.zeros((2, 5, 20, 8, 1)), 2, "A volume is no image"),
        (np.zeros((2, 8, 8)), 3, "Give the slices of each scan as a bag"),
        (np.zeros((2, 8, 8, 3)), 3, "Give the slices of each scan as a bag"),
        (np.zeros((2, 8)), 2, "Got entries of shape \\(8,\\)"),
        (BagArray(np.zeros((3, 5)), [0, 3]), 2, "takes images, entries of shape"),
        ({"xray": np.zeros((2, 8, 8))}, 2, "one modality. Got dict instead"),
        ([np.zeros(3)], 2, "Entry 0 must be an image"),
        (["a"], 2, "Entry 0 must be an image"),
    ],
)
def test_what_is_no_image_is_refused(X, n_axes, message):
    """A net for images never sees volumes, nor one for volumes images; the message says what to do."""
    with pytest.raises(ValueError, match=message):
        as_rows(X, n_axes, "Me")


def test_stacks_in_a_list_are_bags():
    """A list of scans is bags of slices for a net of images, and volumes for one of volumes."""
    scans = [np.full((depth, 6, 6), depth, np.uint8) for depth in (2, 5)]
    rows, offsets = as_rows(scans, 2, "Me")
    volumes, no_offsets = as_rows(scans, 3, "Me")

    assert offsets.tolist() == [0, 2, 7]
    assert no_offsets is None
    assert [volume.shape for volume in volumes.read([1, 0])] == [(5, 6, 6), (2, 6, 6)]
    assert len(rows) == 7


def test_slices_of_different_sizes_make_no_volume():
    """A bag whose slices differ in size names the bag."""
    slices = np.empty(2, dtype=object)
    slices[:] = [np.zeros((2, 2)), np.zeros((2, 3))]
    rows, _ = as_rows(BagArray(slices, [0, 2]), 3, "Me")

    with pytest.raises(ValueError, match="Bag 0 holds slices of different sizes"):
        rows.read([0])
