"""HistogramEqualizer equals OpenCV on bytes, keeps its rules elsewhere, needs OpenCV for CLAHE only."""

import sys

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from skmm.preprocessing import HistogramEqualizer

BACKENDS = ("opencv", "numpy")


@pytest.fixture
def no_opencv(monkeypatch):
    """An environment in which OpenCV is not installed."""
    monkeypatch.setitem(sys.modules, "cv2", None)


def random_images(rng, n_images):
    """Images of one random size: of many levels, of few, of two and of one, dark, bright and skewed."""
    size = rng.integers(1, 24, size=2)
    levels = rng.choice([1, 2, 3, 10, 256], size=n_images, p=[0.1, 0.2, 0.1, 0.2, 0.4])
    palettes = rng.integers(256, size=(n_images, 256), dtype=np.uint8)
    skewed = rng.random((n_images, *size)) ** rng.choice([1, 1, 3, 12], size=n_images)[:, None, None]
    picked = (skewed * levels[:, None, None]).astype(np.intp)
    return np.take_along_axis(palettes, picked.reshape(n_images, -1), axis=1).reshape(n_images, *size)


# --- bytes ----------------------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_bytes_equal_opencv(seed):
    """Both backends equal OpenCV's equalizeHist, pixel for pixel, on 100 images of each of 100 sizes."""
    images = random_images(np.random.default_rng(seed), 100)
    expected = np.stack([cv2.equalizeHist(image) for image in images])

    for backend in BACKENDS:
        equalized = HistogramEqualizer(backend=backend).transform(images)
        assert equalized.dtype == np.uint8
        np.testing.assert_array_equal(equalized, expected)


@settings(max_examples=50, deadline=None)
@given(image=arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_bytes_equal_opencv_where_images_are_small(image):
    """The same, on images that Hypothesis makes simple where one fails."""
    for backend in BACKENDS:
        equalized = HistogramEqualizer(backend=backend).transform(image[np.newaxis])[0]
        np.testing.assert_array_equal(equalized, cv2.equalizeHist(image))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 200), (200, 1), (1031, 977)])
def test_sizes_at_the_edge(backend, shape):
    """One pixel, one row, one column and a million pixels, constant images and two values among them."""
    rng = np.random.default_rng(0)
    images = np.stack([
        rng.normal(90, 9, size=shape).astype(np.uint8),
        np.full(shape, 255, np.uint8),
        np.zeros(shape, np.uint8),
        np.where(rng.random(shape) < 0.01, 254, 255).astype(np.uint8),
    ])  # fmt: skip
    expected = np.stack([cv2.equalizeHist(image) for image in images])

    np.testing.assert_array_equal(HistogramEqualizer(backend=backend).transform(images), expected)
    np.testing.assert_array_equal(expected[1:3], images[1:3])


def test_real_scans_equal_opencv(real_data):
    """Slices of real MRI series are equalized as OpenCV does it, by both backends."""
    with np.load(real_data / "lgg_mri_tabular" / "series_80px.npz") as series:
        slices = series["flair"][::20]
    expected = np.stack([cv2.equalizeHist(image) for image in slices])

    for backend in BACKENDS:
        np.testing.assert_array_equal(HistogramEqualizer(backend=backend).transform(slices), expected)


def test_without_opencv_bytes_are_equalized_all_the_same(no_opencv):
    """The default takes NumPy where OpenCV is not installed."""
    images = np.array([[[100, 101, 101, 102]], [[7, 7, 7, 7]]], dtype=np.uint8)

    equalized = HistogramEqualizer().fit_transform(images)

    assert equalized.tolist() == [[[0, 170, 170, 255]], [[7, 7, 7, 7]]]


def test_threads_of_opencv_stay_as_they_are():
    """The number of threads of OpenCV, a global setting, is not touched."""
    before = cv2.getNumThreads()
    HistogramEqualizer().transform(np.zeros((2, 4, 4), np.uint8))
    HistogramEqualizer("clahe").transform(np.zeros((2, 4, 4), np.uint8))

    assert cv2.getNumThreads() == before


# --- other numbers --------------------------------------------------------------------------------------


def test_words_keep_65536_levels():
    """uint16 follows the formula with 65535 for white; constant images stay."""
    images = np.array([[[0, 300, 300, 4000]], [[9, 9, 9, 9]], [[5, 5, 5, 6]]], dtype=np.uint16)
    equalized = HistogramEqualizer().transform(images)

    assert equalized.dtype == np.uint16
    assert equalized.tolist() == [[[0, 43690, 43690, 65535]], [[9] * 4], [[0, 0, 0, 65535]]]


@pytest.mark.parametrize(
    ("dtype", "dtype_out"),
    [
        ("float16", "float32"),
        ("float32", "float32"),
        ("float64", "float64"),
        ("int8", "float32"),
        ("int16", "float32"),
        ("int32", "float64"),
        ("uint32", "float64"),
        ("uint64", "float64"),
    ],
)
def test_other_numbers_spread_over_zero_to_one(dtype, dtype_out):
    """Each distinct value is a level; ties stay ties; a constant image is clipped to [0, 1]."""
    images = np.array([[[3, 5, 5, 120]], [[0, 0, 0, 0]], [[7, 7, 7, 7]]]).astype(dtype)
    equalized = HistogramEqualizer().transform(images)

    assert equalized.dtype == dtype_out
    np.testing.assert_allclose(equalized[:, 0], [[0, 2 / 3, 2 / 3, 1], [0] * 4, [1] * 4], rtol=1e-6)


def test_true_and_false_are_levels():
    """Of a bool image both values are levels."""
    equalized = HistogramEqualizer().transform(np.array([[[True, False]]]))

    assert equalized.tolist() == [[[1.0, 0.0]]]


def test_negative_constants_are_clipped():
    """A constant float image within [0, 1] stays as it is, one beyond becomes the nearer bound."""
    images = np.array([0.25, -3.0, 4000.0])[:, None, None] * np.ones((1, 2, 2))

    assert HistogramEqualizer().transform(images)[:, 0, 0].tolist() == [0.25, 0.0, 1.0]


NUMBERS = st.floats(-1e300, 1e300)


@settings(max_examples=100, deadline=None)
@given(
    image=arrays(np.float64, st.tuples(st.just(1), st.integers(1, 6), st.integers(1, 6)), elements=NUMBERS)
)
def test_equalized_floats_are_ranks(image):
    """The order and the ties of pixels stay; the values depend on nothing but the order."""
    equalized = HistogramEqualizer().transform(image)
    by_rank = HistogramEqualizer().transform(
        np.unique(image, return_inverse=True)[1].reshape(image.shape) * 2.0
    )

    assert (equalized >= 0).all()
    assert (equalized <= 1).all()
    if len(np.unique(image)) > 1:
        np.testing.assert_array_equal(equalized, by_rank)
        assert (equalized.min(), equalized.max()) == (0, 1)
        before, after = image.ravel(), equalized.ravel()
        order = np.argsort(before)
        np.testing.assert_array_equal(np.diff(after[order]) > 0, np.diff(before[order]) > 0)


def test_types_agree_with_one_another():
    """The same picture as bytes, words and floats is equalized alike, to the rounding of bytes."""
    image = np.random.default_rng(0).normal(90, 20, size=(1, 30, 30)).clip(0, 255).astype(np.uint8)
    as_bytes = HistogramEqualizer().transform(image) / 255
    as_words = HistogramEqualizer().transform(image.astype(np.uint16) * 16) / 65535
    as_floats = HistogramEqualizer().transform(image * 0.37 - 5)

    np.testing.assert_allclose(as_bytes, as_floats, atol=0.5 / 255 + 1e-6)
    np.testing.assert_allclose(as_words, as_floats, atol=0.5 / 65535 + 1e-12)


# --- forms ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [(), (1,), (3,), (4,)])
def test_each_slice_by_itself_in_every_form(check_forms, backend, dtype, channels):
    """Arrays, volumes, bags, lists and lazy arrays of the same slices give the same slices."""
    slices = np.random.default_rng(0).integers(200, size=(6, 5, 7, *channels))
    slices = (slices / 255).astype(dtype) if dtype == "float32" else slices.astype(dtype)

    check_forms(HistogramEqualizer(backend=backend), slices)


def test_images_of_different_sizes():
    """A list of images of different sizes and types comes out as one, each as it would alone; None stays."""
    rng = np.random.default_rng(0)
    images = [rng.integers(99, size=(4, 5), dtype=np.uint8), None, rng.normal(size=(3, 3)),
              rng.integers(99, size=(6, 2, 3), dtype=np.uint16)]  # fmt: skip
    equalized = HistogramEqualizer().fit_transform(images)

    assert equalized[1] is None
    for image, changed in zip(images, equalized, strict=True):
        if image is not None:
            alone = HistogramEqualizer().transform(image[np.newaxis])[0]
            np.testing.assert_array_equal(changed, alone)
            assert changed.dtype == alone.dtype


# --- colours --------------------------------------------------------------------------------------------


def colours(dtype, n_channels=3):
    """Muted colour images."""
    images = np.random.default_rng(0).integers(80, 120, size=(3, 12, 10, n_channels))
    if np.dtype(dtype).kind == "f":
        return (images / 255).astype(dtype)
    return (images * (257 if dtype == "uint16" else 1)).astype(dtype)


def test_grey_colours_are_equalized_as_grey_images():
    """An image whose three colours are equal is equalized as the grey image that it is."""
    grey = colours("uint8", 1)[..., 0]
    equalized = HistogramEqualizer().transform(np.stack([grey] * 3, axis=-1))

    for channel in range(3):
        np.testing.assert_array_equal(equalized[..., channel], HistogramEqualizer().transform(grey))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
def test_luminance_moves_and_hues_stay(dtype):
    """Every colour of a pixel moves by the change of its luma, clipped to the range."""
    images = colours(dtype)
    weights = np.array([0.299, 0.587, 0.114])
    if dtype == "uint8":
        luma = np.stack([cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in images])
    elif dtype == "uint16":
        luma = np.rint(images @ weights).astype(np.uint16)
    else:
        luma = (images @ weights.astype(dtype)).astype(dtype)
    change = HistogramEqualizer().transform(luma).astype(float) - luma
    top = {"uint8": 255, "uint16": 65535}.get(dtype, 1)
    equalized = HistogramEqualizer().transform(images)

    assert equalized.dtype == dtype
    if dtype == "uint8":
        np.testing.assert_array_equal(equalized, np.clip(images + change[..., np.newaxis], 0, top))
    else:  # other roundings of the luma may make or break ties
        near = np.isclose(equalized, np.clip(images + change[..., np.newaxis], 0, top), atol=top * 2e-2)
        assert near.mean() > 0.95


def test_luminance_equals_ycrcb_of_opencv():
    """It is what equalizing Y of OpenCV's YCrCb gives, to the rounding of that conversion."""
    images = colours("uint8")
    equalized = HistogramEqualizer().transform(images).astype(int)
    for image, changed in zip(images, equalized, strict=True):
        converted = cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb)
        converted[..., 0] = cv2.equalizeHist(np.ascontiguousarray(converted[..., 0]))
        assert np.abs(cv2.cvtColor(converted, cv2.COLOR_YCrCb2RGB) - changed).max() <= 2


def test_channels_are_equalized_by_themselves():
    """color="channels" equals OpenCV on each colour."""
    images = colours("uint8")
    equalized = HistogramEqualizer(color="channels").transform(images)

    for channel in range(3):
        expected = [cv2.equalizeHist(np.ascontiguousarray(image[..., channel])) for image in images]
        np.testing.assert_array_equal(equalized[..., channel], expected)


@pytest.mark.parametrize("color", ["luminance", "channels"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_alpha_stays(color, dtype):
    """The fourth channel is left as it is and has no say in the others."""
    images = colours(dtype, 4)
    equalized = HistogramEqualizer(color=color).transform(images)

    np.testing.assert_array_equal(equalized[..., 3], images[..., 3])
    opaque = HistogramEqualizer(color=color).transform(images[..., :3])
    np.testing.assert_array_equal(equalized[..., :3], opaque)


@pytest.mark.parametrize(("dtype", "factor"), [("float64", 255), ("int16", 1)])
def test_colours_beyond_one_are_refused(dtype, factor):
    """Colours without a known range raise, with their range; by channels they need none."""
    images = (colours("float64") * 255 / factor * factor).astype(dtype)

    with pytest.raises(ValueError, match=rf"within \[0, 1\]. Got {dtype} from 80 to 119 instead"):
        HistogramEqualizer().transform(images)
    assert HistogramEqualizer(color="channels").transform(images).max() == 1


# --- CLAHE ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize(
    ("clip_limit", "grid", "opencv_grid"), [(2.0, (8, 8), (8, 8)), (40, 3, (3, 3)), (0, [2, 5], (5, 2))]
)
def test_clahe_equals_opencv(dtype, clip_limit, grid, opencv_grid):
    """CLAHE equals OpenCV's, whose grid is (columns, rows), also where tiles do not divide the image."""
    images = np.random.default_rng(0).gamma(2, 30, size=(4, 37, 50)).clip(0, 255).astype(dtype)
    clahe = cv2.createCLAHE(clipLimit=clip_limit, tileGridSize=opencv_grid)
    step = HistogramEqualizer("clahe", clip_limit=clip_limit, tile_grid_size=grid)

    np.testing.assert_array_equal(step.fit_transform(images), [clahe.apply(image) for image in images])


def test_clahe_of_colours_and_alpha():
    """CLAHE of the luma moves the colours as the global method does."""
    images = colours("uint8", 4)
    luma = [cv2.cvtColor(image, cv2.COLOR_RGBA2GRAY) for image in images]
    change = [cv2.createCLAHE(2.0, (8, 8)).apply(grey).astype(int) - grey for grey in luma]
    equalized = HistogramEqualizer("clahe").transform(images)

    expected = np.clip(images[..., :3] + np.stack(change)[..., np.newaxis], 0, 255)
    np.testing.assert_array_equal(equalized[..., :3], expected)
    np.testing.assert_array_equal(equalized[..., 3], images[..., 3])


@pytest.mark.parametrize(
    ("step", "who"),
    [
        (HistogramEqualizer("clahe"), "method='clahe'"),
        (HistogramEqualizer(backend="opencv"), "backend='opencv'"),
    ],
)
def test_what_needs_opencv_says_so(step, who, no_opencv):
    """Where OpenCV is needed and not installed, fit and transform say what needs it and how to install it."""
    images = np.zeros((2, 4, 4), np.uint8)

    for method in (step.fit, step.transform):
        with pytest.raises(
            ImportError, match=rf'HistogramEqualizer\({who}\) needs the package "cv2".*skmm\[image\]'
        ):
            method(images)


@pytest.mark.parametrize("dtype", ["float32", "int16"])
def test_clahe_takes_bytes_and_words_only(dtype):
    """Other numbers raise, in fit already, and the message names what makes bytes of them."""
    images = np.zeros((2, 4, 4), dtype)

    for method in (HistogramEqualizer("clahe").fit, HistogramEqualizer("clahe").transform):
        with pytest.raises(
            ValueError, match=rf"takes uint8 and uint16 images. Got {dtype} instead: Grayscale"
        ):
            method(images)


@pytest.mark.parametrize(
    ("parameter", "value", "expected"),
    [
        ("method", "CLAHE", "must be 'global' or 'clahe'"),
        ("clip_limit", -1.0, r"must be a float in the range \[0, 65536\]"),
        ("clip_limit", np.nan, r"must be a float in the range \[0, 65536\]"),
        ("tile_grid_size", 0, r"must be an int in the range \[1, inf\) or a tuple of \(rows, columns\)"),
        ("tile_grid_size", (8, 8, 8), r"a tuple of \(rows, columns\), each an int in the range \[1, inf\)"),
        ("tile_grid_size", (8.0, 8), r"a tuple of \(rows, columns\), each an int"),
        ("color", "hsv", "must be 'luminance' or 'channels'"),
        ("backend", "pillow", "must be 'auto' or 'opencv' or 'numpy'"),
    ],
)
def test_parameters(parameter, value, expected):
    """Each wrong parameter raises in fit and in transform and says what is allowed."""
    step = HistogramEqualizer().set_params(**{parameter: value})

    for method in (step.fit, step.transform):
        with pytest.raises(
            ValueError, match=f"The '{parameter}' parameter of HistogramEqualizer .*{expected}"
        ):
            method(np.zeros((1, 2, 2), np.uint8))


def test_clahe_has_no_numpy_backend():
    """CLAHE by NumPy is refused rather than done by another package."""
    with pytest.raises(ValueError, match="must be 'auto' or 'opencv' where method='clahe'"):
        HistogramEqualizer("clahe", backend="numpy").fit(np.zeros((1, 2, 2), np.uint8))
