"""GrayscaleNormalizer: grey as OpenCV has it, percentiles in place of clipping, sizes as asked."""

import sys

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from skmm.preprocessing import GrayscaleNormalizer

WHOLE = (0, 100)


# --- 16 bits, 12 bits, floats ---------------------------------------------------------------------------


def test_sixteen_bits_are_not_clipped():
    """Pixels above 255 stay apart; converting such an image with Pillow makes all of them white."""
    image = np.array([[0, 100, 255, 256, 300, 1000, 4000]], dtype=np.uint16)
    normalized = GrayscaleNormalizer(percentiles=WHOLE).fit_transform(image[np.newaxis])[0]

    assert normalized.tolist() == [[0, 6, 16, 16, 19, 64, 255]]
    exact = GrayscaleNormalizer(percentiles=WHOLE, dtype="float32").transform(image[np.newaxis])[0]
    np.testing.assert_allclose(exact, image / 4000, rtol=1e-6)
    assert len(np.unique(exact)) == 7


@pytest.mark.parametrize("bits", [12, 16])
def test_most_of_a_scan_keeps_its_contrast(bits):
    """By default one pixel in a hundred of a scan of 12 or 16 bits is black or white, not nearly all."""
    image = np.random.default_rng(0).gamma(3, 2**bits / 20, size=(1, 64, 64)).clip(0, 2**bits - 1)
    normalized = GrayscaleNormalizer().transform(image.astype(np.uint16))

    assert 0.005 < np.isin(normalized, [0, 255]).mean() < 0.03
    assert len(np.unique(normalized)) > 200
    assert (image > 255).mean() > 0.5


@pytest.mark.parametrize("dtype", ["uint16", "int16", "uint32", "int64", "float16", "float32", "float64"])
def test_percentiles_become_black_and_white(dtype):
    """An image goes from its own percentiles to 0 and 1 linearly, clipped, whatever its type."""
    images = np.random.default_rng(0).integers(0, 2000, size=(3, 9, 11)).astype(dtype)
    if np.dtype(dtype).kind != "u":
        images -= 700
    normalized = GrayscaleNormalizer(percentiles=(10, 80), dtype="float32").transform(images)

    assert normalized.dtype == np.float32
    for image, changed in zip(images.astype(float), normalized, strict=True):
        low, high = np.percentile(image, [10, 80])
        np.testing.assert_allclose(changed, np.clip((image - low) / (high - low), 0, 1), atol=1e-6)


def test_bytes_are_the_rounded_floats():
    """uint8 output is the float output times 255, rounded."""
    images = np.random.default_rng(0).normal(size=(3, 9, 11))
    floats = GrayscaleNormalizer(dtype="float32").transform(images)

    np.testing.assert_allclose(GrayscaleNormalizer().transform(images), floats * 255, atol=0.5 + 1e-4)


def test_eight_bits_stay_as_they_are():
    """uint8 images, which are ready for display, keep their brightness; as floats they are divided by 255."""
    images = np.random.default_rng(0).integers(90, 120, size=(2, 5, 4), dtype=np.uint8)

    np.testing.assert_array_equal(GrayscaleNormalizer().transform(images), images)
    as_floats = GrayscaleNormalizer(dtype="float32").transform(images)
    np.testing.assert_allclose(as_floats, images / 255, rtol=1e-6)


def test_where_percentiles_meet_the_range_takes_their_place():
    """A scan that is nearly all background keeps what is in it; an image of one value is black."""
    image = np.zeros((1, 40, 40), np.uint16)
    image[0, 0, :3] = [1000, 2000, 4000]
    constant = np.full((1, 4, 4), 3000.0)

    assert GrayscaleNormalizer().transform(image)[0, 0, :4].tolist() == [64, 128, 255, 0]
    assert not GrayscaleNormalizer().transform(constant).any()
    assert not GrayscaleNormalizer(dtype="float32").transform(constant).any()


def test_without_percentiles_the_type_tells():
    """percentiles=None divides by the largest value of the type, so that images stay comparable."""
    words = np.array([[[0, 257, 65535]]], dtype=np.uint16)
    floats = np.array([[[0.0, 0.25, 0.5]]])
    step = GrayscaleNormalizer(percentiles=None)

    assert step.transform(words).tolist() == [[[0, 1, 255]]]
    assert step.transform(floats).tolist() == [[[0, 64, 128]]]
    np.testing.assert_allclose(step.set_params(dtype="float32").transform(floats), floats)


@pytest.mark.parametrize(
    ("image", "got"),
    [
        (np.array([[0.0, 300.0]]), "float64 from 0 to 300"),
        (np.array([[-5, 3]], np.int16), "int16 from -5 to 3"),
    ],
)
def test_without_percentiles_the_range_must_be_known(image, got):
    """Numbers whose range the type does not tell raise and are not scaled by a guess."""
    with pytest.raises(ValueError, match=rf"within \[0, 1\]. Got {got} instead: give percentiles"):
        GrayscaleNormalizer(percentiles=None).transform(image[np.newaxis])


@pytest.mark.parametrize("percentiles", [WHOLE, (0.5, 99.5)])
def test_images_that_are_too_wide_are_refused(percentiles):
    """Where the range of an image is no number, the message says so; no NaN, and no other warning."""
    for pixels in ([-1.7e308, 1.7e308, 0.0], [1e308, -1e308]):
        with pytest.raises(ValueError, match="further apart than the largest float64"):
            GrayscaleNormalizer(percentiles=percentiles).fit_transform(np.array([[pixels]]))


@settings(max_examples=50, deadline=None)
@given(
    image=arrays(
        np.float32,
        st.tuples(st.just(1), st.integers(1, 5), st.integers(1, 5)),
        elements=st.floats(-(2.0**126), 2.0**126, width=32),
    ),
    low=st.floats(0, 49),
    high=st.floats(51, 100),
)
def test_brightness_never_changes_order(image, low, high):
    """Whatever the image and the percentiles, what comes out is within [0, 1] and in the order of pixels."""
    normalized = GrayscaleNormalizer(percentiles=(low, high), dtype="float32").transform(image)

    assert (normalized >= 0).all()
    assert (normalized <= 1).all()
    assert (np.diff(normalized.ravel()[np.argsort(image.ravel())]) >= 0).all()


# --- colours --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_grey_equals_opencv(dtype):
    """Grey of integers equals OpenCV's, to the pixel."""
    top = np.iinfo(dtype).max
    images = np.random.default_rng(0).integers(top, size=(4, 50, 60, 3), endpoint=True, dtype=dtype)
    images[0, :2, :, :] = [[0] * 3], [[top] * 3]
    expected = np.stack([cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in images])
    step = GrayscaleNormalizer(percentiles=None)
    grey = step.transform(images)

    if dtype == "uint8":
        np.testing.assert_array_equal(grey, expected)
        pillow = np.stack([np.asarray(Image.fromarray(image).convert("L")) for image in images]).astype(int)
        assert np.abs(grey - pillow).max() <= 1
    else:
        np.testing.assert_array_equal(grey, step.transform(expected))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_grey_of_floats(dtype):
    """Grey of floats is the weighted mean of ITU-R BT.601."""
    images = np.random.default_rng(0).random(size=(4, 5, 6, 3)).astype(dtype)
    grey = GrayscaleNormalizer(percentiles=None, dtype="float32").transform(images)

    np.testing.assert_allclose(grey, images @ [0.299, 0.587, 0.114], rtol=1e-5)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_alpha_is_left_out(dtype):
    """Transparent pixels have the grey of their colour."""
    images = np.random.default_rng(0).integers(200, size=(3, 5, 6, 4)).astype(dtype)

    with_alpha = GrayscaleNormalizer().transform(images)
    np.testing.assert_array_equal(with_alpha, GrayscaleNormalizer().transform(images[..., :3]))


# --- sizes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "expected"), [((13, 7), (13, 7)), (16, (16, 16)), ([64, 90], (64, 90))])
def test_resizing_equals_pillow(size, expected):
    """Images are resized as Pillow does it with its bilinear filter, which averages where images shrink."""
    images = np.random.default_rng(0).integers(256, size=(3, 37, 50), dtype=np.uint8)
    resized = GrayscaleNormalizer(size).transform(images)

    assert resized.shape[1:] == expected
    for image, changed in zip(images, resized, strict=True):
        floats = Image.fromarray(image.astype(np.float32)).resize(expected[::-1], Image.Resampling.BILINEAR)
        np.testing.assert_allclose(changed, np.asarray(floats), atol=0.5 + 1e-3)


def test_shrinking_averages():
    """A fine chessboard becomes an even grey, not black or white, as picking pixels would give."""
    board = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
    small = GrayscaleNormalizer(8).transform(board[np.newaxis])[0, 1:-1, 1:-1]

    assert (np.abs(small.astype(int) - 127.5) < 3).all()


def test_the_same_size_changes_nothing():
    """An image that has the size asked for is not resampled."""
    images = np.random.default_rng(0).integers(256, size=(3, 9, 7), dtype=np.uint8)

    np.testing.assert_array_equal(GrayscaleNormalizer((9, 7)).transform(images), images)


def test_percentiles_are_those_of_the_whole_image():
    """Brightness is measured before the image is resized, so an image and its half are alike."""
    image = np.kron(np.random.default_rng(0).integers(4000, size=(8, 8)), np.ones((4, 4))).astype(np.uint16)
    full = GrayscaleNormalizer(dtype="float32").transform(image[np.newaxis])
    small = GrayscaleNormalizer(32, dtype="float32").transform(image[np.newaxis])

    np.testing.assert_array_equal(full, small)


def test_no_extra_is_needed_to_resize(monkeypatch):
    """Neither OpenCV nor Pillow is used."""
    monkeypatch.setitem(sys.modules, "cv2", None)
    monkeypatch.setitem(sys.modules, "PIL", None)

    assert GrayscaleNormalizer(4).transform(np.zeros((2, 9, 9, 3), np.uint8)).shape == (2, 4, 4)


def test_different_sizes_become_one_array():
    """Grey and colour images of different sizes and types come out as one array, each as it would alone."""
    rng = np.random.default_rng(0)
    images = [rng.integers(99, size=(14, 5), dtype=np.uint8), rng.normal(size=(9, 9)),
              rng.integers(4000, size=(6, 12, 3), dtype=np.uint16)]  # fmt: skip
    step = GrayscaleNormalizer((8, 6))
    normalized = step.fit_transform(images)

    assert (normalized.shape, normalized.dtype) == ((3, 8, 6), np.uint8)
    for image, changed in zip(images, normalized, strict=True):
        np.testing.assert_array_equal(changed, step.transform(image[np.newaxis])[0])
    with_hole = step.transform([images[0], None, images[1]])
    assert with_hole[1] is None
    np.testing.assert_array_equal(with_hole[2], normalized[1])


def test_different_sizes_stay_without_a_size():
    """Without a size, images keep theirs and become grey images of one type."""
    images = [np.zeros((4, 5, 3), np.uint8), np.ones((3, 3), np.uint16)]
    normalized = GrayscaleNormalizer().transform(images)

    assert [image.shape for image in normalized] == [(4, 5), (3, 3)]
    assert {image.dtype for image in normalized} == {np.dtype(np.uint8)}


@pytest.mark.parametrize("size", [None, (4, 3)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [(), (1,), (3,), (4,)])
def test_each_slice_by_itself_in_every_form(check_forms, size, dtype, channels):
    """Arrays, volumes, bags, lists and lazy arrays of the same slices give the same slices."""
    slices = np.random.default_rng(0).integers(200, size=(6, 5, 7, *channels)).astype(dtype)

    check_forms(GrayscaleNormalizer(size, dtype="float32"), slices, channel=True)


def test_many_images_are_worked_on_in_parts(monkeypatch):
    """How many images are worked on at once does not change them."""
    images = np.random.default_rng(0).integers(4000, size=(7, 9, 8)).astype(np.uint16)
    at_once = GrayscaleNormalizer(6).transform(images)
    monkeypatch.setattr("skmm.preprocessing._grayscale_normalizer._PIXELS", 200)

    np.testing.assert_array_equal(GrayscaleNormalizer(6).transform(images), at_once)


@pytest.mark.parametrize(
    ("parameter", "value", "expected"),
    [
        ("size", 0, r"must be None or an int in the range \[1, inf\) or a tuple of \(height, width\)"),
        ("size", -3, r"an int in the range \[1, inf\)"),
        ("size", (8, -1), r"a tuple of \(height, width\), each an int in the range \[1, inf\)"),
        ("size", (8,), r"a tuple of \(height, width\)"),
        ("size", 8.5, r"an int in the range \[1, inf\)"),
        ("percentiles", (99, 1), r"must be a low one and a higher one. Got \(99, 1\) instead"),
        ("percentiles", (5, 5), "must be a low one and a higher one"),
        ("percentiles", (0, 101), r"a tuple of \(low, high\), each a float in the range \[0, 100\]"),
        ("percentiles", (np.nan, 99), r"each a float in the range \[0, 100\]"),
        ("percentiles", 99, r"None or a tuple of \(low, high\)"),
        ("dtype", "uint16", "must be 'uint8' or 'float32'"),
        ("dtype", np.uint8, "must be 'uint8' or 'float32'"),
    ],
)
def test_parameters(parameter, value, expected):
    """Each wrong parameter raises in fit and in transform and says what is allowed."""
    step = GrayscaleNormalizer().set_params(**{parameter: value})

    for method in (step.fit, step.transform):
        with pytest.raises(
            ValueError, match=f"The '{parameter}' parameter of GrayscaleNormalizer .*{expected}"
        ):
            method(np.zeros((1, 2, 2), np.uint8))
