"""LazyArray: what it reads, how it travels between processes, and what it says when a file is gone."""

import builtins
import os
import pickle
import sys
from pathlib import Path

import anndata
import h5py
import joblib
import numpy as np
import pandas as pd
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse

from skmm import BagArray, ModalityDict
from skmm.containers import LazyArray, is_lazy
from skmm.containers._lazy import first_values, select_columns

N_ROWS = 40
VALUES = np.random.default_rng(0).normal(size=(N_ROWS, 6)).round(3).astype("f4")
VALUES[VALUES < 0.3] = 0
SHUFFLED = np.array([7, 3, 3, 39, 0, 12, 7, 25, 24])


class CountingReader:
    """A reader that remembers which rows it was asked for."""

    def __init__(self, values):
        self.values = values
        self.shape, self.dtype = values.shape, values.dtype
        self.asked = []

    def __getitem__(self, rows):
        self.asked.append(np.array(rows))
        return self.values[rows]


def write_source(kind, folder):
    """Write VALUES to a file of some kind and open it."""
    path = folder / f"{kind}.file"
    if kind == "memmap":
        np.save(folder / "a.npy", VALUES)
        return np.load(folder / "a.npy", mmap_mode="r")
    if kind == "raw memmap":
        array = np.memmap(path, "f4", "w+", offset=12, shape=VALUES.shape)
        array[:] = VALUES
        return array
    if kind == "sliced memmap":
        np.save(folder / "b.npy", np.concatenate([VALUES[:5] + 1, VALUES, VALUES]))
        return np.load(folder / "b.npy", mmap_mode="r")[2:-3][3 : N_ROWS + 3]
    if kind == "Fortran memmap":
        np.save(folder / "c.npy", np.asfortranarray(VALUES))
        return np.load(folder / "c.npy", mmap_mode="r")
    if kind == "h5py":
        with h5py.File(path, "w") as file:
            file.create_dataset("group/data", data=VALUES, chunks=(7, 4), compression="gzip")
        return h5py.File(path, "r")["group/data"]
    if kind == "zarr":
        array = zarr.create_array(
            store=str(path), name="inside/x", shape=VALUES.shape, chunks=(7, 4), dtype="f4"
        )
        array[:] = VALUES
        return array
    if kind == "zip of zarr":
        with zarr.storage.ZipStore(folder / "z.zip", mode="w") as store:
            zarr.create_array(store=store, shape=VALUES.shape, chunks=(7, 4), dtype="f4")[:] = VALUES
        return zarr.open_array(store=zarr.storage.ZipStore(folder / "z.zip", mode="r"), mode="r")
    if kind == "sparse h5ad":
        anndata.AnnData(sparse.csr_matrix(VALUES)).write_h5ad(path)
        return anndata.read_h5ad(path, backed="r").X
    if kind == "sparse zarr":
        group = zarr.open_group(str(path), mode="w", zarr_format=2)
        anndata.io.write_elem(group, "x", sparse.csr_matrix(VALUES))
        return anndata.io.sparse_dataset(group["x"])
    return CountingReader(VALUES)


FILES = [
    "memmap",
    "raw memmap",
    "sliced memmap",
    "Fortran memmap",
    "h5py",
    "zarr",
    "zip of zarr",
    "sparse h5ad",
    "sparse zarr",
]


@pytest.fixture(scope="module", params=[*FILES, "reader"])
def lazy(request, tmp_path_factory):
    """VALUES as a LazyArray on each kind of source."""
    return LazyArray(write_source(request.param, tmp_path_factory.mktemp("lazy")))


def dense(values):
    """What was read, as an ndarray."""
    return values.toarray() if sparse.issparse(values) else values


@given(rows=st.lists(st.integers(-N_ROWS, N_ROWS - 1), max_size=12))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_in_any_order_are_those_of_the_array(lazy, rows):
    """Any rows, shuffled, repeated or counted from the end, are read as NumPy would select them."""
    rows = np.array(rows, dtype=int)

    np.testing.assert_array_equal(dense(lazy[rows]), VALUES[rows])
    np.testing.assert_array_equal(dense(lazy.select(rows)[::-1]), VALUES[rows][::-1])
    assert lazy[rows].dtype == VALUES.dtype


@pytest.mark.parametrize(
    "key",
    [
        slice(3, 30, 4),
        slice(None, None, -1),
        slice(5, 5),
        VALUES[:, 0] > 0,
        [2, 1],
        (np.array([9, 1]), Ellipsis),
    ],
    ids=["step", "reversed", "empty", "mask", "list", "with ellipsis"],
)
def test_every_row_selector_works(lazy, key):
    """Slices, masks, lists and what scikit-learn sends select the same rows as on an array, read or not."""
    expected = VALUES[key]

    np.testing.assert_array_equal(dense(lazy[key]), expected)
    assert lazy.select(key).shape == expected.shape
    np.testing.assert_array_equal(np.asarray(lazy.select(key)), expected)


def test_looks_like_an_array(lazy):
    """Shape, data type, axes and length are those of the source.

    One row has no sample axis unless it is sparse.
    """
    assert (lazy.shape, lazy.dtype, lazy.ndim, len(lazy)) == (VALUES.shape, np.dtype("f4"), 2, N_ROWS)
    assert lazy[-2].shape == ((1, 6) if lazy.is_sparse else (6,))
    np.testing.assert_array_equal(dense(lazy[-2]).ravel(), VALUES[-2])
    np.testing.assert_array_equal(np.asarray(lazy, dtype="f8"), VALUES.astype("f8"))
    assert "shape=(40, 6), dtype=float32" in repr(lazy)


def test_wrapping_twice_is_wrapping_once(lazy):
    """A LazyArray of a view shows the view."""
    np.testing.assert_array_equal(np.asarray(LazyArray(lazy.select(SHUFFLED))), VALUES[SHUFFLED])


def test_a_scalar_is_not_lazy(tmp_path):
    """A dataset without axes has no rows."""
    with h5py.File(tmp_path / "s.h5", "w") as file:
        file["x"] = 3.0

        with pytest.raises(ValueError, match=r"A lazy array must .* Got Dataset of shape \(\)"):
            LazyArray(file["x"])


def test_nothing_can_be_written(lazy):
    """There is no assignment, and what was read is a copy that may be changed."""
    with pytest.raises(TypeError, match="does not support item assignment"):
        lazy[0] = 1
    read = dense(lazy[:3])
    read[:] = -5

    np.testing.assert_array_equal(dense(lazy[:3]), VALUES[:3])


def test_a_pickle_reads_the_same(lazy):
    """A view that went through pickle reads the same rows from the file."""
    copy = pickle.loads(pickle.dumps(lazy.select(SHUFFLED)))

    np.testing.assert_array_equal(np.asarray(copy), VALUES[SHUFFLED])


@pytest.mark.parametrize("kind", FILES)
def test_a_pickle_carries_no_data(kind, tmp_path):
    """A pickle has the size of a path and the row numbers, open handle or not, before and after reading."""
    source = write_source(kind, tmp_path)
    lazy = LazyArray(source)
    before = pickle.dumps(lazy)
    lazy[SHUFFLED]

    assert len(pickle.dumps(lazy)) == len(before) < 2500
    assert VALUES[5].tobytes() not in before
    assert len(pickle.dumps(lazy.select([3, 1]))) < len(before) + 300


def read_in_worker(lazy, rows, array):
    """Read rows, and tell whether an array that joblib handed over is a memory map, and counts as lazy."""
    return os.getpid(), dense(lazy[rows]), isinstance(array, np.memmap), is_lazy(array)


def test_workers_read_from_the_file(tmp_path):
    """Two other processes read shuffled and repeated rows of every kind of file.

    The files that joblib makes of arrays in memory are deleted after the call, so nothing may hold on to
    their paths.
    """
    arrays = [LazyArray(write_source(kind, tmp_path)).select(SHUFFLED) for kind in FILES]
    rows = [4, 0, 4, 1]
    parallel = joblib.Parallel(n_jobs=2, max_nbytes=1)
    results = parallel(joblib.delayed(read_in_worker)(lazy, rows, VALUES) for lazy in arrays)

    for pid, read, is_mapped, counts_as_lazy in results:
        assert pid != os.getpid()
        np.testing.assert_array_equal(read, VALUES[SHUFFLED][rows])
        assert is_mapped
        assert not counts_as_lazy


@pytest.mark.parametrize("kind", FILES)
def test_hash_is_stable(kind, tmp_path):
    """The hash is of file and rows: the same after reading and unpickling, another for other rows."""
    lazy = LazyArray(write_source(kind, tmp_path))
    before = joblib.hash(lazy)
    lazy[:4]

    assert joblib.hash(lazy) == before
    assert joblib.hash(pickle.loads(pickle.dumps(lazy))) == before
    assert joblib.hash(lazy.select(np.arange(N_ROWS))) == before
    assert joblib.hash(lazy.select([1, 0])) == joblib.hash(lazy.select([5, 1, 0]).select([1, 2])) != before


def test_what_is_in_the_file_now_is_read(tmp_path):
    """A map that is kept open shows values that were written to the file in place."""
    source = write_source("raw memmap", tmp_path)
    lazy = LazyArray(source)
    lazy[:2]
    source[1] = 55

    assert (lazy[1] == 55).all()


def test_hash_tells_a_changed_file(tmp_path):
    """A file that was written again has another hash, so that caches keyed by it are not stale."""
    lazy = LazyArray(write_source("memmap", tmp_path))
    before = joblib.hash(lazy)
    np.save(tmp_path / "a.npy", VALUES + 1)
    os.utime(tmp_path / "a.npy", ns=(1, 1))

    assert joblib.hash(lazy) != before


def test_rows_are_asked_for_sorted_and_once():
    """A source sees increasing rows without repeats, of the rows asked for only, and nothing at selection."""
    reader = CountingReader(VALUES)
    view = LazyArray(reader).select(SHUFFLED).select([0, 1, 2, 6])

    assert reader.asked == []
    np.testing.assert_array_equal(view[[3, 0, 1]], VALUES[[7, 7, 3]])
    assert [rows.tolist() for rows in reader.asked] == [[3, 7]]


def test_a_container_reads_batches_only():
    """Selecting, splitting and comparing a container reads no more rows at a time than were asked for."""
    reader = CountingReader(np.zeros((5000, 3)))
    X = ModalityDict({"big": reader, "small": np.zeros((5000, 1))})
    half = X[np.arange(5000)[::-2]]
    repr(half), half.present.sum(), joblib.hash(half[:5])

    assert reader.asked == []
    assert half["big"][10:42].shape == (32, 3)
    assert half == X[np.arange(5000)[::-2]]
    assert max(len(rows) for rows in reader.asked) <= 1024


def test_a_closed_h5_file_is_opened_again(tmp_path):
    """Closing the file in this process does not matter."""
    dataset = write_source("h5py", tmp_path)
    lazy = LazyArray(dataset)
    dataset.file.close()

    np.testing.assert_array_equal(lazy[SHUFFLED], VALUES[SHUFFLED])


@pytest.mark.parametrize("kind", ["memmap", "h5py", "zarr", "sparse h5ad"])
def test_a_file_that_is_gone_is_named(kind, tmp_path):
    """Reading after the file was moved raises FileNotFoundError with its path."""
    source = write_source(kind, tmp_path)
    lazy = pickle.loads(pickle.dumps(LazyArray(source)))
    if kind == "memmap":
        lazy[:2]  # a map that is open does not hide it
    path = lazy.source.location
    Path(path).rename(f"{path}.moved")

    with pytest.raises(FileNotFoundError, match="is gone: '.*Put it back") as caught:
        lazy[:2]
    assert path in str(caught.value)


def test_a_memmap_of_a_shortened_file_is_an_error(tmp_path):
    """A file that became shorter raises and does not kill the process."""
    lazy = LazyArray(write_source("memmap", tmp_path))
    lazy[:2]
    np.save(tmp_path / "a.npy", VALUES[:3])

    with pytest.raises(ValueError, match=r"a\.npy' is too short for an array of shape \(40, 6\)"):
        lazy[:2]


def test_an_h5_file_of_another_shape_is_an_error(tmp_path):
    """A file that holds another array, none of that name, or no HDF5 raises with its path."""
    dataset = write_source("h5py", tmp_path)
    lazy, path = LazyArray(dataset), dataset.file.filename
    dataset.file.close()
    with h5py.File(path, "w") as file:
        file["group/data"] = VALUES[:3]
    with pytest.raises(ValueError, match=r"file' held an array of shape \(40, 6\).* now shape \(3, 6\)"):
        lazy[:2]
    with h5py.File(path, "w") as file:
        file["other"] = VALUES
    with pytest.raises(FileNotFoundError, match="no longer holds '/group/data'"):
        lazy[:2]
    Path(path).write_bytes(b"something else")
    with pytest.raises(OSError, match=r"cannot be opened for reading: '.*file'"):
        lazy[:2]


def test_a_zarr_array_that_is_gone_is_named(tmp_path):
    """A directory without the array raises with path and name; one of another shape with both shapes."""
    write_source("zarr", tmp_path)
    copy = pickle.loads(
        pickle.dumps(LazyArray(zarr.open_array(store=str(tmp_path / "zarr.file"), path="inside/x")))
    )
    (tmp_path / "zarr.file" / "inside").rename(tmp_path / "elsewhere")
    with pytest.raises(FileNotFoundError, match="no longer holds 'inside/x'"):
        copy[:2]
    zarr.create_array(store=str(tmp_path / "zarr.file"), name="inside/x", shape=(3, 6), dtype="f4")
    with pytest.raises(ValueError, match=r"now shape \(3, 6\)"):
        copy[:2]


def test_a_reader_that_gives_other_rows_is_an_error():
    """A reader whose answer has the wrong shape raises and is named."""

    class Wrong(CountingReader):
        def __getitem__(self, rows):
            return self.values[:1]

    with pytest.raises(ValueError, match=r"Reading 2 rows of Wrong must give .* \(2, 6\)\. Got \(1, 6\)"):
        LazyArray(Wrong(VALUES))[[4, 1]]


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    """Where h5py cannot be imported, the message names it, the file and the extra."""
    copy = pickle.loads(pickle.dumps(LazyArray(write_source("h5py", tmp_path))))
    real_import = builtins.__import__
    monkeypatch.delitem(sys.modules, "h5py")
    monkeypatch.setattr(sys, "meta_path", [_Hide("h5py"), *sys.meta_path])
    assert builtins.__import__ is real_import

    with pytest.raises(ImportError, match=r"Reading .*h5py\.file needs the package \"h5py\".*singlecell"):
        copy[:2]


class _Hide:
    """An import finder that says a package is not there."""

    def __init__(self, name):
        self.name = name

    def find_spec(self, name, path=None, target=None):
        """Say no."""
        if name == self.name:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def test_what_is_lazy(tmp_path):
    """Memory maps of files and foreign readers are lazy.

    Arrays, tables, columns, scalars and tensors are not.
    """
    tensor = type("Tensor", (CountingReader,), {"__module__": "torch"})(VALUES)
    memmap = write_source("memmap", tmp_path)
    lazy = [
        memmap,
        memmap[4:9],
        write_source("h5py", tmp_path),
        CountingReader(VALUES),
        LazyArray(VALUES.view(_Reader)),
    ]
    ordinary = [
        VALUES,
        sparse.csr_array(VALUES),
        pd.DataFrame(VALUES),
        pd.Series([1.0]),
        pd.Categorical(["a"]),
        np.float32(1),
        tensor,
        BagArray.from_list([[[1.0]]]),
        ModalityDict({"x": VALUES}),
        [[1.0]],
        "text",
        CountingReader,
        memmap[::2],
        memmap[:, 1:3],
        memmap + 1,
    ]

    assert [is_lazy(value) for value in lazy] == [True] * len(lazy)
    assert [is_lazy(value) for value in ordinary] == [False] * len(ordinary)


class _Reader(np.ndarray):
    """An ndarray that is explicitly wrapped."""


def test_changed_copy_on_write_maps_are_ordinary(tmp_path):
    """A copy-on-write map has values that no file has, so it is not read from the file."""
    write_source("memmap", tmp_path)
    changed = np.load(tmp_path / "a.npy", mmap_mode="c")
    changed[0] = 77
    X = ModalityDict({"x": changed})

    assert not is_lazy(changed)
    assert (X["x"][0] == 77).all()
    with pytest.raises(ValueError, match="one block of a file"):
        LazyArray(changed)


def test_first_values_are_read_of_float_memmaps_only(tmp_path):
    """The first scalar of each row, in the order of the view; None for other sources and other numbers."""
    lazy = LazyArray(write_source("memmap", tmp_path))
    volume = np.memmap(tmp_path / "v", "f8", "w+", shape=(4, 2, 3))
    volume[:] = np.arange(24).reshape(4, 2, 3)

    np.testing.assert_array_equal(first_values(lazy), VALUES[:, 0])
    np.testing.assert_array_equal(first_values(lazy.select(SHUFFLED)), VALUES[SHUFFLED, 0])
    np.testing.assert_array_equal(first_values(LazyArray(volume)), [0, 6, 12, 18])
    assert first_values(LazyArray(volume.view("i8"))) is None
    assert first_values(LazyArray(CountingReader(VALUES))) is None


def test_a_missing_row_of_a_float_memmap_is_seen(tmp_path):
    """A row that is NaN throughout is missing, one that begins with NaN is not."""
    values = VALUES.copy()
    values[3] = np.nan
    values[5, 0] = np.nan
    np.save(tmp_path / "n.npy", values)
    X = ModalityDict({"x": np.load(tmp_path / "n.npy", mmap_mode="r")})

    assert np.flatnonzero(~X.is_present("x")).tolist() == [3]
    assert isinstance(X["x"], LazyArray)


@pytest.mark.parametrize("kind", ["memmap", "sparse h5ad"])
def test_columns_stay_lazy(kind, tmp_path):
    """Columns of a view of rows are read with the rows."""
    lazy = LazyArray(write_source(kind, tmp_path)).select(SHUFFLED)
    chosen = select_columns(lazy, [4, 1])

    assert chosen.shape == (len(SHUFFLED), 2)
    assert chosen.is_sparse == lazy.is_sparse
    np.testing.assert_array_equal(dense(chosen[[2, 0]]), VALUES[SHUFFLED][[2, 0]][:, [4, 1]])


def test_numpy_cannot_ask_for_no_copy(lazy):
    """Reading makes a copy, so copy=False is an error, as in NumPy."""
    with pytest.raises(ValueError, match="use copy=None"):
        np.asarray(lazy, copy=False)


def test_rows_out_of_range_are_errors(lazy):
    """Selectors are checked before anything is read."""
    with pytest.raises(IndexError, match="Row 40 is out of range: there are 40"):
        lazy.select([0, 40])
    with pytest.raises(IndexError, match="mask must have 40 entries"):
        lazy[np.ones(3, dtype=bool)]
