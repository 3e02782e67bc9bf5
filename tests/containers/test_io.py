"""Saving and loading: what comes back is equal, nothing is overwritten unasked."""

import importlib.util
import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from skmm import BagArray, ModalityDict
from skmm.containers import LazyArray, _rows


class CountingReader:
    """A reader that remembers the largest number of rows it was asked for."""

    def __init__(self, values):
        self.values, self.shape, self.dtype = values, values.shape, values.dtype
        self.most = 0

    def __getitem__(self, rows):
        self.most = max(self.most, len(rows))
        return self.values[rows]


@pytest.fixture(params=["parquet", "csv"])
def table_format(request, monkeypatch):
    """Both formats of tables: with pyarrow, and as if it were not there."""
    if request.param == "csv":
        find_spec = importlib.util.find_spec
        monkeypatch.setattr(
            importlib.util, "find_spec", lambda name: None if name == "pyarrow" else find_spec(name)
        )
    return request.param


def round_trip(X, directory):
    """Save and load."""
    X.save(directory)
    return ModalityDict.load(directory)


def assert_same(loaded, X):
    """Assert that two containers are equal, with the same order, names, forms and data types."""
    assert loaded == X
    assert loaded.modalities == X.modalities
    np.testing.assert_array_equal(loaded.present, X.present)
    for name in X:
        if X.feature_names[name] is None:
            assert loaded.feature_names[name] is None
        else:
            assert loaded.feature_names[name].tolist() == X.feature_names[name].tolist()
        if isinstance(X[name], pd.DataFrame):
            pd.testing.assert_frame_equal(loaded[name], X[name], check_freq=False)
        elif hasattr(X[name], "dtype"):
            assert loaded[name].dtype == X[name].dtype
    if X.index is not None:
        pd.testing.assert_index_equal(loaded.index, X.index, exact=True)
    if X.groups is not None:
        assert loaded.groups.dtype == X.groups.dtype


def make_ragged(n_samples):
    """Images of different sizes and data types, some missing, as an object array."""
    images = [np.full((2 + row % 3, 4), row, dtype="u1") for row in range(n_samples)]
    images[1] = np.full((5, 2), 300, dtype="u2")
    images[2] = None
    return images


def make_mixed():
    """Five samples of every kind and form, with ids, groups, feature names and missing entries."""
    table = pd.DataFrame(
        {
            "age": np.array([40, 50, 60, 70, 80], dtype="i2"),
            "sex": pd.Categorical(["f", None, "m", "f", "f"], categories=["x", "m", "f"], ordered=True),
            "note": ["a\r\nb", "", None, "\\N", '"quoted", ü'],
            "seen": pd.array(
                [0, None, "1970-01-02", "2021-05-06 07:08:09.123456789", -1], dtype="datetime64[ns]"
            ),
            "count": pd.array([1, None, 3, 4, 2**60], dtype="Int64"),
        },
        index=pd.Index(["p1", "p2", "01", "NA", "p5"], name="patient"),
    )
    data = {
        "clinical": table,
        "rna": np.array([[1.5, np.nan], [np.nan, np.nan], [0, 1], [np.inf, 2], [3, 4]], dtype="f4"),
        "genes / counts": sparse.csc_matrix(np.eye(5, 3, dtype="i4")),
        "scan": np.arange(60, dtype="u1").reshape(5, 3, 4),
        "photo": make_ragged(5),
        "mri": BagArray.from_list([[[1.0, 2]], None, [[3.0, 4], [5, 6]], None, [[7.0, 8]]]),
        "report": ["fine", None, "", "line\nbreak", "\ud800 é"],
        "codes": np.array([["a", 1], [None, 2.5], ["b", True], [np.nan, "x"], ["c", -3]], dtype=object),
        "words": np.array([["a"], ["bc"], [""], ["d"], ["e"]]),
        "volume": np.zeros((5, 1, 2, 2, 1), dtype="f8"),
    }
    return ModalityDict(
        data,
        kinds={"photo": "image"},
        present={"scan": np.array([True, False, True, True, False])},
        feature_names={"rna": ["GAPDH", "TP53"], "genes / counts": [("a", 1), 2, "c"]},
        groups=np.array(["g1", "g2", "g1", "g3", "g3"], dtype=object),
    )


def test_everything_comes_back(tmp_path, table_format):
    """A container of every kind and form comes back equal, with its data types."""
    X = make_mixed()

    assert_same(round_trip(X, tmp_path / "study"), X)
    suffixes = {path.suffix for path in (tmp_path / "study").iterdir()}
    assert (".parquet" in suffixes, ".csv" in suffixes) == (table_format == "parquet", table_format == "csv")


def test_a_selection_comes_back(tmp_path, table_format):
    """Shuffled and repeated rows of it, so with equal sizes, repeated ids and no order, do too."""
    X = make_mixed()[[4, 0, 0, 3]]

    assert_same(round_trip(X, tmp_path), X)


def test_no_sample_comes_back(tmp_path, table_format):
    """A container without samples keeps its modalities, shapes and data types."""
    X = make_mixed()[[]]
    loaded = round_trip(X, tmp_path)

    assert_same(loaded, X)
    assert loaded["scan"].shape == (0, 3, 4)


_CELLS = {
    "float": st.floats(width=32),
    "text": st.text(max_size=5) | st.none(),
    "mixed": st.text(max_size=3)
    | st.none()
    | st.just(np.nan)
    | st.just(pd.NA)
    | st.integers()
    | st.booleans()
    | st.floats(),
    "int": st.integers(-(2**63), 2**63 - 1),
    "whole": st.integers(0, 9) | st.just(pd.NA),
    "time": st.datetimes(min_value=pd.Timestamp(1700, 1, 1), max_value=pd.Timestamp(2200, 1, 1))
    | st.just(pd.NaT),
}
_DTYPES = {
    "float": "f4",
    "text": object,
    "mixed": object,
    "int": "i8",
    "whole": "UInt8",
    "time": "datetime64[ns]",
}


@st.composite
def mixed_dicts(draw):
    """A container of a few samples: a table of any cells, texts, bags, images and what is present of them."""
    n = draw(st.integers(1, 4))

    def cells(kind):
        return draw(st.lists(_CELLS[kind], min_size=n, max_size=n))

    columns = {kind: pd.Series(cells(kind), dtype=_DTYPES[kind]) for kind in _CELLS}
    columns["category"] = pd.Series(cells("text"), dtype=object).astype("category")
    columns["string"] = pd.Series(cells("text"), dtype="string")
    columns["zone"] = columns["time"].dt.tz_localize("UTC").dt.tz_convert("Asia/Kolkata")
    lengths = draw(st.lists(st.integers(0, 2), min_size=n, max_size=n))
    ids = draw(st.none() | st.lists(st.text(max_size=3) | st.integers(-5, 5), min_size=n, max_size=n))
    data = {
        "table": pd.DataFrame(columns),
        "text": [*cells("text")[1:], "end"],
        "bag": BagArray.from_list([np.ones((length, 2)) for length in lengths], instance_shape=(2,)),
        "image": np.arange(n * 6, dtype=draw(st.sampled_from(["u1", "u2", "f8"]))).reshape(n, 2, 3),
        draw(st.text(min_size=1).filter(lambda name: "__" not in name)) + " ü/..": np.full((n, 1), 0.1),
    }
    mask = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    groups = draw(st.none() | st.lists(st.integers(0, 3), min_size=n, max_size=n))
    return ModalityDict(data, present={"image": np.array(mask)}, index=ids, groups=groups)


@given(X=mixed_dicts())
@settings(max_examples=15, deadline=None)
def test_any_container_comes_back_from_parquet(X, tmp_path_factory):
    """Whatever the cells, names and ids are, what is loaded equals what was saved."""
    assert_same(round_trip(X, tmp_path_factory.mktemp("io")), X)


@given(X=mixed_dicts())
@settings(max_examples=25, deadline=None)
def test_any_container_comes_back_from_csv(X, tmp_path_factory):
    """The same without pyarrow."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importlib.util, "find_spec", lambda _: None)

        assert_same(round_trip(X, tmp_path_factory.mktemp("io")), X)


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(pd.timedelta_range("1h", periods=3)),
        pd.Series([True, False, True]),
        pd.Series([True, None, False], dtype="boolean"),
        pd.Series([0.1, None, 3], dtype="Float32"),
        pd.Series(pd.Categorical([3, None, 1])),
        pd.Series(pd.Categorical(pd.to_datetime(["2020-01-01", None, "2021-01-01"]))),
        pd.Series(pd.arrays.SparseArray([0.0, 1.5, 0.0])),
        pd.Series(["a", pd.NA, "b"], dtype=object),
        pd.Series(["a", np.nan, "b"], dtype=object),
        pd.Series(["a", np.nan, None], dtype=object),
        pd.Series([(1, "a"), None, 2.5], dtype=object),
        pd.Series(["\ud800", "a", None], dtype=object),
        pd.Series(["x\0y", "\\J", "\\"], dtype=object),
        pd.Series([1.5, None, 2], dtype="double[pyarrow]"),
        pd.Series(["a", None, "b"], dtype="string[pyarrow]"),
    ],
    ids=lambda column: f"{column.dtype}",
)
def test_column_types_are_kept(column, tmp_path, table_format):
    """Every common data type of a column, and the sort of its missing value, comes back."""
    X = ModalityDict({"t": pd.DataFrame({"c": column, "d": 1.5})})

    pd.testing.assert_series_equal(round_trip(X, tmp_path)["t"]["c"], column.rename("c"))


@pytest.mark.parametrize(
    "labels",
    [
        [1, 2],
        ["a", "a"],
        [("a", 1), ("b", 2)],
        [1.5, None],
        pd.MultiIndex.from_product([["a"], [1, 2]], names=["x", None]),
    ],
    ids=["numbers", "repeated", "tuples", "float and None", "levels"],
)
def test_column_labels_are_kept(labels, tmp_path, table_format):
    """Labels that are no names of columns in a file are kept beside it."""
    columns = (
        labels if isinstance(labels, pd.MultiIndex) else pd.Index(labels, tupleize_cols=False, name="gene")
    )
    X = ModalityDict({"t": pd.DataFrame(np.eye(2), columns=columns)})

    pd.testing.assert_index_equal(round_trip(X, tmp_path)["t"].columns, columns)


@pytest.mark.parametrize(
    "index",
    [
        pd.Index(["b", "a", "01"], name="id"),
        pd.Index([5, 3, 3], dtype="i4"),
        pd.RangeIndex(2, 8, 2, name="row"),
        pd.Index([0.5, np.nan, 1]),
        pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)], names=["patient", "visit"]),
        pd.CategoricalIndex(["x", "y", "x"]),
        pd.DatetimeIndex(["2020-01-01", "2020-01-02", "2020-01-03"]),
        pd.Index(["a", 1, None], dtype=object),
    ],
    ids=lambda index: type(index).__name__ + str(index.dtype),
)
def test_sample_ids_are_kept(index, tmp_path, table_format):
    """Ids come back with their data type, name and levels, alone and as the index of tables."""
    X = ModalityDict({"t": pd.DataFrame({"a": [1, 2, 3]}, index=index), "x": np.eye(3)})
    loaded = round_trip(X, tmp_path)

    pd.testing.assert_index_equal(loaded.index, index, exact=True)
    pd.testing.assert_index_equal(loaded["t"].index, index, exact=True)


@pytest.mark.parametrize(
    "groups", [[3, 1, 3], ["a", "b", "a"], [1.5, 2.5, 1.5], [True, False, True]], ids=str
)
def test_groups_are_kept(groups, tmp_path):
    """Groups come back with values and data type."""
    X = ModalityDict({"x": np.eye(3)}, groups=groups)

    assert_same(round_trip(X, tmp_path), X)


def test_numbers_stay_on_disk(tmp_path):
    """Dense arrays and the instances of bags are lazy after loading, and travel by path."""
    X = ModalityDict({"x": np.ones((500, 40)), "bag": BagArray(np.ones((900, 3)), [*range(500), 900])})
    loaded = round_trip(X, tmp_path)

    assert isinstance(loaded["x"], LazyArray)
    assert isinstance(loaded["bag"].values, LazyArray)
    assert len(pickle.dumps(loaded[:1])) < 3000
    assert loaded[[7, 3]] == X[[7, 3]]


@pytest.mark.parametrize("is_sparse", [False, True], ids=["dense", "sparse"])
def test_lazy_arrays_are_written_in_pieces(is_sparse, tmp_path, monkeypatch):
    """Saving a lazy array reads a few rows at a time, and what is loaded is lazy again."""
    monkeypatch.setattr(_rows, "_CHUNK_BYTES", 10 * 7 * 8)
    values = np.random.default_rng(0).normal(size=(95, 7)).round(1)
    values[values < 0.5] = 0
    reader = CountingReader(values)
    if is_sparse:
        import anndata

        anndata.AnnData(sparse.csr_matrix(values)).write_h5ad(tmp_path / "a.h5ad")
        source = anndata.read_h5ad(tmp_path / "a.h5ad", backed="r").X
    else:
        source = reader
    X = ModalityDict({"x": LazyArray(source).select(np.arange(94, -1, -1))})
    loaded = round_trip(X, tmp_path / "out")

    assert reader.most == (0 if is_sparse else 10)
    assert isinstance(loaded["x"], LazyArray)
    assert loaded["x"].is_sparse == is_sparse
    np.testing.assert_array_equal(np.asarray(loaded["x"]), values[::-1])
    rows = [94, 3, 3, 40]
    read = pickle.loads(pickle.dumps(loaded[rows]))["x"][:]
    np.testing.assert_array_equal(read.toarray() if is_sparse else read, values[::-1][rows])


def test_wide_tables_are_one_array(tmp_path):
    """A DataFrame of thousands of numeric columns comes back with labels and data type."""
    table = pd.DataFrame(np.arange(3300, dtype="f4").reshape(3, 1100), index=["a", "b", "c"]).add_prefix("g")
    X = ModalityDict({"rna": table})
    loaded = round_trip(X, tmp_path)

    pd.testing.assert_frame_equal(loaded["rna"], table)
    assert [path.name for path in tmp_path.glob("00_*")] == ["00_rna.npy"]


def test_absent_entries_stay_absent(tmp_path):
    """What a mask declares missing, in arrays that cannot say so themselves, is missing after loading."""
    X = ModalityDict({"x": np.arange(6).reshape(3, 2)}, present={"x": np.array([True, False, True])})

    np.testing.assert_array_equal(round_trip(X, tmp_path).is_present("x"), [True, False, True])


def test_a_directory_in_use_is_refused(tmp_path):
    """Saving where files are raises and leaves them as they are."""
    (tmp_path / "thesis.txt").write_text("mine")
    X = ModalityDict({"x": np.eye(2)})

    with pytest.raises(
        FileExistsError, match=r"is not empty\. Choose another directory, or .* overwrite=True"
    ):
        X.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_overwriting_replaces_its_own_files_only(tmp_path):
    """A new container takes the place of the old one.

    Files of others stay, and the old one fails instead of reading new data.
    """
    first = ModalityDict({"x": np.eye(2), "y": np.ones((2, 3))})
    first.save(tmp_path)
    (tmp_path / "thesis.txt").write_text("mine")
    old = ModalityDict.load(tmp_path)
    for factor in (2, 3):
        X = ModalityDict({"x": factor * np.eye(2)})
        X.save(tmp_path, overwrite=True)

        assert ModalityDict.load(tmp_path) == X
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "00_x.r3.npy",
        "manifest.json",
        "present.r3.npy",
        "thesis.txt",
    ]
    with pytest.raises(FileNotFoundError, match="is gone"):
        old["x"][:]


def test_a_container_can_replace_what_it_reads_from(tmp_path):
    """Loading, selecting and saving into the same directory works, though arrays are read from it."""
    ModalityDict({"x": np.arange(8.0).reshape(4, 2)}).save(tmp_path)
    ModalityDict.load(tmp_path)[[3, 1]].save(tmp_path, overwrite=True)

    np.testing.assert_array_equal(ModalityDict.load(tmp_path)["x"], [[6, 7], [2, 3]])


class _Broken(CountingReader):
    """A reader that fails half-way."""

    def __getitem__(self, rows):
        raise OSError("disk on fire")


@pytest.mark.parametrize("exists", [True, False])
def test_an_interrupted_save_leaves_nothing(exists, tmp_path):
    """When writing fails, no file of the new container is left, and an old one is still whole."""
    folder = tmp_path / "study"
    good = ModalityDict({"x": np.eye(3)})
    if exists:
        good.save(folder)
    with pytest.raises(OSError, match="disk on fire"):
        ModalityDict({"x": np.eye(3), "y": _Broken(np.eye(3))}).save(folder, overwrite=True)

    assert folder.exists() == exists
    if exists:
        assert ModalityDict.load(folder) == good
        assert len(list(folder.iterdir())) == 3


def test_names_that_are_no_file_names_are_safe(tmp_path):
    """Names that differ in case, have slashes or are reserved get files of their own in the directory."""
    names = ["../up", "A", "a", "con", "a/b", ".", "x" * 300, "ü", "manifest"]
    X = ModalityDict({name: np.full((2, 1), float(position)) for position, name in enumerate(names)})

    assert_same(round_trip(X, tmp_path / "study"), X)
    assert [path.name for path in tmp_path.iterdir()] == ["study"]
