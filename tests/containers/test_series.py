"""read_series: DICOM, NIfTI and arrays as lazy bags of slices, joined by table, read slice by slice."""

import pickle
import sys

import joblib
import nibabel
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.preprocessing import FunctionTransformer

from skmm import BagArray, ModalityDict
from skmm.compose import ModalityTransformer
from skmm.containers import (
    LazyArray,
    Schema,
    _files,
    as_modality_dict,
    from_tables,
    map_rows,
    read_series,
)

RNG = np.random.default_rng(0)
NAMES = {"sample": "study", "modality": "description", "path": "path"}


def slices(n_slices, size=(4, 5), dtype=np.uint16):
    """A stack whose slice k is full of values around 100 k."""
    stack = RNG.integers(0, 90, size=(n_slices, *size)) + 100 * np.arange(n_slices)[:, None, None]
    return stack.astype(dtype)


def table_of(*rows):
    """A table of series from (study, description, path)."""
    return pd.DataFrame(rows, columns=["study", "description", "path"])


def read(path, **options):
    """The one series at a path, as (lazy) BagArray."""
    (ids, bags) = read_series(table_of(("ann", "T1", path)), **NAMES, **options)["T1"]
    assert ids.tolist() == ["ann"]
    return bags


def bag(path, **options):
    """The slices of the one series at a path, read."""
    return read(path, **options)[0]


# --- other formats --------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_nifti(suffix, tmp_path, decoded):
    """Slices lie along the third axis as nibabel gives them; whole numbers stay so without a scale."""
    data = RNG.integers(-500, 500, size=(4, 5, 6)).astype(np.int16)
    path = tmp_path / f"a{suffix}"
    nibabel.save(nibabel.Nifti1Image(data, np.diag([-1.0, 1, 3, 1])), path)
    bags = read(path)

    assert (bags.lengths.tolist(), bags.instance_shape, bags.dtype) == ([6], (4, 5), np.int16)
    assert decoded == []
    np.testing.assert_array_equal(bags.values[[5, 2]], np.moveaxis(data, 2, 0)[[5, 2]])
    assert decoded == [(path.name, 2), (path.name, 5)]


def test_nifti_scale_and_axes(tmp_path):
    """scl_slope and scl_inter are applied; last axes of length one do not count, others are refused."""
    image = nibabel.Nifti1Image(np.arange(24, dtype=np.int16).reshape(2, 3, 4, 1), np.eye(4))
    image.header.set_slope_inter(0.5, 10)
    nibabel.save(image, tmp_path / "a.nii")
    expected = np.moveaxis(np.asarray(nibabel.load(tmp_path / "a.nii").dataobj)[..., 0], 2, 0)

    result = bag(tmp_path / "a.nii")
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected)
    np.testing.assert_allclose(result[1], np.arange(24).reshape(2, 3, 4)[:, :, 1] * 0.5 + 10)

    nibabel.save(nibabel.Nifti1Image(np.zeros((2, 3, 4, 5), np.int16), np.eye(4)), tmp_path / "b.nii")
    with pytest.raises(ValueError, match=r"its array of shape \(2, 3, 4, 5\) is no stack"):
        read(tmp_path / "b.nii")


def test_arrays_and_pictures(tmp_path):
    """A .npy stack, a folder of .npy or PNG slices, and pages of a TIFF are bags in their order."""
    stack = slices(11, dtype=np.uint16)
    np.save(tmp_path / "stack.npy", stack)
    for folder in ("npy", "png"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "notes.txt").write_text("x")
        (tmp_path / folder / ".hidden").write_text("x")
    for k, image in enumerate(stack):
        np.save(tmp_path / "npy" / f"slice{k}.npy", image)
        Image.fromarray(image).save(tmp_path / "png" / f"slice{k}.png")
    pages = [Image.fromarray(image) for image in stack]
    pages[0].save(tmp_path / "pages.tif", save_all=True, append_images=pages[1:])

    for name in ("stack.npy", "npy", "png", "pages.tif"):
        np.testing.assert_array_equal(bag(name, root=tmp_path), stack, err_msg=name)
    np.testing.assert_array_equal(bag(tmp_path / "npy" / "slice3.npy"), stack[[3]])
    np.testing.assert_array_equal(read("pages.tif", root=tmp_path).values[[7, 2]], stack[[7, 2]])


# --- tables ---------------------------------------------------------------------------------------


@pytest.fixture
def stacks(tmp_path):
    """Stacks of 3, 2, 4 and 1 slices in files "0.npy" to "3.npy" of the folder, the last of another size."""
    arrays = [slices(3), slices(2), slices(4), slices(1, size=(6, 6))]
    for number, array in enumerate(arrays):
        np.save(tmp_path / f"{number}.npy", array)
    return arrays


def test_a_modality_for_each_description_joined_by_id(stacks, tmp_path, decoded):
    """Series become bags by sample and description; from_tables joins them; what is absent is missing."""
    table = table_of(("b", "T1", "0.npy"), ("a", "T2", "1.npy"), ("a", "T1", "2.npy"), ("c", "T2", None))
    clinical = pd.DataFrame({"age": [1.0, 2.0, 3.0], "site": [1, 1, 2]}, index=["a", "b", "d"])
    X = from_tables(
        {"clinical": clinical, **read_series(table, **NAMES, root=tmp_path)},
        groups={**clinical["site"], "c": 2},
    )

    assert X.modalities == ("clinical", "T1", "T2")
    assert X.index.tolist() == ["a", "b", "d", "c"]
    assert X.present.T.tolist() == [
        [True, True, True, False], [True, True, False, False], [True, False, False, False]
    ]  # fmt: skip
    assert X["T1"].lengths.tolist() == [4, 3, 0, 0]
    assert decoded == []
    np.testing.assert_array_equal(X.loc["b"]["T1"][0], stacks[0])
    assert len(decoded) == 3


def test_repeated_series(stacks, tmp_path):
    """Two series of one sample and description raise, or the first counts, or their slices are joined."""
    table = table_of(("a", "T1", None), ("a", "T1", "0.npy"), ("b", "T1", "1.npy"), ("a", "T1", "2.npy"))

    with pytest.raises(ValueError, match="more than one series for 'T1' of 'a'. Take the first"):
        read_series(table, **NAMES, root=tmp_path)
    first, joined = (
        read_series(table, **NAMES, root=tmp_path, repeated=repeated)["T1"]
        for repeated in ("first", "concat")
    )

    assert first[0].tolist() == joined[0].tolist() == ["a", "b"]
    assert first[1].lengths.tolist() == [3, 2]
    assert joined[1].lengths.tolist() == [7, 2]
    np.testing.assert_array_equal(joined[1][0], np.concatenate([stacks[0], stacks[2]]))


@pytest.fixture
def ragged(stacks, tmp_path):
    """Three samples of one description, slices of different sizes, the second sample missing."""
    table = table_of(("a", "T1", "0.npy"), ("b", "T1", None), ("c", "T1", "3.npy"))
    return from_tables(read_series(table, **NAMES, root=tmp_path), groups={"a": 1, "b": 1, "c": 2})


def test_slices_of_different_sizes(ragged, stacks):
    """Series of different sizes are a lazy bag of images of different sizes."""
    assert (ragged["T1"].instance_shape, ragged["T1"].lengths.tolist()) == ((None, None), [3, 0, 1])
    assert "0..3 instances of (None, None) uint16, lazy" in repr(ragged)
    np.testing.assert_array_equal(ragged["T1"][2][0], stacks[3][0])
    np.testing.assert_array_equal(ragged["T1"][[2, 0]].read().values[1], stacks[0][0])


def _halve(images):
    """Every second row."""
    return images[:, ::2]


class Halve(FunctionTransformer):
    """Every second row of each slice, lazily."""

    _accepts_lazy = True

    def transform(self, X):
        """Map the rows."""
        return map_rows(X, _halve, token="halve")


def test_everything_of_a_container(ragged, tmp_path):
    """Selection, pickles, hashes, handles, schema, transformers, save and load of ragged lazy bags."""
    X = ragged

    assert X[[2, 0, 1]][[1, 2, 0]] == X
    assert X[[0, 1, 0]] != X
    assert pickle.loads(pickle.dumps(X)) == X
    assert joblib.hash(pickle.loads(pickle.dumps(X))) == joblib.hash(X)
    assert as_modality_dict(np.asarray(X)[[2, 1]]) == X[[2, 1]]
    assert as_modality_dict(np.concatenate([np.asarray(X[:1]), np.asarray(X[2:].loc[["c"]])])) == X[[0, 2]]

    halved = ModalityTransformer({"T1": Halve()}).fit_transform(X)
    assert isinstance(halved["T1"].values, LazyArray)
    assert halved["T1"][2][0].shape == (3, 6)
    assert halved.is_present("T1").tolist() == [True, False, True]

    nothing = Schema.of(X).align(ModalityDict({"T1": [None, None]}, kinds={"T1": "bag"}))
    assert nothing.present.tolist() == [[False], [False]]
    assert Schema.of(X[["T1"]]).align(X[[1]])["T1"].lengths.tolist() == [0]

    for name, kept in (("all", X), ("none", X[[1]])):
        kept.save(tmp_path / name)
        loaded = ModalityDict.load(tmp_path / name)
        assert isinstance(loaded["T1"].values, LazyArray)
        assert loaded == kept
    in_memory = ModalityDict({"T1": X["T1"].read()})
    in_memory.save(tmp_path / "memory")
    assert ModalityDict.load(tmp_path / "memory") == in_memory


def test_comparing_and_saving_read_bag_by_bag(stacks, tmp_path, monkeypatch):
    """No more than one bag, or one piece, is in memory while containers are compared or saved."""
    table = table_of(*((number, "T1", f"{number % 3}.npy") for number in range(30)))
    X = from_tables(read_series(table, **NAMES, root=tmp_path))
    sizes = []
    original = _files.FilesSource.read
    monkeypatch.setattr(
        _files.FilesSource, "read", lambda self, rows: sizes.append(len(rows)) or original(self, rows)
    )
    monkeypatch.setattr("skmm.containers._rows._CHUNK_BYTES", 6 * 4 * 5 * 2)

    assert pickle.loads(pickle.dumps(X)) == X
    assert max(sizes) == 4
    X.save(tmp_path / "out")
    assert max(sizes) == 6


def test_nothing_is_loaded_whole(stacks, tmp_path, decoded):
    """Building, selecting, hashing and keys read no slice; a batch reads its own slices once."""
    table = table_of(("a", "T1", "0.npy"), ("b", "T1", "1.npy"), ("c", "T1", "2.npy"))
    X = from_tables(read_series(table, **NAMES, root=tmp_path))
    joblib.hash(X[[2, 0]])
    keys = X["T1"].values.row_keys(slice(None))

    assert decoded == []
    assert len(set(keys)) == 9
    X["T1"][[2, 0, 2]].read()
    assert sorted(decoded) == [("0.npy", k) for k in range(3)] + [("2.npy", k) for k in range(4)]


def test_several_processes_read(ragged, stacks):
    """Workers get paths and open the files themselves."""
    assert len(pickle.dumps(ragged["T1"])) < 3000
    bags = [ragged["T1"][[row]].values for row in (2, 0)]
    first, second = joblib.Parallel(n_jobs=2)(joblib.delayed(np.asarray)(values) for values in bags)

    np.testing.assert_array_equal(first[0], stacks[3][0])
    np.testing.assert_array_equal(list(second), stacks[0])


# --- errors ---------------------------------------------------------------------------------------


def test_series_that_cannot_be_read(stacks, tmp_path, write_dicom):
    """Paths that are not there are named at once; damaged bodies when read, or at once as missing."""
    write_dicom(tmp_path / "cut" / "0.dcm", slices(1, size=(40, 40))[0])
    data = (tmp_path / "cut" / "0.dcm").read_bytes()
    (tmp_path / "cut" / "0.dcm").write_bytes(data[:-1000])
    table = table_of(("a", "T1", "0.npy"), ("b", "T1", "cut"), ("a", "T2", "gone"), ("b", "T2", None))

    with pytest.raises(FileNotFoundError, match=r"Of 3 files or folders, 1 are not there: '.*gone'"):
        read_series(table, **NAMES, root=tmp_path)
    scans = read_series(table[:2], **NAMES, root=tmp_path)
    with pytest.raises(OSError, match=r"0\.dcm' cannot be read"):
        scans["T1"][1][1]

    with pytest.warns(UserWarning, match=r"^2 of 3 .*cut' \(.*gone' \(not there\)") as seen:
        scans = read_series(table, **NAMES, root=tmp_path, on_error="missing")
    assert len(seen) == 1
    X = from_tables(scans)
    assert X.present.tolist() == [[True, False], [False, False]]
    np.testing.assert_array_equal(X["T1"][0], stacks[0])


def test_damaged_headers_name_their_path(tmp_path):
    """Files that are not what their names say raise with the path of the file in its folder."""
    for name in ("a.nii", "b.nii.gz", "c.npy", "d.png", "e.dcm", "f"):
        (tmp_path / name).write_bytes(b"no such thing" * 20)
        with pytest.raises((OSError, ValueError), match=rf"{name}' cannot be"):
            read(tmp_path / name)


def test_folders_that_are_no_series(tmp_path, write_dicom):
    """Empty folders, folders of folders, of several formats, series or volumes are told apart."""
    for name in ("empty", "nested/inner", "mixed", "two", "volumes"):
        (tmp_path / name).mkdir(parents=True)
    np.save(tmp_path / "mixed" / "a.npy", np.zeros((2, 2)))
    Image.fromarray(np.zeros((2, 2), np.uint8)).save(tmp_path / "mixed" / "b.png")
    for k in range(2):
        write_dicom(tmp_path / "two" / f"{k}.dcm", slices(1)[0], SeriesInstanceUID=f"1.2.{k}")
        image = nibabel.Nifti1Image(np.zeros((2, 2, 2), np.int16), np.eye(4))
        nibabel.save(image, tmp_path / "volumes" / f"{k}.nii")

    for name, message in [
        ("empty", "the folder is empty"),
        ("nested", "the folder holds only 'inner'. Name the folder that holds the slices"),
        ("mixed", r"several formats \(\.npy, PNG, JPEG or TIFF\)"),
        ("two", "slices of 2 DICOM series"),
        ("volumes", "2 NIfTI files, each of which is a series"),
    ]:
        with pytest.raises(ValueError, match=rf"{name}' cannot be used: .*{message}"):
            read(tmp_path / name)


@pytest.mark.parametrize(
    ("table", "options", "error", "message"),
    [
        ([1], {}, TypeError, "table must be a pandas DataFrame with one row a series. Got list"),
        (table_of(), {}, ValueError, "at least one row"),
        (table_of(("a", "T1", "p")), {"sample": "patient"}, ValueError, "sample='patient' is not a column"),
        (table_of(("a", None, "p")), {}, ValueError, "modality='description' must be told .* at rows 0"),
        (table_of((None, "T1", "p")), {}, ValueError, "sample='study' must be told"),
        (table_of(("a", 3, "p")), {}, TypeError, "must hold strings.*Got 3 at row 0"),
        (table_of(("a", "T1", 3)), {}, TypeError, "path='path' must hold file names.*Got 3 at row 0"),
        (table_of(("a", "T1", "p")), {"repeated": "last"}, ValueError, "repeated must be one of 'error'"),
        (table_of(("a", "T1", "p")), {"on_error": "skip"}, ValueError, "on_error must be one of 'raise'"),
    ],
)
def test_wrong_arguments(table, options, error, message):
    """Options, columns and cells that are none are named."""
    with pytest.raises(error, match=message):
        read_series(table, **{**NAMES, **options})


@pytest.mark.parametrize("package", ["pydicom", "nibabel"])
def test_optional_packages(package, tmp_path, monkeypatch):
    """Without pydicom or nibabel the message names the file and what to install."""
    path = tmp_path / ("a.dcm" if package == "pydicom" else "a.nii")
    path.write_bytes(b"x")
    monkeypatch.setitem(sys.modules, package, None)

    with pytest.raises(ImportError, match=rf"{path.name}' needs the package \"{package}\".*skmm\[medical\]"):
        read(path, on_error="missing")


def test_all_series_missing(tmp_path):
    """A modality of which nothing can be read is missing for every sample."""
    with pytest.warns(UserWarning, match="1 of 1 files or folders"):
        bags = read(tmp_path / "gone", on_error="missing")

    assert isinstance(bags, BagArray)
    assert ModalityDict({"T1": bags}).present.tolist() == [[False]]
