"""ModalityDict: rows, names and what travels with them."""

import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from skmm import BagArray, ModalityDict

N = 6


def make(**options):
    """Every kind at once; sample 1 lacks the bag, sample 4 the note."""
    return ModalityDict(
        {
            "rna": np.arange(2.0 * N).reshape(N, 2),
            "counts": sp.csr_matrix(np.eye(N, 3)),
            "clinical": pd.DataFrame({"age": np.arange(N), "sex": list("mfmfmf")}),
            "xray": np.arange(N * 16, dtype=np.uint8).reshape(N, 4, 4),
            "mri": BagArray.from_list([np.full((i, 2), i) for i in [1, 0, 2, 1, 3, 1]]),
            "note": ["a", "b", "c", "d", None, ""],
        },
        **{"groups": list("ppqqrr"), "feature_names": {"counts": ["x", "y", "z"]}, **options},
    )


def check_is_selection(chosen, X, rows):
    """Every part of ``chosen`` equals rows ``rows`` of ``X``."""
    np.testing.assert_array_equal(chosen["rna"], X["rna"][rows])
    np.testing.assert_array_equal(chosen["counts"].toarray(), X["counts"].toarray()[rows])
    assert chosen["clinical"].equals(X["clinical"].iloc[rows])
    np.testing.assert_array_equal(chosen["xray"], X["xray"][rows])
    assert chosen["note"].tolist() == X["note"][rows].tolist()
    for bag, row in zip(chosen["mri"], rows, strict=True):
        np.testing.assert_array_equal(bag, X["mri"][int(row)])
    np.testing.assert_array_equal(chosen.present, X.present[rows])
    np.testing.assert_array_equal(chosen.groups, X.groups[rows])
    assert chosen.index.tolist() == X.index[rows].tolist()
    assert chosen.feature_names["counts"].tolist() == ["x", "y", "z"]
    assert chosen.kinds == X.kinds


@given(st.lists(st.integers(-N, N - 1), max_size=8))
def test_any_rows_select_every_part(rows):
    """Rows in any order, with repeats, select values, presence, groups, ids and names alike."""
    X = make()

    check_is_selection(X[rows], X, np.array(rows, dtype=int) % N)


@pytest.mark.parametrize(
    ("key", "rows"),
    [
        (slice(1, 4), [1, 2, 3]),
        (slice(None, None, -2), [5, 3, 1]),
        (3, [3]),
        (-1, [5]),
        (np.int64(2), [2]),
        (np.array([True, False, True, False, False, False]), [0, 2]),
        ([True, False, True, False, False, False], [0, 2]),
        (pd.Series([False] * 5 + [True]), [5]),
        (range(2), [0, 1]),
        (([2, 0], Ellipsis), [2, 0]),
        ((slice(2), Ellipsis), [0, 1]),
        (np.array([4, 0], dtype=np.uint8), [4, 0]),
        ([], []),
    ],
)
def test_every_row_selector(key, rows):
    """Each form of row selection that scikit-learn and users send means the same rows."""
    X = make()

    check_is_selection(X[key], X, np.array(rows, dtype=int))


@pytest.mark.parametrize("key", [1.5, [0.5], (0, 1), None, np.zeros((2, 2), int), [["a"]], {"rna"}])
def test_what_selects_nothing_raises(key):
    """Keys that are neither names nor rows raise and say what X[...] takes."""
    with pytest.raises(TypeError, match="takes a modality name, a list of names, or rows"):
        make()[key]


def test_rows_and_names_that_are_not_there():
    """Unknown names and rows, and masks of another length, raise with what there is."""
    X = make()

    with pytest.raises(KeyError, match="No modality 'dna': there are 'rna'"):
        X["dna"]
    with pytest.raises(KeyError, match="No modality 'dna'"):
        X[["rna", "dna"]]
    with pytest.raises(IndexError, match="Row 6 is out of range: there are 6"):
        X[[0, 6]]
    with pytest.raises(IndexError, match="must have 6 entries, one a sample. Got 2"):
        X[[True, False]]


def test_a_mapping_over_modalities_with_the_length_of_samples():
    """Iteration, keys, values, items and ``in`` go over modalities; len and shape[0] count samples."""
    X = make()

    assert (
        list(X)
        == list(X.keys())
        == list(X.modalities)
        == ["rna", "counts", "clinical", "xray", "mri", "note"]
    )
    assert [name for name, _ in X.items()] == list(X)
    assert next(iter(X.values())) is X["rna"]
    assert "rna" in X
    assert "dna" not in X
    assert 0 not in X
    assert len(X) == X.shape[0] == N
    assert X.shape[1] == 6
    assert X.get("dna") is None


def test_selection_of_modalities():
    """A list of names selects modalities, in that order, with their presence."""
    X = make()[["note", "rna"]]

    assert X.modalities == ("note", "rna")
    assert X.present[:, 0].tolist() == [True, True, True, True, False, True]


def test_slices_are_views():
    """A slice copies no array, and neither does a choice of modalities."""
    X = make()

    assert np.shares_memory(X[1:3]["rna"], X["rna"])
    assert np.shares_memory(X[2]["xray"], X["xray"])
    assert X[["rna"]]["rna"] is X["rna"]


def test_it_cannot_be_changed():
    """There is no assignment, and what kinds and feature_names return is a copy."""
    X = make()
    X.kinds["rna"] = "image"
    X.feature_names["counts"] = None

    with pytest.raises(TypeError):
        X["rna"] = 1
    with pytest.raises(AttributeError):
        X.groups = None
    assert X.kinds["rna"] == "table"
    assert X.feature_names["counts"].tolist() == ["x", "y", "z"]


def test_selection_by_id():
    """``loc`` finds samples by id, one or several, and says which are unknown."""
    X = ModalityDict({"rna": np.arange(3.0).reshape(3, 1)}, index=["ann", "bob", "cid"])

    assert X.loc[["cid", "ann"]]["rna"].ravel().tolist() == [2, 0]
    assert X.loc["bob"].index.tolist() == ["bob"]
    with pytest.raises(KeyError, match="No samples with ids 'dan'"):
        X.loc[["ann", "dan"]]
    with pytest.raises(ValueError, match="index=ids"):
        ModalityDict({"rna": np.zeros((1, 1))}).loc["ann"]


def test_equality_is_by_value_of_present_entries():
    """Equal values are equal whatever stands in missing entries and in which order the modalities are."""
    first = ModalityDict({"a": np.array([[1.0], [np.nan]]), "b": ["x", "y"]})
    second = ModalityDict({"b": ["x", "y"], "a": np.array([[1.0], [7.0]])}, present={"a": [True, False]})

    assert first == second
    assert first != second[[1, 0]]
    assert first != ModalityDict({"a": np.array([[2.0], [np.nan]]), "b": ["x", "y"]})
    assert first != ModalityDict({"a": np.array([[1.0], [7.0]]), "b": ["x", "y"]})
    assert first != ModalityDict(first, groups=[0, 1])
    assert first != 3


@pytest.mark.parametrize(
    "copy",
    [
        lambda X: pickle.loads(pickle.dumps(X)),
        __import__("copy").deepcopy,
        lambda X: X[np.arange(N)],
        ModalityDict,
    ],
)
def test_copies_are_equal_and_hash_alike(copy):
    """A copy equals the original, and joblib.hash, on which caching stands, agrees."""
    X = make()

    assert copy(X) == X
    assert joblib.hash(copy(X)) == joblib.hash(X)


def test_joblib_hash_sees_a_changed_value():
    """Another value, mask or group gives another hash."""
    X = make()
    others = [
        ModalityDict({**X, "rna": X["rna"] + 1}, groups=X.groups),
        ModalityDict(X, present={"rna": [False] + [True] * 5}),
        ModalityDict(X, groups=np.arange(N)),
    ]

    assert len({joblib.hash(item) for item in [X, *others]}) == 4


def test_wrapping_again_adds_and_keeps():
    """ModalityDict(X) keeps what X knows; arguments replace groups and add missing entries."""
    X = ModalityDict(make(), groups=np.arange(N), present={"rna": [False] + [True] * 5})

    assert X.groups.tolist() == [0, 1, 2, 3, 4, 5]
    assert X.is_present("rna").tolist() == [False] + [True] * 5
    assert X.is_present("note").tolist() == make().is_present("note").tolist()
    assert X.feature_names["counts"].tolist() == ["x", "y", "z"]


def test_names_of_dataframes_are_feature_names_and_ids():
    """A DataFrame gives its columns as feature names and its index as sample ids."""
    X = ModalityDict({"t": pd.DataFrame({"age": [1, 2]}, index=["ann", "bob"]), "a": np.zeros((2, 1))})

    assert X.feature_names["t"].tolist() == ["age"]
    assert X.feature_names["a"] is None
    assert X.index.tolist() == ["ann", "bob"]


def test_lengths_that_differ_name_every_modality():
    """Unequal lengths raise with each modality's length and the way out."""
    with pytest.raises(ValueError, match="'a' has 2, 'b' has 3.*from_tables"):
        ModalityDict({"a": np.zeros((2, 1)), "b": np.zeros((3, 1))})


def test_tables_with_disagreeing_indexes_raise():
    """Rows of two tables that may belong to different samples are not paired by position."""
    first, second = (
        pd.DataFrame({"a": [1, 2]}, index=["x", "y"]),
        pd.DataFrame({"b": [1, 2]}, index=["y", "x"]),
    )

    with pytest.raises(ValueError, match="'first' and 'second' have different indexes.*from_tables"):
        ModalityDict({"first": first, "second": second})
    with pytest.raises(ValueError, match="different indexes"):
        ModalityDict({"first": first}, index=["p", "q"])
    assert ModalityDict({"first": first.reset_index(drop=True)}, index=["p", "q"]).index.tolist() == [
        "p",
        "q",
    ]


@pytest.mark.parametrize("name", ["", "a__b", 3, None])
def test_bad_names(name):
    """Names that nested parameters cannot carry raise."""
    with pytest.raises(ValueError, match="non-empty strings without '__'"):
        ModalityDict({name: np.zeros((2, 1))})


@pytest.mark.parametrize(
    "X", [np.zeros((2, 2)), "rna", None, sp.dok_matrix((2, 2)), sp.dok_array((2, 2)), [("a", 1)]]
)
def test_what_is_no_mapping(X):
    """Only mappings are mappings of modalities; SciPy's DOK matrices, dict subclasses, are not."""
    with pytest.raises(TypeError, match="must be a mapping of modality name"):
        ModalityDict(X)


def test_an_empty_mapping():
    """No modality at all raises."""
    with pytest.raises(ValueError, match="at least one modality"):
        ModalityDict({})


@pytest.mark.parametrize(
    ("option", "match"),
    [
        ({"groups": [1]}, "groups must have one entry a sample, 6 in all. Got 1"),
        ({"groups": [1, 2, None, 3, 4, 5]}, "groups must not be missing; it is at rows 2"),
        ({"index": [1]}, "index must have one entry a sample"),
        ({"feature_names": {"counts": ["x"]}}, "must hold 3 names"),
        ({"feature_names": {"xray": ["x"]}}, "of kind 'image'"),
        ({"feature_names": {"dna": ["x"]}}, "feature_names names 'dna'"),
    ],
)
def test_bad_options(option, match):
    """Options that do not fit raise with their name and the number expected."""
    with pytest.raises(ValueError, match=match):
        make(**option)


def test_numbers_are_refused_with_advice():
    """NumPy casts and plain scikit-learn classifiers are told to concatenate first."""
    with pytest.raises(TypeError, match="Use ConcatModalities first"):
        np.asarray(make(), dtype=float)
    with pytest.raises(TypeError, match="Use ConcatModalities first"):
        LogisticRegression().fit(make(), [0, 1] * 3)


def test_text_and_html_repr_show_each_modality():
    """The reprs tell kind, form and missing share, and escape names in HTML."""
    X = ModalityDict(
        {"<b>": np.zeros((4, 2)), "mri": [np.ones((2, 3)), None, np.ones((1, 3)), None]}, index=list("abcd")
    )

    assert repr(X).splitlines() == [
        "ModalityDict: 4 samples, 2 modalities, with sample ids",
        "  <b>  table  2 float64                       all present",
        "  mri  bag    0..2 instances of (3,) float64  50% missing",
    ]
    assert "&lt;b&gt;" in X._repr_html_()
    assert "<b>" not in X._repr_html_().replace("<b>ModalityDict", "")


def test_names_in_an_array_select_modalities():
    """An array of names means the same as a list of them."""
    assert make()[np.array(["note", "rna"])].modalities == ("note", "rna")


def test_numbers_beyond_the_integers_of_numpy_are_out_of_range():
    """An unsigned row number that would wrap around to -1 is refused."""
    with pytest.raises(IndexError, match="Row 18446744073709551615 is out of range"):
        make()[np.array([2**64 - 1], dtype=np.uint64)]


def test_a_scalar_array_selects_one_row():
    """A zero-dimensional integer array is one row."""
    X = make()

    check_is_selection(X[np.array(2)], X, np.array([2]))


@pytest.mark.parametrize(
    ("ids", "rows"),
    [
        ("c", [2]),
        (["d", "a"], [3, 0]),
        (slice("b", "d"), [1, 2, 3]),
        (np.array([True, False, False, False, True, False]), [0, 4]),
        (pd.Index(["f"]), [5]),
    ],
)
def test_loc_takes_ids_as_pandas_does(ids, rows):
    """One id, several, a slice of ids (its end included) and a mask select the same samples as in pandas."""
    X = ModalityDict({"rna": np.arange(6.0).reshape(-1, 1)}, index=list("abcdef"))

    assert X.loc[ids]["rna"].ravel().tolist() == rows


def test_loc_takes_all_samples_of_an_id_and_tuples_of_ids():
    """Of an id that repeats all samples come, and a MultiIndex stays one and takes tuples."""
    values = {"rna": np.arange(3.0).reshape(-1, 1)}
    pairs = pd.MultiIndex.from_tuples([("ann", 1), ("ann", 2), ("bob", 1)], names=["patient", "visit"])

    assert ModalityDict(values, index=["u", "v", "u"]).loc["u"]["rna"].ravel().tolist() == [0.0, 2.0]
    X = ModalityDict(values, index=pairs)
    assert X.loc[("ann", 2)]["rna"].ravel().tolist() == [1.0]
    assert X.loc["ann"].index.equals(pairs[:2])


def test_views_count_modalities():
    """keys, values and items have one entry a modality, whatever the number of samples."""
    X = make()

    assert len(X.items()) == len(X.values()) == 6
    assert X.keys() == {"rna", "counts", "clinical", "xray", "mri", "note"}
    assert ModalityDict(X[[]]).modalities == X.modalities


@pytest.mark.parametrize("what", ["kinds", "present", "feature_names"])
def test_options_are_dicts(what):
    """Options that say something about each modality name the form they must have."""
    with pytest.raises(TypeError, match=f"{what} must be a dict of modality name"):
        ModalityDict({"rna": np.ones((2, 1))}, **{what: "table"})


def test_a_table_without_ids_takes_those_given():
    """A DataFrame that only counts rows carries the given ids, so that a selection can be built anew."""
    X = ModalityDict({"clinical": pd.DataFrame({"age": [40, 50, 60]})}, index=["ann", "bob", "eve"])

    again = ModalityDict(X[[2, 0]], groups=["q", "p"])

    assert again.index.tolist() == again["clinical"].index.tolist() == ["eve", "ann"]
    assert again["clinical"]["age"].tolist() == [60, 40]


def test_groups_by_other_ids_are_refused():
    """A Series of groups whose ids come in another order than the samples cannot be taken as it is."""
    table = pd.DataFrame({"age": [40, 50]}, index=["ann", "bob"])
    groups = pd.Series(["q", "p"], index=["bob", "ann"])

    with pytest.raises(ValueError, match=r"'clinical' and 'groups=' have different indexes"):
        ModalityDict({"clinical": table}, groups=groups)
    assert ModalityDict({"clinical": table}, groups=groups[["ann", "bob"]]).groups.tolist() == ["p", "q"]


def test_equality_is_by_value():
    """Data types, stored zeros and what absent entries hold make no difference; feature names do."""
    whole = ModalityDict({"t": pd.DataFrame({"a": [1, 2]})}, present={"t": [True, False]})
    stored = sp.csr_array(([1.0, 0.0], ([0, 0], [0, 1])), shape=(1, 2))
    dates = np.array([["2020-01-01", "NaT"]], dtype="M8[D]")

    assert whole == ModalityDict({"t": pd.DataFrame({"a": [1.0, np.nan]})})
    assert ModalityDict({"t": stored}) == ModalityDict({"t": sp.csr_array([[1.0, 0.0]])})
    assert ModalityDict({"t": sp.csr_array([[True]])}) == ModalityDict({"t": sp.csr_array([[True]])})
    assert ModalityDict({"t": sp.csr_array([[np.nan]])}) == ModalityDict({"t": sp.csr_array([[np.nan]])})
    assert ModalityDict({"t": sp.csr_array([[np.nan]])}) != ModalityDict({"t": sp.csr_array([[1.0]])})
    assert ModalityDict({"t": dates}) == ModalityDict({"t": dates.copy()})
    first, second = ({"t": [name]} for name in ("GAPDH", "TP53"))
    assert ModalityDict({"t": [[1]]}, feature_names=first) != ModalityDict({"t": [[1]]}, feature_names=second)


def test_repr_tells_images_of_different_sizes_from_text():
    """Images of different sizes show as such, also where no sample is left."""
    X = ModalityDict({"xray": [np.ones((2, 3)), np.ones((4, 5))], "note": ["a", "b"]})

    assert "different sizes" in repr(X[[]]).splitlines()[1]
    assert "documents" in repr(X[[]]).splitlines()[2]
