"""What becomes of each kind of modality, and moments of columns."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.preprocessing import StandardScaler

from skmm import BagArray, ModalityDict
from skmm._training import make_inputs, scan_inputs
from skmm._training._inputs import CLIP, IMAGE_CLIP, BagInput, ImageInput, TableInput
from skmm._training._moments import RunningMoments
from skmm.containers import Schema

ALL = slice(None)


def _fitted(X, *, standardize=True, rows=None, weights=None):
    """Return inputs that learned from rows of a ModalityDict."""
    rows = np.arange(len(X)) if rows is None else rows
    inputs = make_inputs(Schema.of(X), X.modalities, standardize=standardize)
    scan_inputs(inputs, X, rows, np.ones(len(rows)) if weights is None else weights)
    return inputs


def _present(value):
    """Return presence of all rows."""
    return np.ones(len(value), dtype=bool)


def test_moments_in_chunks(rng):
    """Mean and deviation do not depend on the chunks, and a weight is a repetition."""
    table, weights = rng.normal(3, 2, size=(50, 4)), rng.integers(0, 4, size=50).astype(float)
    moments = RunningMoments(4)
    for start in range(0, 50, 7):
        moments.update(table[start : start + 7], weights[start : start + 7])
    scaler = StandardScaler().fit(np.repeat(table, weights.astype(int), axis=0))

    np.testing.assert_allclose(moments.mean, scaler.mean_, rtol=1e-12)
    np.testing.assert_allclose(moments.scale, scaler.scale_, rtol=1e-12)


def test_moments_of_nothing():
    """Without a row, or rows without a weight, every column is constant."""
    moments = RunningMoments(2)
    moments.update(np.ones((3, 2)), np.zeros(3))

    assert moments.scale.tolist() == [np.inf, np.inf]


@pytest.mark.parametrize("value", [0.0, 0.1, -1e9, 1e-300])
def test_constant_columns_become_zero(value):
    """A column that is constant up to rounding is zero, also where new data differ from it."""
    table = TableInput((1,), standardize=True)
    table.update(np.full((1000, 1), value), np.ones(1000))

    assert (
        table(np.array([[value], [value + 5.0], [1e12]]), np.ones(3, bool), np.float64).tolist() == [[0]] * 3
    )


def test_standardized_by_the_present_training_rows(rng):
    """Mean and deviation are those of the training rows that have the modality; others become zero."""
    table = rng.normal(5, 3, size=(30, 3))
    table[4] = np.nan
    X = ModalityDict({"a": table, "b": np.zeros((30, 1))})
    rows = np.arange(20)
    out = _fitted(X, rows=rows)["a"](table, X.is_present("a"), np.float64)

    scaler = StandardScaler().fit(np.delete(table[:20], 4, axis=0))
    expected = np.clip(scaler.transform(np.nan_to_num(table)), -CLIP, CLIP)
    expected[4] = 0
    np.testing.assert_allclose(out, expected, atol=1e-12)


def test_values_far_out_are_clipped():
    """What is farther than three deviations is brought to three."""
    table = TableInput((1,), standardize=True)
    table.update(np.array([[-1.0], [1.0]]), np.ones(2))

    out = table(np.array([[-1e300], [-3.0], [2.0], [6.0]]), np.ones(4, bool), np.float32)

    assert out.ravel().tolist() == [-3, -3, 2, 3]


def test_large_means_keep_their_digits():
    """Values are standardized before they are cast: seconds since 1970 keep their differences."""
    seconds = 1.7e9 + np.arange(5.0)[:, None]
    table = TableInput((1,), standardize=True)
    table.update(seconds, np.ones(5))

    out = table(seconds, np.ones(5, bool), np.float32)

    np.testing.assert_allclose(
        out.ravel(), StandardScaler().fit_transform(np.arange(5.0)[:, None]).ravel(), rtol=1e-6
    )


@pytest.mark.parametrize("form", [sp.csr_array, sp.csc_matrix, pd.DataFrame])
def test_sparse_tables_and_frames_equal_dense_ones(rng, form):
    """The same values in another form give the same numbers, to the last bit."""
    table = np.where(rng.random((40, 5)) < 0.4, rng.normal(size=(40, 5)), 0.0)
    dense, other = ModalityDict({"a": table}), ModalityDict({"a": form(table)})

    first = _fitted(dense)["a"](table, _present(table), np.float32)
    second = _fitted(other)["a"](
        other["a"].to_numpy() if form is pd.DataFrame else other["a"], _present(table), np.float32
    )

    np.testing.assert_array_equal(first, second)


def test_not_standardized():
    """With standardize=False values go through as they are; missing rows are zero."""
    table = TableInput((2,), standardize=False)

    out = table(np.array([[1, 200], [3, 4]]), np.array([True, False]), np.float64)

    assert out.tolist() == [[1, 200], [0, 0]]


def test_the_caller_s_data_are_not_changed(rng):
    """A read-only memory map is read, and stays as it was; the result is the caller's to change."""
    table = rng.normal(size=(6, 2))
    table.flags.writeable = False
    for standardize in (True, False):
        out = TableInput((2,), standardize=standardize)(table, np.zeros(6, bool), np.float64)
        assert out.flags.writeable
    assert table.any()


def test_bytes_are_divided_by_255():
    """Grey images get a channel axis in front; 0 stays 0 and 255 becomes 1, whatever training held."""
    images = np.array([[[0, 255], [51, 0]]], dtype=np.uint8)
    entry = ImageInput((2, 2), n_axes=2)
    entry.update(np.array([[[10, 20], [10, 20]]], dtype=np.uint8), np.ones(1))
    out = entry(images, np.ones(1, bool), np.float32)

    assert entry.shape == (1, 2, 2)
    assert out.dtype == np.float32
    np.testing.assert_array_equal(out, [[[[0, 1], [np.float32(0.2), 0]]]])


@pytest.mark.parametrize(("dtype", "low", "high"), [(np.uint16, 0, 4095), (np.int16, -1000, 3000)])
def test_other_integers_are_brought_from_their_training_range(dtype, low, high):
    """12 bits in 16 fill [0, 1]; Hounsfield units below 0 are kept apart; what is beyond is clipped."""
    images = np.array([[[low, high], [low, (low + high) // 2]]], dtype=dtype)
    entry = ImageInput((2, 2), n_axes=2)
    entry.update(images, np.ones(1))

    out = entry(images, np.ones(1, bool), np.float64)
    beyond = entry(np.full((1, 2, 2), high + 50, dtype=dtype), np.ones(1, bool), np.float64)

    np.testing.assert_allclose(out, [[[[0, 1], [0, 0.5]]]], atol=2e-4)
    assert (beyond == 1).all()


def test_floats_in_the_unit_interval_equal_bytes():
    """Images divided by 255 beforehand, as float64 or float32, give the bytes' numbers to the last bit."""
    images = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    entry = ImageInput((16, 16), n_axes=2)
    expected = entry(images, np.ones(1, bool), np.float32)
    for dtype in (np.float64, np.float32):
        floats = ImageInput((16, 16), n_axes=2)
        floats.update(images / dtype(255), np.ones(1))
        np.testing.assert_array_equal(floats(images / dtype(255), np.ones(1, bool), np.float32), expected)


def test_colours_stay_last_in_memory(rng):
    """Images are seen channels first and laid out as they came, and are the network's to change."""
    images = rng.integers(0, 255, size=(2, 5, 6, 3), dtype=np.uint8)
    images.flags.writeable = False
    out = ImageInput((5, 6, 3), n_axes=2)(images[:, ::-1], np.ones(2, bool), np.float32)

    assert out.shape == (2, 3, 5, 6)
    assert np.moveaxis(out, 1, -1).flags.c_contiguous
    assert out.flags.writeable
    np.testing.assert_allclose(np.moveaxis(out, 1, -1), images[:, ::-1] / np.float32(255))


def test_bytes_in_a_file_are_not_scanned():
    """Not standardized, there is nothing to learn from bytes: lazy ones are not read; floats are."""

    class Counting:
        """A lazy array that counts the rows read."""

        def __init__(self, array):
            self.array, self.shape, self.dtype, self.read = array, array.shape, array.dtype, 0

        def __getitem__(self, rows):
            """Rows."""
            out = self.array[rows]
            self.read += len(out)
            return out

    bytes_, floats = (Counting(np.ones((7, 4, 4), dtype)) for dtype in (np.uint8, np.float32))
    _fitted(ModalityDict({"a": bytes_, "b": floats}), standardize=False)

    assert (bytes_.read, floats.read) == (0, 7)


def test_float_images_are_brought_from_their_training_range(rng):
    """Floats beyond [0, 1] are scaled by the range of training and clipped; floats within it are left."""
    images = rng.normal(100, 30, size=(4, 5, 6, 3))
    images[0, 0, 0, 0], images[0, 0, 0, 1] = 0.0, 200.0
    images = np.clip(images, 0, 200)
    entry = ImageInput((5, 6, 3), n_axes=2)
    entry.update(images, np.ones(4))
    out = entry(images + 1, np.array([True, True, True, False]), np.float64)

    assert entry.shape == (3, 5, 6)
    np.testing.assert_allclose(out[:3], np.moveaxis(np.clip((images[:3] + 1) / 200, 0, 1), -1, 1))
    assert not out[3].any()

    within = ImageInput((2, 2), n_axes=2)
    within.update(np.array([[[0.25, 0.5], [0.5, 0.75]]]), np.ones(1))
    assert within(np.full((1, 2, 2), 0.25), np.ones(1, bool), np.float64).ravel().tolist() == [0.25] * 4


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_channels_are_standardized(rng, dtype):
    """Over the pixels of the weighted training rows each has mean 0 and deviation 1; constant ones are 0."""
    images = rng.integers(0, 200, size=(8, 5, 6, 3)).astype(dtype)
    images[..., 1] = 7
    images[..., 2] //= 10
    weights = np.arange(8.0)
    entry = ImageInput((5, 6, 3), n_axes=2, standardize=True)
    for start in (0, 3):
        rows = slice(start, 3 if start == 0 else 8)
        entry.update(images[rows], weights[rows])
    out = entry(images, np.arange(8) != 2, np.float64)

    scaler = StandardScaler().fit(np.repeat(images, np.arange(8), axis=0).reshape(-1, 3).astype(float))
    expected = scaler.transform(images.reshape(-1, 3).astype(float)).reshape(images.shape)
    expected[2] = 0
    np.testing.assert_allclose(out, np.moveaxis(expected, -1, 1), atol=1e-12)
    assert not out[:, 1].any()


@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize(
    ("fitted", "new"),
    [
        ("bytes", "integers"),
        ("bytes", "float32"),
        ("bytes", "float64"),
        ("float32", "bytes"),
        ("float32", "integers"),
        ("float64", "float32"),
        ("integers", "bytes"),
    ],
)
def test_the_same_images_as_another_type_are_the_same(rng, standardize, fitted, new):
    """Bytes, the same integers, and floats divided by 255 give the same numbers, whatever training held."""
    images = rng.integers(0, 256, size=(6, 5, 4, 3), dtype=np.uint8)
    images[0, 0, 0], images[0, 0, 1] = 0, 255
    forms = {
        "bytes": images,
        "integers": images.astype(np.int64),
        "float32": images / np.float32(255),
        "float64": images / 255,
    }
    entry = _fitted(ModalityDict({"a": forms[fitted]}), standardize=standardize)["a"]
    expected = _fitted(ModalityDict({"a": images}), standardize=standardize)["a"]
    present = np.ones(6, bool)

    out = entry(forms[new], present, np.float64)
    np.testing.assert_allclose(out, expected(images, present, np.float64), atol=1e-6)


def test_numbers_of_another_type_keep_the_units_of_training():
    """After floats up to 200, bytes are the same numbers; after masks, their bytes are 0 and 1."""
    floats = ImageInput((2, 2), n_axes=2, standardize=True)
    images = np.array([[[0, 200], [50, 100]]], dtype=np.uint8)
    floats.update(images.astype(float), np.ones(1))
    masks = ImageInput((2, 2), n_axes=2)
    masks.update(images > 60, np.ones(1))
    present = np.ones(1, bool)

    np.testing.assert_array_equal(
        floats(images, present, np.float64), floats(images / 1, present, np.float64)
    )
    for mask in ((images > 60) * np.uint8(1), (images > 60) * np.uint8(255), images > 60):
        assert masks(mask, present, np.float64).ravel().tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize(
    ("fitted", "new", "message"),
    [
        (np.uint8, np.float64, "'scan' holds float64 from 0 to 200, but it held bytes in fit"),
        (np.uint8, np.uint16, "'scan' holds uint16 from 0 to 20000, but it held bytes"),
        (np.float32, np.uint16, r"'scan' holds uint16 .* floats within \[0, 1\] in fit. Bring them"),
    ],
)
def test_units_that_cannot_be_are_refused(standardize, fitted, new, message):
    """Not clipped to white without a word: in fit, and after it; what is missing does not matter."""
    images = np.array([[[0, 200], [50, 100]], [[1, 2], [3, 4]]])
    before = images / 255 if fitted == np.float32 else images
    entry = _fitted(ModalityDict({"scan": before.astype(fitted)}), standardize=standardize)["scan"]
    images = (images * (100 if new == np.uint16 else 1)).astype(new)

    with pytest.raises(ValueError, match=message):
        entry(images, np.array([True, False]), np.float64)
    with pytest.raises(ValueError, match="'scan'"):
        entry(images[::-1], np.array([False, True]), np.float64)
    if standardize:
        with pytest.raises(ValueError, match="'scan'"):
            entry.update(images, np.ones(2))
    images[0] = 30000
    assert np.isfinite(entry(images // 200, np.array([False, True]), np.float64)).all()


@pytest.mark.parametrize("bytes_first", [True, False])
def test_later_batches_of_another_type_count_in_the_units_of_the_first(rng, bytes_first):
    """Half of the images as bytes and half divided by 255 have the moments of all."""
    images = rng.integers(0, 256, size=(6, 5, 4, 3), dtype=np.uint8)
    halves = [images[:3], images[3:] / 255] if bytes_first else [images[:3] / 255, images[3:]]
    entry, expected = (ImageInput((5, 4, 3), n_axes=2, standardize=True) for _ in range(2))
    expected.update(images, np.ones(6))
    for half in halves:
        entry.update(half, np.ones(3))

    for form in (images, images / 255):
        out, present = entry(form, np.ones(6, bool), np.float64), np.ones(6, bool)
        np.testing.assert_allclose(out, expected(images, present, np.float64), atol=1e-12)


def test_pixels_that_overflow_are_clipped():
    """Numbers beyond float32 are the brightest or darkest, without a warning."""
    entry = ImageInput((1, 3), n_axes=2)
    entry.update(np.array([[[0.0, 5.0, 10.0]]]), np.ones(1))

    out = entry(np.array([[[-1e300, 5.0, 1e300]]]), np.ones(1, bool), np.float32)
    assert out.ravel().tolist() == [0, 0.5, 1]


def test_volumes_have_channels_first(rng):
    """Volumes of one channel become (n, channels, depth, height, width)."""
    volumes = rng.integers(0, 255, size=(2, 3, 4, 5, 1), dtype=np.uint8)
    entry = ImageInput((3, 4, 5, 1), n_axes=3)

    assert entry.shape == (1, 3, 4, 5)
    np.testing.assert_allclose(
        entry(volumes, np.ones(2, bool), np.float32)[:, 0], volumes[..., 0] / np.float32(255)
    )


def test_bags_are_flat_and_their_instances_standardized():
    """Instances are scaled by their own moments; a missing bag has no instance, whatever it holds."""
    bags = BagArray.from_list([np.array([[0.0], [2.0]]), np.array([[4.0]]), np.array([[9.0], [9.0]])])
    entry = BagInput(TableInput((1,), standardize=True))
    entry.update(bags[:2], np.array([1.0, 2.0]))

    values, offsets = entry(bags, np.array([True, True, False]), np.float64)

    scaler = StandardScaler().fit(np.array([[0.0], [2.0], [4.0], [4.0]]))
    np.testing.assert_allclose(values, scaler.transform([[0.0], [2.0], [4.0]]))
    assert offsets.tolist() == [0, 2, 3, 3]


def test_bags_of_images(rng):
    """Instances that are images are scaled as images are."""
    slices = [rng.integers(0, 255, size=(n, 4, 4), dtype=np.uint8) for n in (2, 3)]
    X = ModalityDict({"mri": BagArray.from_list(slices)})
    entry = _fitted(X, standardize=False)["mri"]

    assert entry.shape == (1, 4, 4)
    values, offsets = entry(X["mri"], np.ones(2, bool), np.float32)
    np.testing.assert_allclose(values[:, 0], np.concatenate(slices) / np.float32(255))
    assert offsets.tolist() == [0, 2, 5]


def test_images_of_different_sizes_are_refused(rng):
    """A network needs one size; the message names the modality and what to do."""
    images = [rng.random((4, 4)), rng.random((5, 4))]
    X = ModalityDict({"scan": images}, kinds={"scan": "image"})

    with pytest.raises(ValueError, match="'scan' holds images of different sizes.*resize"):
        make_inputs(Schema.of(X), ("scan",), standardize=True)


def test_text_is_refused():
    """No network here takes text; the message says which modality it is."""
    X = ModalityDict({"report": ["a", "b"]})

    with pytest.raises(ValueError, match="'report' is text"):
        make_inputs(Schema.of(X), ("report",), standardize=True)


@pytest.mark.parametrize(("bad", "message"), [(np.inf, "infinit"), (np.nan, "NaN")])
def test_bad_values_are_named_with_their_rows(rng, bad, message):
    """Infinities and partly NaN rows of the training rows raise with the rows of the caller's data."""
    table = rng.normal(size=(10, 3))
    table[7, 1] = bad
    X = ModalityDict({"rna": table})

    with pytest.raises(ValueError, match=f"'rna'.*{message}|{message}.*'rna'") as error:
        _fitted(X, rows=np.array([2, 7, 9]))
    assert "7" in str(error.value)
    _fitted(X, rows=np.array([2, 9]))


def test_holes_in_bags_are_named_with_their_rows():
    """Instances that are partly NaN raise with the row of their bag, and are to be dropped or filled."""
    bags = [np.ones((2, 3)), None, np.array([[1.0, np.nan, 2.0], [np.nan, 1.0, 1.0]])]

    with pytest.raises(ValueError, match=r"'mri' contains NaN in instances.* 1 rows \(2\)\. Drop these"):
        _fitted(ModalityDict({"mri": bags}, kinds={"mri": "bag"}))


def test_channel_that_hardly_varies_is_clipped():
    """Where one pixel in training was transparent, transparent images deviate by the bound; others do not."""
    images = np.random.default_rng(0).integers(0, 256, size=(20, 16, 16, 4), dtype=np.uint8)
    images[..., 3] = 255
    images[0, 0, 0, 3] = 0
    image = _fitted(ModalityDict({"cell": images}))["cell"]
    new = images[:2].copy()
    new[0, ..., 3] = 0

    out = image(new, _present(new), np.float32)

    assert (out[0, 3] == -IMAGE_CLIP).all()
    assert np.abs(out[:, :3]).max() < 3
    assert np.abs(out[1, 3]).max() < 0.1


def test_a_table_that_is_not_clipped_can_be_restored(rng):
    """Without clipping, standardized values give back the table; a constant column gives its constant."""
    table = np.column_stack([rng.normal(5, 3, size=50), np.full(50, 7.0)])
    table[0, 0] = 500.0
    entry = TableInput((2,), standardize=True, clip=None)
    entry.update(table, np.ones(50))
    standardized = entry(table, np.ones(50, bool), np.float64)

    assert standardized[0, 0] > 6
    np.testing.assert_allclose(entry.restore(standardized), table)
    np.testing.assert_array_equal(entry.varies, [True, False])
