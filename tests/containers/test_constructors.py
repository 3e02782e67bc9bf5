"""Containers from wide tables and from tables by sample id: values, and what is missing."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.compose import make_column_selector

from skmm import BagArray, ModalityDict
from skmm.containers import LazyArray, from_dataframe, from_tables

WIDE = pd.DataFrame(
    {
        "GAPDH": [1.0, 2.0, 3.0],
        "TP53": [0.5, np.nan, 0.1],
        "age": [40, 50, 60],
        "sex": ["f", "m", None],
        "report": ["clear", None, "opaque"],
        "patient": [7, 7, 8],
    },
    index=["s1", "s2", "s3"],
)

# --- by columns -----------------------------------------------------------------------------------


def test_columns_become_modalities():
    """Lists of columns become tables with the index as sample ids and the groups of a column.

    Df stays as it is.
    """
    before = WIDE.copy()
    X = from_dataframe(WIDE, {"rna": ["TP53", "GAPDH"], "clinical": ["age", "sex"]}, groups="patient")

    pd.testing.assert_frame_equal(X["rna"], WIDE[["TP53", "GAPDH"]])
    pd.testing.assert_frame_equal(X["clinical"], WIDE[["age", "sex"]])
    assert X.feature_names["rna"].tolist() == ["TP53", "GAPDH"]
    assert X.index.tolist() == ["s1", "s2", "s3"]
    assert X.groups.tolist() == [7, 7, 8]
    pd.testing.assert_frame_equal(WIDE, before)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (slice("TP53", "sex"), ["TP53", "age", "sex"]),
        (slice(1, 3), ["TP53", "age"]),
        (slice(None, 2), ["GAPDH", "TP53"]),
        (slice("report", None), ["report"]),
        (slice(-1, None), ["report"]),
        (slice("report", "patient"), ["report"]),
        (make_column_selector(dtype_include="number"), ["GAPDH", "TP53", "age"]),
        (lambda df: df.columns[df.columns.str.len() == 3], ["age", "sex"]),
        (pd.Index(["age"]), ["age"]),
        (["age", "patient"], ["age", "patient"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_columns_are_selected_in_every_way(columns, expected):
    """Names, slices of names and of positions, and callables; only a list can take the column of groups."""
    X = from_dataframe(WIDE, {"t": columns}, groups="patient")

    assert X["t"].columns.tolist() == expected


def test_slices_of_numbered_columns_are_names():
    """Where the columns are numbers and both ends are among them, a slice is of names."""
    df = pd.DataFrame(np.eye(3), columns=[10, 20, 30])

    assert from_dataframe(df, {"t": slice(10, 20)})["t"].columns.tolist() == [10, 20]
    assert from_dataframe(df, {"t": slice(0, 1)})["t"].columns.tolist() == [10]


def test_cells_become_entries():
    """A column of strings becomes text, one of arrays a bag, where declared; empty cells are missing."""
    df = WIDE.assign(mri=[[[1.0, 2.0]], None, [[3.0, 4.0], [5.0, 6.0]]])
    X = from_dataframe(df, {"report": ["report"], "mri": ["mri"]}, kinds={"report": "text", "mri": "bag"})

    assert X.kinds == {"report": "text", "mri": "bag"}
    assert X["report"].tolist() == ["clear", None, "opaque"]
    assert X["mri"].lengths.tolist() == [1, 0, 2]
    assert X.present.tolist() == [[True, True], [False, False], [True, True]]
    assert X.index.tolist() == ["s1", "s2", "s3"]


def test_groups_and_masks_are_handed_on():
    """Groups may be an array, and a mask is added to what the cells tell."""
    X = from_dataframe(
        WIDE, {"t": ["age"]}, groups=np.array([1, 2, 3]), present={"t": np.array([True, False, True])}
    )

    assert X.groups.tolist() == [1, 2, 3]
    assert X.is_present("t").tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("modalities", "options", "error", "message"),
    [
        (
            {"a": ["age", "TP35"]},
            {},
            ValueError,
            r"'a' names columns that df does not have: 'TP35'. It has 'GAPDH'",
        ),
        ({"a": slice("age", "z")}, {}, ValueError, "does not have: 'z'"),
        ({"a": lambda _: ["no"]}, {}, ValueError, "does not have: 'no'"),
        ({"a": "age"}, {}, TypeError, "columns of modality 'a' must be a list"),
        ({"a": 3}, {}, TypeError, "Got 3 instead"),
        ({"a": ["age", "sex"]}, {"kinds": {"a": "text"}}, ValueError, "declared 'text'.* Got 2 columns"),
        (
            {"a": ["age"]},
            {"groups": "donor"},
            ValueError,
            "groups='donor' is not a column: there are 'GAPDH'",
        ),
        ({"a": []}, {}, ValueError, "0 features"),
        ({}, {}, ValueError, "at least one modality"),
    ],
    ids=["name", "slice", "callable", "string", "number", "two texts", "groups", "no column", "nothing"],
)
def test_wrong_columns_are_errors(modalities, options, error, message):
    """What cannot be selected is named, with what there is."""
    with pytest.raises(error, match=message):
        from_dataframe(WIDE, modalities, **options)


def test_only_dataframes_are_split():
    """An array has no columns to select by name."""
    with pytest.raises(TypeError, match="must be a pandas DataFrame. Got ndarray"):
        from_dataframe(np.eye(2), {"a": [0]})


# --- by sample id ---------------------------------------------------------------------------------

RNA = pd.DataFrame({"GAPDH": [1.0, 2.0], "TP53": [3.0, 4.0]}, index=["ann", "bob"])
AGE = pd.DataFrame({"age": [50, 60], "sex": pd.Categorical(["f", "m"])}, index=["eve", "bob"])


def test_tables_are_joined_by_id():
    """Rows meet by id in the order of first appearance; what a table lacks is missing there; types stay."""
    X = from_tables({"rna": RNA, "clinical": AGE})

    assert X.index.tolist() == ["ann", "bob", "eve"]
    assert X.present.tolist() == [[True, False], [True, True], [False, True]]
    np.testing.assert_array_equal(X["rna"].to_numpy()[:2], RNA)
    assert X["rna"].iloc[2].isna().all()
    assert X["clinical"]["age"].tolist()[1:] == [60, 50]
    assert X["clinical"].dtypes.tolist() == AGE.dtypes.tolist()
    assert pd.isna(X["clinical"]["sex"].iloc[0])
    assert X["clinical"].index.equals(X.index)


@pytest.mark.parametrize(
    ("how", "ids"), [("outer", ["ann", "bob", "eve"]), ("inner", ["bob"]), ("left", ["ann", "bob"])]
)
def test_how_says_which_samples(how, ids):
    """All samples, those that every table has, or those of the first."""
    X = from_tables({"rna": RNA, "clinical": AGE}, how=how)

    assert X.index.tolist() == ids
    assert X["rna"].loc["bob"].tolist() == [2.0, 4.0]
    assert X["clinical"]["age"].loc["bob"] == 60
    assert X.is_present("rna").tolist() == [name in RNA.index for name in ids]


class Reader:
    """A reader that remembers what it was asked for."""

    def __init__(self, values):
        self.values, self.shape, self.dtype = values, values.shape, values.dtype
        self.asked = []

    def __getitem__(self, rows):
        self.asked.append(rows.tolist())
        return self.values[rows]


def test_every_form_is_joined():
    """Arrays, bags, sequences, Series and dicts are taken by id; absent ids are missing."""
    ids = ["c", "a"]
    reader = Reader(np.arange(6, dtype="u1").reshape(2, 3))
    data = {
        "order": pd.DataFrame({"x": [0.0, 1, 2]}, index=["a", "b", "c"]),
        "float": (ids, np.array([[3.0], [1.0]])),
        "image": (ids, np.array([3, 1], dtype="u1")[:, None, None] * np.ones((2, 2, 2), dtype="u1")),
        "sparse": (ids, sparse.csc_matrix([[3, 0], [0, 1]])),
        "lazy": (ids, reader),
        "bag": (ids, BagArray.from_list([[[3.0], [3.0]], [[1.0]]])),
        "images": (ids, [np.zeros((3, 2)), np.ones((1, 4))]),
        "text": pd.Series(["three", "one"], index=ids),
        "number": pd.Series([3, 1], index=ids),
        "sex": pd.Series(["m", "f"], index=ids),
        "dict": {"c": "III", "a": "I"},
        "frame": (ids, pd.DataFrame({"y": [3, 1]})),
    }
    X = from_tables(data, kinds={"images": "image", "sex": "table"})

    assert X.index.tolist() == ["a", "b", "c"]
    for name in list(X)[1:]:
        assert X.is_present(name).tolist() == [True, False, True]
    np.testing.assert_array_equal(X["float"], [[1], [np.nan], [3]])
    np.testing.assert_array_equal(X["image"][:, 0, 0], [1, 0, 3])
    np.testing.assert_array_equal(X["sparse"].toarray(), [[0, 1], [0, 0], [3, 0]])
    assert X["bag"].lengths.tolist() == [1, 0, 2]
    assert X["bag"][2].ravel().tolist() == [3, 3]
    assert [image if image is None else image.shape for image in X["images"]] == [(1, 4), None, (3, 2)]
    assert X["text"].tolist() == ["one", None, "three"]
    assert X["number"]["number"].tolist()[::2] == [1, 3]
    assert X["number"].dtypes.tolist() == [np.dtype("int64")]
    assert X["sex"]["sex"].tolist()[::2] == ["f", "m"]
    assert X["dict"].tolist() == ["I", None, "III"]
    assert X["frame"]["y"].tolist()[::2] == [1, 3]
    assert isinstance(X["lazy"], LazyArray)
    assert reader.asked == []
    np.testing.assert_array_equal(X["lazy"][[0, 2]], [[3, 4, 5], [0, 1, 2]])
    assert reader.asked == [[0, 1]]


_IDS = st.lists(st.integers(0, 6), unique=True, min_size=1)


@pytest.mark.parametrize(
    "column",
    [
        pd.array([1, None], dtype="Int64"),
        pd.array(["x", "y"], dtype="string"),
        pd.Categorical(["u", "v"]),
        pd.date_range("2020", periods=2, tz="UTC"),
        pd.array([True, False]),
        pd.arrays.SparseArray([0.0, 1.0]),
        pd.interval_range(0, 2),
        np.array([1, 2], dtype="u1"),
        np.array([True, False]),
    ],
    ids=lambda column: str(column.dtype),
)
def test_types_of_columns_stay(column):
    """No data type changes where a sample lacks the table, and its row is missing."""
    table = pd.DataFrame({"c": column, "d": [1.0, 2.0]}, index=["x", "y"])
    X = from_tables({"other": (["z"], np.ones((1, 1))), "table": table})

    assert X["table"].dtypes.tolist() == table.dtypes.tolist()
    assert X.is_present("table").tolist() == [False, True, True]
    pd.testing.assert_frame_equal(X["table"].iloc[1:], table)


@given(first=_IDS, second=_IDS, how=st.sampled_from(["outer", "inner", "left"]))
@settings(max_examples=60, deadline=None)
def test_every_row_meets_its_id(first, second, how):
    """Whatever the ids, each present entry is that of its id, and presence is membership."""
    kept = {"outer": {*first, *second}, "inner": {*first} & {*second}, "left": {*first}}[how]
    tables = {
        "a": (first, np.array(first)[:, None]),
        "b": pd.DataFrame({"id": second}, index=second),
        "c": (second, [np.full((i + 1, 1), i) for i in second]),
    }
    if not kept:
        with pytest.raises(ValueError, match="No sample id is in all of 'a', 'b', 'c'"):
            from_tables(tables, how=how, kinds={"c": "bag"})
        return
    X = from_tables(tables, how=how, kinds={"c": "bag"})
    ids = X.index.to_numpy()

    assert ids.tolist() == [i for i in dict.fromkeys([*first, *second]) if i in kept]
    np.testing.assert_array_equal(
        X.present, np.column_stack([np.isin(ids, first), *[np.isin(ids, second)] * 2])
    )
    np.testing.assert_array_equal(X["a"][X.is_present("a"), 0], ids[X.is_present("a")])
    np.testing.assert_array_equal(X["b"]["id"][X.is_present("b")], ids[X.is_present("b")])
    np.testing.assert_array_equal(X["c"].lengths, np.where(X.is_present("c"), ids + 1, 0))


def test_the_callers_data_is_not_changed():
    """Joining changes neither tables nor arrays that were handed over."""
    array, table = np.array([[3.0], [1.0]]), AGE.copy()
    from_tables({"a": (["x", "bob"], array), "clinical": table})

    np.testing.assert_array_equal(array, [[3.0], [1.0]])
    pd.testing.assert_frame_equal(table, AGE)


SLICES = (["bob", "ann", "bob", "eve"], np.arange(8.0).reshape(4, 2))


def test_repeated_ids_are_errors():
    """Two rows of one id are an error that names modality, ids and ways out."""
    with pytest.raises(
        ValueError, match=r"'slice' has more than one row for the ids 'bob'\. .*repeated='bag'"
    ):
        from_tables({"rna": RNA, "slice": SLICES})


def test_repeated_rows_become_bags():
    """The rows of an id become the instances of its bag; other modalities stay as they are."""
    X = from_tables({"rna": RNA, "slice": SLICES}, repeated="bag")

    assert X.kinds == {"rna": "table", "slice": "bag"}
    assert [bag.tolist() for bag in X["slice"]] == [[[2, 3]], [[0, 1], [4, 5]], [[6, 7]]]
    assert X.index.tolist() == ["ann", "bob", "eve"]


def test_the_first_of_repeated_rows_is_taken():
    """With repeated="first" the others are left out, in one modality or in all."""
    X = from_tables({"slice": SLICES}, repeated="first")
    Y = from_tables({"slice": SLICES, "more": SLICES}, repeated={"slice": "first", "more": "bag"})

    np.testing.assert_array_equal(X["slice"], [[0, 1], [2, 3], [6, 7]])
    assert X.index.tolist() == ["bob", "ann", "eve"]
    assert Y.kinds == {"slice": "table", "more": "bag"}


def test_declared_bags_are_bags_without_repeats():
    """A modality that the dict names is a bag even where no id repeats, whatever the samples are."""
    X = from_tables({"rna": RNA}, repeated={"rna": "bag"})

    assert X.kinds == {"rna": "bag"}
    assert X["rna"].lengths.tolist() == [1, 1]


@pytest.mark.parametrize("form", ["lazy", "frame", "bags", "images", "nullable"])
def test_bags_are_made_of_every_numeric_form(form):
    """Lazy arrays stay lazy, DataFrames give their numbers, bags are joined, images are stacked."""
    ids, values = SLICES
    forms = {
        "lazy": Reader(values),
        "frame": pd.DataFrame(values, columns=["a", "b"]),
        "bags": BagArray(values, [0, 1, 2, 3, 4]),
        "images": list(values.reshape(4, 1, 2)),
        "nullable": pd.DataFrame(values).convert_dtypes(),
    }
    X = from_tables({"rna": RNA, "slice": (ids, forms[form])}, repeated="bag", how="left")

    assert [bag.reshape(-1, 2).tolist() for bag in X["slice"]] == [[[2, 3]], [[0, 1], [4, 5]]]
    assert isinstance(X["slice"].values, LazyArray) == (form == "lazy")


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (["a", "b", "c", "d"], "of dtype <U1"),
        (sparse.eye_array(4, format="csr"), "a sparse matrix"),
        (pd.DataFrame({"sex": list("mfmf"), "n": 1}), r"a table with columns \['sex'\]"),
        (
            [np.zeros((1, 2)), np.zeros((2, 2)), np.zeros((1, 2)), np.zeros((1, 2))],
            "arrays of different shapes",
        ),
    ],
    ids=["text", "sparse", "strings", "shapes"],
)
def test_what_makes_no_bag_is_an_error(value, what):
    """Rows that are no numeric arrays of one shape cannot be instances."""
    with pytest.raises(ValueError, match=f"'m' has repeated ids, but .*{what}"):
        from_tables({"m": (SLICES[0], value)}, repeated="bag")


def test_levels_of_ids_are_joined():
    """An index of patient and visit is joined by both."""
    visits = pd.MultiIndex.from_tuples([("a", 1), ("a", 2)], names=["patient", "visit"])
    others = pd.MultiIndex.from_tuples([("a", 2), ("b", 1)], names=["patient", "visit"])
    X = from_tables(
        {"x": pd.DataFrame({"v": [1.0, 2]}, index=visits), "y": pd.DataFrame({"w": [3.0, 4]}, index=others)}
    )

    assert X.index.tolist() == [("a", 1), ("a", 2), ("b", 1)]
    assert X.present.tolist() == [[True, False], [True, True], [False, True]]


@pytest.mark.parametrize(
    ("first", "second", "sorts"),
    [
        ([1, 2], ["1", "2"], "those of 'a' are numbers, those of 'b' are strings"),
        (["1", "2"], [1.0, 2.0], "those of 'a' are strings, those of 'b' are numbers"),
        (["2020-01-01"], pd.to_datetime(["2020-01-01"]), "'a' are strings, those of 'b' are datetime64"),
        ([("a", 1)], ["a"], "'a' are tuples of"),
    ],
    ids=["int and str", "str and float", "str and date", "levels"],
)
def test_ids_of_different_sorts_are_errors(first, second, sorts):
    """Ids that look alike and can never be equal raise instead of giving a container of holes."""
    with pytest.raises(ValueError, match=sorts):
        from_tables({"a": (first, np.ones((len(first), 1))), "b": (second, np.ones((len(second), 1)))})


def test_whole_and_float_ids_are_the_same():
    """Ids that went through a float column meet those that did not; categories are what they name."""
    X = from_tables(
        {
            "a": ([1, 2], np.eye(2)),
            "b": ([2.0, 3.0], np.eye(2)),
            "c": (pd.CategoricalIndex([3, 1]), np.eye(2)),
        }
    )

    assert X.present.tolist() == [[True, False, True], [True, True, False], [False, True, True]]


@pytest.mark.parametrize(
    ("tables", "options", "error", "message"),
    [
        ({"a": (["x", None], np.eye(2))}, {}, ValueError, "must not be missing; in 'a' they are at rows 1"),
        ({"a": ([1.0, np.nan], np.eye(2))}, {}, ValueError, "must not be missing; in 'a' they are at rows 1"),
        ({"a": (["x"], np.eye(2))}, {}, ValueError, "'a' must have one id a row. Got 1 ids and 2 rows"),
        ({"a": np.eye(2)}, {}, TypeError, r"'a' must say to which sample.*\(ids, values\).* Got ndarray"),
        ({"a": (["x", "y"], "ab")}, {}, TypeError, "Got str"),
        ({"a": RNA.iloc[:0]}, {}, ValueError, "'a' has no rows. Leave it out"),
        (
            {"a": RNA},
            {"how": "right"},
            ValueError,
            "how must be one of 'outer', 'inner', 'left'. Got 'right'",
        ),
        (
            {"a": RNA},
            {"repeated": "last"},
            ValueError,
            "repeated must be one of 'error', 'bag', 'first'. Got 'last'",
        ),
        ({"a": RNA}, {"repeated": {"b": "bag"}}, ValueError, "repeated names 'b', but X holds 'a'"),
        (
            {"a": RNA},
            {"groups": "donor"},
            ValueError,
            "groups='donor' is not a column: there are 'GAPDH', 'TP53'",
        ),
        ({"a": RNA}, {"groups": {"ann": 1}}, ValueError, "groups says nothing of the ids 'bob'"),
        ({"a": RNA}, {"groups": {1: 1, 2: 2}}, ValueError, "'a' are strings, those of 'groups' are numbers"),
        ({}, {}, ValueError, "at least one modality"),
    ],
    ids=[
        "None",
        "NaN",
        "length",
        "no ids",
        "string",
        "empty",
        "how",
        "repeated",
        "names",
        "column",
        "groups",
        "sorts",
        "nothing",
    ],
)
def test_wrong_tables_are_errors(tables, options, error, message):
    """What cannot be joined is named, with what to do."""
    with pytest.raises(error, match=message):
        from_tables(tables, **options)


def test_groups_are_taken_from_a_column():
    """A column of groups, in one or several tables, goes with the samples and is no feature."""
    X = from_tables({"rna": RNA.assign(donor=[1, 2]), "clinical": AGE.assign(donor=[3, 2])}, groups="donor")

    assert X.groups.tolist() == [1, 2, 3]
    assert X.feature_names["rna"].tolist() == ["GAPDH", "TP53"]
    assert X.feature_names["clinical"].tolist() == ["age", "sex"]


@pytest.mark.parametrize(
    "groups", [{"eve": "z", "ann": "x", "bob": "y", "zoe": "w"}, ["x", "y", "z"]], ids=["dict", "array"]
)
def test_groups_are_given_by_id_or_in_order(groups):
    """Groups by id are brought into order, whether Series or dict; an array is in order already."""
    X = from_tables({"rna": RNA, "clinical": AGE}, groups=groups)

    assert X.groups.tolist() == ["x", "y", "z"]
    if isinstance(groups, dict):
        Y = from_tables({"rna": RNA, "clinical": AGE}, groups=pd.Series(groups))
        assert Y == X


def test_conflicting_groups_are_errors():
    """A sample cannot be in two groups."""
    with pytest.raises(ValueError, match="differ for the ids 'bob'"):
        from_tables({"rna": RNA.assign(donor=[1, 2]), "clinical": AGE.assign(donor=[3, 9])}, groups="donor")


def test_classmethods_are_these_functions():
    """ModalityDict.from_tables and from_dataframe give the same containers."""
    assert ModalityDict.from_tables({"rna": RNA}, how="inner") == from_tables({"rna": RNA})
    assert ModalityDict.from_dataframe(WIDE, {"t": ["age"]}) == from_dataframe(WIDE, {"t": ["age"]})
