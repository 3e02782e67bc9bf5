"""What both steps on images share: the laws of a stateless transformer, laziness, refusals of bad input."""

import os
import pickle
import tracemalloc

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from scipy import sparse
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.utils.validation import check_is_fitted

from skmm import BagArray, ModalityDict
from skmm.compose import ConcatModalities, ModalityTransformer
from skmm.containers import LazyArray
from skmm.fusion import ImageMMDynamics
from skmm.preprocessing import GrayscaleNormalizer, HistogramEqualizer

STEPS = [
    HistogramEqualizer(),
    HistogramEqualizer(backend="numpy", color="channels"),
    HistogramEqualizer("clahe", tile_grid_size=2),
    GrayscaleNormalizer(),
    GrayscaleNormalizer(size=(5, 9), dtype="float32"),
]
each_step = pytest.mark.parametrize("step", STEPS, ids=repr)


@pytest.fixture
def images():
    """Twelve images of 16 bits."""
    return np.random.default_rng(0).integers(4096, size=(12, 10, 8)).astype(np.uint16)


# --- laws -----------------------------------------------------------------------------------------------


@each_step
def test_there_is_no_state(step, images):
    """A step transforms without fit, the same after fit on anything, and as its clone and its pickle do."""
    expected = clone(step).transform(images)
    fitted = clone(step).fit(images[:1])

    check_is_fitted(clone(step))
    assert vars(fitted) == vars(clone(step))
    for other in (fitted, pickle.loads(pickle.dumps(fitted))):
        np.testing.assert_array_equal(other.transform(images), expected)
    np.testing.assert_array_equal(clone(step).fit_transform(images), expected)


@each_step
def test_the_callers_images_stay_as_they_are(step, images):
    """Read-only images are taken and never written to, and what comes out shares no memory with them."""
    for given in (images, (images // 256).astype(np.uint8), np.full((2, 4, 4), 7, np.uint8)):
        before = given.copy()
        given.flags.writeable = False
        changed = step.transform(given)

        np.testing.assert_array_equal(given, before)
        assert not np.shares_memory(changed, given)


@each_step
def test_an_image_alone_equals_the_image_among_others(step, images):
    """Rows do not influence one another, and any order of rows gives the same images."""
    changed = step.transform(images)

    np.testing.assert_array_equal(step.transform(images[3:4]), changed[3:4])
    np.testing.assert_array_equal(step.transform(images[::-1]), changed[::-1])


@each_step
def test_set_output_does_not_concern_images(step, images):
    """With DataFrames asked for everywhere, images stay arrays; there are no names of features."""
    with sklearn.config_context(transform_output="pandas"):
        changed = clone(step).fit_transform(images)

    assert isinstance(changed, np.ndarray)
    assert not hasattr(step, "set_output")
    assert not hasattr(step, "get_feature_names_out")


@each_step
def test_tensors_are_taken(step, images):
    """A tensor of torch is read as the array that it is."""
    images = (images // 16).astype(np.uint8)

    np.testing.assert_array_equal(step.transform(torch.from_numpy(images)), step.transform(images))


# --- in a ModalityTransformer ---------------------------------------------------------------------------


def test_missing_images_stay_missing(images):
    """The present images of a modality are changed; missing ones, of one size or of several, stay missing."""
    floats = images.astype(np.float64)
    floats[2] = np.nan
    several = [image[: 4 + row] for row, image in enumerate(images)]
    several[5] = None
    X = ModalityDict({"ct": floats, "xray": several}, kinds={"xray": "image"})
    step = GrayscaleNormalizer(size=6)
    changed = ModalityTransformer({"ct": step, "xray": HistogramEqualizer()}).fit(X).transform(X)

    assert changed.is_present("ct").tolist() == [row != 2 for row in range(12)]
    assert changed.is_present("xray").tolist() == [row != 5 for row in range(12)]
    np.testing.assert_array_equal(changed["ct"][3:], step.transform(floats[3:]))
    np.testing.assert_array_equal(changed["xray"][4], HistogramEqualizer().transform([several[4]])[0])


def test_volumes_stay_volumes(images):
    """Declared volumes are changed slice by slice and stay volumes, with an axis for their channel."""
    X = ModalityDict({"mri": images.reshape(3, 4, 10, 8)}, kinds={"mri": "volume"})
    steps = make_pipeline(GrayscaleNormalizer(size=(5, 6)), HistogramEqualizer())
    changed = ModalityTransformer({"mri": steps}).fit(X).transform(X)

    assert changed.kinds == {"mri": "volume"}
    np.testing.assert_array_equal(changed["mri"], steps.transform(images).reshape(3, 4, 5, 6, 1))


def test_bags_of_slices_of_different_sizes(images):
    """Slices of a bag may differ in size; given a size they become an ordinary bag, each as it is alone."""
    slices = np.empty(4, dtype=object)
    for row in range(4):
        slices[row] = images[row, : 4 + row]
    bags = BagArray(slices, [0, 3, 3, 4])
    step = GrayscaleNormalizer(size=6)
    normalized, equalized = step.fit_transform(bags), HistogramEqualizer().fit_transform(bags)

    assert (normalized.lengths.tolist(), normalized.values.shape) == ([3, 0, 1], (4, 6, 6))
    for row in range(4):
        np.testing.assert_array_equal(normalized.values[row], step.transform([slices[row]])[0])
        alone = HistogramEqualizer().transform([slices[row]])[0]
        np.testing.assert_array_equal(equalized.values[row], alone)


# --- lazy -----------------------------------------------------------------------------------------------


def test_a_model_reads_batch_by_batch(images, counting_source, monkeypatch):
    """Through a whole pipeline images are read in batches by the model that is fitted at its end."""
    monkeypatch.setattr("skmm._training._inputs._CHUNK", 6 * 16 * 16)  # pixels, in the pass before training
    source = counting_source(np.concatenate([images] * 4))
    X = ModalityDict({"xray": LazyArray(source), "age": np.arange(48.0)[:, np.newaxis]})
    prepare = ModalityTransformer({"xray": make_pipeline(GrayscaleNormalizer(size=16), HistogramEqualizer())})
    prepared = prepare.fit(X).transform(X)

    assert source.reads == []
    assert isinstance(prepared["xray"], LazyArray)

    y = np.arange(48) % 2
    ImageMMDynamics(4, max_epochs=1, batch_size=6, patch_size=8, random_state=0).fit(prepared, y)

    assert max(map(len, source.reads)) <= 6
    assert {row for rows in source.reads for row in rows} == set(range(48))


def test_memory_is_flat(tmp_path):
    """Reading a memory map batch by batch through a pipeline takes the memory of a batch, not of the file."""
    images = np.random.default_rng(0).integers(4096, size=(64, 200, 200)).astype(np.uint16)
    np.save(tmp_path / "images.npy", images)
    steps = make_pipeline(HistogramEqualizer(), GrayscaleNormalizer(size=100))
    expected = steps.transform(images[40:44])
    one_batch = images[:4].nbytes
    del images
    lazy = steps.fit_transform(np.load(tmp_path / "images.npy", mmap_mode="r"))
    lazy[:4]

    tracemalloc.start()
    for start in range(0, 64, 4):
        batch = lazy[start : start + 4]
        if start == 40:
            np.testing.assert_array_equal(batch, expected)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 12 * one_batch  # the file is 16 of them as it is, and 32 as floats


def test_early_fusion_of_lazy_images(images, counting_source):
    """Lazy images of different sizes, made equal, are joined to one table."""
    several = np.empty(12, dtype=object)
    for row in range(12):
        several[row] = None if row == 3 else images[row, : 4 + row % 5]
    lazy = LazyArray(counting_source(several, present=np.arange(12) != 3))
    X = ModalityDict({"xray": lazy})
    steps = make_pipeline(ModalityTransformer({"xray": GrayscaleNormalizer(size=4)}), ConcatModalities())
    table = steps.fit_transform(X)
    alone = GrayscaleNormalizer(size=4).transform([several[4]])

    assert table.shape == (12, 16)
    np.testing.assert_array_equal(table[4], alone.ravel())
    np.testing.assert_allclose(table[3], np.delete(table, 3, axis=0).mean(axis=0))


def test_lazy_images_of_different_sizes_stay_lazy(images, counting_source):
    """Without a size they stay images of different sizes; the missing one stays missing."""
    several = np.empty(3, dtype=object)
    several[0], several[2] = images[0], images[1, :5, :3]
    source = counting_source(several, present=np.array([True, False, True]))
    lazy = HistogramEqualizer().transform(LazyArray(source))

    assert source.reads == []
    assert (lazy.entry_shape, lazy.entry_dtype) == ((None, None), np.uint16)
    assert lazy[1] is None
    np.testing.assert_array_equal(lazy[2], HistogramEqualizer().transform(images[1:2, :5, :3])[0])


KEYS = [
    HistogramEqualizer(),
    HistogramEqualizer(color="channels"),
    HistogramEqualizer("clahe"),
    HistogramEqualizer("clahe", clip_limit=3),
    HistogramEqualizer("clahe", tile_grid_size=4),
    HistogramEqualizer("clahe", color="channels"),
    GrayscaleNormalizer(),
    GrayscaleNormalizer(8),
    GrayscaleNormalizer((8, 9)),
    GrayscaleNormalizer(percentiles=None),
    GrayscaleNormalizer(percentiles=(0, 99.5)),
    GrayscaleNormalizer(dtype="float32"),
]


def test_keys_tell_parameters_apart(images, counting_source):
    """Keys of rows differ wherever a parameter changes pixels, and wherever the order of steps does."""

    def key(*steps):
        return make_pipeline(*steps).transform(LazyArray(counting_source(images))).row_keys([1])[0]

    keys = [key(step) for step in KEYS]
    keys += [key(KEYS[0], KEYS[6]), key(KEYS[6], KEYS[0])]

    assert len(set(map(repr, keys))) == len(KEYS) + 2
    assert keys[0][0] == ("counted", 1)


def test_keys_tell_code_apart(images, counting_source, monkeypatch):
    """A class of the same name, and another recipe of a class, have other keys than what files may hold."""
    lazy = LazyArray(counting_source(images))
    same_name = type("HistogramEqualizer", (HistogramEqualizer,), {"__init__": HistogramEqualizer.__init__})
    keys = [step.transform(lazy).row_keys([0])[0] for step in (HistogramEqualizer(), same_name())]
    monkeypatch.setattr(HistogramEqualizer, "_recipe", HistogramEqualizer._recipe + 1)
    keys += HistogramEqualizer().transform(lazy).row_keys([0])

    assert len(set(map(repr, keys))) == 3


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (HistogramEqualizer(), HistogramEqualizer(backend="numpy", clip_limit=7.0, tile_grid_size=3)),
        (HistogramEqualizer("clahe"), HistogramEqualizer("clahe", clip_limit=2, tile_grid_size=[8, 8])),
        (HistogramEqualizer("clahe", tile_grid_size=8), HistogramEqualizer("clahe", backend="opencv")),
        (GrayscaleNormalizer(8), GrayscaleNormalizer([np.int64(8), 8])),
        (GrayscaleNormalizer(percentiles=(0, 99)), GrayscaleNormalizer(percentiles=[0.0, np.float32(99)])),
    ],
)
def test_equal_steps_have_equal_keys(one, other, images, counting_source):
    """What does not change pixels, and how a number is written, does not change keys."""
    first, second = (
        step.transform(LazyArray(counting_source(images))).row_keys([0]) for step in (one, other)
    )

    assert repr(first) == repr(second)


def test_a_changed_file_has_other_keys(tmp_path, images):
    """Keys of a memory map hold the time of its file, so they are not mistaken for those of a later file."""
    path = tmp_path / "images.npy"
    keys = []
    for second in (1, 2):
        np.save(path, images)
        os.utime(path, (second, second))
        keys += HistogramEqualizer().transform(np.load(path, mmap_mode="r")).row_keys([0, 1])

    assert len(set(keys)) == 4


# --- what is refused ------------------------------------------------------------------------------------

SMALL = np.zeros((2, 4, 4))
WRONG = {
    "table": (
        np.zeros((5, 4)),
        ValueError,
        r"Got rows of shape \(4,\) instead: a single image needs an axis",
    ),
    "data frame": (pd.DataFrame({"a": [1]}), TypeError, "Got DataFrame instead"),
    "sparse": (sparse.eye_array(3).tocsr(), TypeError, r"Got a sparse table of shape \(3, 3\)"),
    "mapping": ({"xray": SMALL}, TypeError, "Got dict instead. A ModalityTransformer hands it one modality"),
    "container": (
        ModalityDict({"xray": SMALL}),
        TypeError,
        "Got ModalityDict instead. A ModalityTransformer",
    ),
    "text": ("xray.png", TypeError, "Got str instead"),
    "texts": (["clear", "effusion"], TypeError, "Got str at row 0 instead"),
    "strings": (np.full((2, 4, 4), "a"), ValueError, "needs images of real numbers. Got dtype <U1"),
    "numbers": ([1.0, 2.0], TypeError, r"Got an array of shape \(\) and dtype float64 at row 0"),
    "scalar": (np.float64(3), TypeError, "Got float64 instead"),
    "complex": (SMALL.astype(complex), ValueError, "real numbers. Got dtype complex128"),
    "dates": (SMALL.astype("M8[s]"), ValueError, "real numbers. Got dtype datetime64"),
    "masked": (np.ma.masked_equal(SMALL, 0), TypeError, "masked array. Use .filled"),
    "array of no axes": (np.array(3.0), TypeError, r"Got an array of shape \(\) and dtype float64 instead"),
    "objects in two axes": (
        np.full((2, 2), None),
        TypeError,
        r"Got an array of shape \(2, 2\) and dtype object",
    ),
    "channels first": (np.zeros((2, 3, 8, 8)), ValueError, r"np.moveaxis\(X, 1, -1\)"),
    "two channels": (np.zeros((2, 8, 8, 2)), ValueError, "no number of channels"),
    "six axes": (np.zeros((1, 1, 1, 1, 1, 1)), ValueError, r"Got rows of shape \(1, 1, 1, 1, 1\)"),
    "no samples": (np.zeros((0, 4, 4)), ValueError, "at least one image. Got none"),
    "empty list": ([], ValueError, "at least one image. Got none"),
    "all missing": ([None, None], ValueError, "All 2 of them are missing"),
    "no pixels": (np.zeros((2, 0, 4)), ValueError, r"images with pixels. Got images of shape \(0, 4\)"),
    "no pixels in one": ([SMALL[0], SMALL[0, :0]], ValueError, r"Got images of shape \(0, 4\) at row 1"),
    "stack in a list": ([np.zeros((5, 8, 8))], ValueError, r"Got rows of shape \(5, 8, 8\) at row 0 instead"),
    "bag of vectors": (BagArray(np.zeros((3, 4)), [0, 3]), ValueError, r"Got rows of shape \(4,\)"),
}


@pytest.mark.parametrize("step", [HistogramEqualizer(), GrayscaleNormalizer()], ids=["equalize", "normalize"])
@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_image_is_refused(step, case):
    """Both methods say what was expected and what came, and name themselves."""
    X, error, message = WRONG[case]

    for method in (step.fit, step.transform):
        with pytest.raises(error, match=message) as caught:
            method(X)
        assert str(caught.value).startswith(type(step).__name__)


def with_holes(rows, value):
    """Six images, some of which have one wrong pixel."""
    images = np.random.default_rng(0).normal(size=(6, 4, 4))
    images[rows, 1, 2] = value
    return images


@each_step
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_pixels_that_are_no_numbers_are_refused(step, value):
    """NaN and infinity raise and name the rows, of arrays, lists and bags; nothing is filled silently."""
    images = with_holes([1, 4], value)
    message = type(step).__name__ + r" needs pixels that are finite numbers.*in 2 of 6 images, rows 1, 4\."

    for X in (images, list(images), [*images[:5], images[5, :3]]):
        with pytest.raises(ValueError, match=message):
            step.transform(X)
    with pytest.raises(ValueError, match=r"in 1 of 3 bags, rows 2\. Fill these pixels"):
        step.transform(BagArray(images[[0, 2, 1, 4]], [0, 2, 2, 4]))


@pytest.mark.parametrize("step", [HistogramEqualizer(), GrayscaleNormalizer(size=3)], ids=repr)
def test_pixels_of_lazy_arrays_are_looked_at_when_they_are_read(step, counting_source):
    """A lazy array with a hole becomes a lazy one; reading the hole raises, reading another row does not."""
    images = with_holes([4], np.nan)
    lazy = clone(step).transform(LazyArray(counting_source(images)))

    assert np.isfinite(lazy[:4]).all()
    with pytest.raises(ValueError, match="in 1 of 2 images that were read together, numbers 1"):
        lazy[[3, 4]]


def test_an_error_in_a_pipeline_names_the_modality():
    """A ModalityTransformer adds which modality it was."""
    X = {"xray": with_holes([1], np.nan)}

    with pytest.raises(ValueError, match="rows 1. Fill") as caught:
        ModalityTransformer({"xray": HistogramEqualizer()}).fit(X)
    assert "modality 'xray'" in caught.value.__notes__[0]
