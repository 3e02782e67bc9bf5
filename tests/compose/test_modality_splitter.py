"""ModalitySplitter: one wide table -> modalities."""

import pickle

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn
from sklearn.base import clone
from sklearn.compose import make_column_selector
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.utils.estimator_checks import check_estimator

from skmm import ModalityDict
from skmm.compose import ConcatModalities, ModalitySplitter, ModalityTransformer

NAN = np.nan


@pytest.fixture
def frame():
    """Four patients: two genes that one lacks, a category, an age, a note, and whose scan it is."""
    return pd.DataFrame(
        {
            "GAPDH": [1.0, NAN, 3.0, 4.0],
            "TP53": [0.5, NAN, NAN, 2.0],
            "sex": ["f", "m", "m", None],
            "age": [40, 50, 60, 70],
            "note": ["stable", None, "worse", "stable"],
            "patient": ["p", "p", "q", "r"],
        },
        index=list("abcd"),
    )


def test_splits_by_names_slices_positions_and_selectors(frame):
    """Each modality has its columns, their types and names, and the sample ids."""
    X = ModalitySplitter(
        {
            "rna": slice("GAPDH", "TP53"),
            "clinical": ["age", "sex"],
            "numbers": make_column_selector(dtype_include="number"),
            "last": -1,
        }
    ).fit_transform(frame)

    assert isinstance(X, ModalityDict)
    assert X.modalities == ("rna", "clinical", "numbers", "last")
    pd.testing.assert_frame_equal(X["rna"], frame[["GAPDH", "TP53"]])
    pd.testing.assert_frame_equal(X["clinical"], frame[["age", "sex"]])
    assert list(X.feature_names["numbers"]) == ["GAPDH", "TP53", "age"]
    assert list(X["last"]["patient"]) == ["p", "p", "q", "r"]
    assert list(X.index) == list("abcd")
    np.testing.assert_array_equal(X.is_present("rna"), [True, False, True, True])


def test_text_and_groups_and_the_rest(frame):
    """A column of str becomes text, one the groups, and what remains a modality of its own."""
    split = ModalitySplitter(
        {"rna": ["GAPDH", "TP53"], "note": "note"},
        kinds={"note": "text"},
        groups="patient",
        remainder="clinical",
    )
    X = split.fit_transform(frame)

    assert X.kinds == {"rna": "table", "note": "text", "clinical": "table"}
    assert list(X["note"]) == ["stable", None, "worse", "stable"]
    assert list(X.groups) == ["p", "p", "q", "r"]
    assert list(X["clinical"].columns) == ["sex", "age"]
    assert list(split.get_feature_names_out()) == [
        "rna__GAPDH",
        "rna__TP53",
        "note",
        "clinical__sex",
        "clinical__age",
    ]


def test_groups_belong_to_no_modality(frame):
    """A selector or a slice that covers the column of groups leaves it out; naming it is an error."""
    for columns in (make_column_selector(dtype_include=object), slice("sex", "patient")):
        X = ModalitySplitter({"a": columns}, groups="patient").fit_transform(frame)
        assert "patient" not in X["a"]
        assert "sex" in X["a"]
    with pytest.raises(ValueError, match=r"modalities\['a'\] names the column of groups, 'patient'"):
        ModalitySplitter({"a": ["age", "patient"]}, groups="patient").fit(frame)


def test_arrays_sparse_matrices_and_lists_are_split_by_position():
    """Without names there are positions, slices and masks."""
    values = np.arange(12.0).reshape(3, 4)
    split = ModalitySplitter({"a": slice(0, 2), "b": [3]})
    dense, nested = split.fit_transform(values), split.fit_transform(values.tolist())
    sparse = split.fit_transform(sp.csr_array(values))

    np.testing.assert_array_equal(dense["a"], values[:, :2])
    np.testing.assert_array_equal(nested["b"], values[:, 3:])
    assert sp.issparse(sparse["a"])
    np.testing.assert_array_equal(sparse["b"].toarray(), values[:, 3:])
    assert list(split.get_feature_names_out()) == ["a__x0", "a__x1", "b__x0"]
    groups = ModalitySplitter({"a": slice(None)}, groups=0).fit_transform(sp.csr_array(values))
    assert groups.groups.tolist() == [0, 4, 8]
    assert groups["a"].shape == (3, 3)


def test_columns_of_an_array_of_objects_get_their_types(frame):
    """What ``to_numpy`` made objects of becomes numbers again where it holds numbers."""
    X = ModalitySplitter({"rna": [0, 1], "note": 4}, kinds={"note": "text"}).fit_transform(frame.to_numpy())

    assert [dtype.kind for dtype in X["rna"].dtypes] == ["f", "f"]
    assert X["note"][0] == "stable"
    np.testing.assert_array_equal(X.is_present("rna"), [True, False, True, True])


@pytest.mark.parametrize("form", [np.asarray, pd.DataFrame, sp.csr_array])
def test_columns_of_pixels_become_images(form):
    """``shapes`` folds flattened images."""
    pixels = np.arange(24.0).reshape(2, 12)
    X = ModalitySplitter(
        {"xray": slice(0, 6), "rest": slice(6, None)}, shapes={"xray": (2, 3)}
    ).fit_transform(form(pixels))

    assert X.kinds == {"xray": "image", "rest": "table"}
    np.testing.assert_array_equal(X["xray"], pixels[:, :6].reshape(2, 2, 3))


def test_a_column_of_arrays_is_images_or_bags():
    """A DataFrame may hold arrays; their kind is declared."""
    cells = pd.Series([np.ones((2, 3)), None, np.zeros((1, 3))])
    X = ModalitySplitter({"ct": "ct"}, kinds={"ct": "bag"}).fit_transform(pd.DataFrame({"ct": cells}))

    assert X["ct"].lengths.tolist() == [2, 0, 1]


def test_one_dataframe_goes_through_cross_validation(frame):
    """A Pipeline on a wide DataFrame is cross-validated and searched by scikit-learn as it is."""
    frame = pd.concat([frame] * 5, ignore_index=True)
    y = np.tile([0, 1, 1, 0], 5)
    pipe = Pipeline(
        [
            ("split", ModalitySplitter({"note": "note", "sex": ["sex"]}, kinds={"note": "text"})),
            ("prep", ModalityTransformer({"note": CountVectorizer(), "sex": OneHotEncoder()})),
            ("concat", ConcatModalities()),
            ("clf", LogisticRegression()),
        ]
    )
    search = GridSearchCV(
        pipe, {"split__remainder": ["drop"], "prep__note__binary": [True, False]}, cv=3
    ).fit(frame, y)

    assert cross_val_score(pipe, frame, y, cv=5).mean() == 1.0
    assert search.best_score_ == 1.0


def test_equals_from_dataframe(frame):
    """The container's constructor gives the same outside of a Pipeline."""
    columns = {"rna": ["GAPDH", "TP53"], "age": ["age"]}

    assert ModalitySplitter(columns).fit_transform(frame) == ModalityDict.from_dataframe(frame, columns)


def test_clone_pickle_and_the_global_output_setting(frame):
    """Clones are unfitted, pickles split alike, and the output stays a container."""
    split = ModalitySplitter({"rna": ["GAPDH", "TP53"]}).fit(frame)
    with sklearn.config_context(transform_output="pandas"):
        out = split.transform(frame)

    assert pickle.loads(pickle.dumps(split)).transform(frame) == out
    assert not hasattr(clone(split), "columns_")
    assert not hasattr(split, "set_output")


def test_nothing_of_the_callers_changes(frame):
    """The table that came in stays as it was."""
    kept = frame.copy()
    ModalitySplitter(
        {"rna": ["GAPDH"], "note": "note"}, kinds={"note": "text"}, groups="patient"
    ).fit_transform(frame)

    pd.testing.assert_frame_equal(frame, kept)


@pytest.mark.parametrize(
    ("modalities", "options", "message"),
    [
        ({}, {}, "modalities must be a dict"),
        ({"rna": ["MYC"]}, {}, r"modalities\['rna'\] names columns that X does not have: 'MYC'"),
        ({"rna": 9}, {}, "out of range: X has 6 feature"),
        ({"rna": ["GAPDH"]}, {"remainder": "error"}, "5 columns belong to no modality: TP53, sex"),
        ({"rna": ["GAPDH"]}, {"remainder": "rna"}, "remainder must be"),
        ({"rna": ["GAPDH"]}, {"remainder": None}, "remainder must be"),
        ({"rna": ["GAPDH"]}, {"remainder": ["rest"]}, "remainder must be"),
        ({"rna": ["GAPDH"]}, {"remainder": "a__b"}, "names must be .* without '__'.*Got 'a__b'"),
        ({"rna__x": ["GAPDH"]}, {}, "names must be .* without '__'.*Got 'rna__x'"),
        ({"rna": ["GAPDH", "TP53"]}, {"shapes": {"rna": (-1, -2)}}, "tuple of positive integers. Got"),
        ({"rna": ["GAPDH"]}, {"shapes": {"rna": 1}}, "tuple of positive integers. Got 1"),
        ({"rna": ["GAPDH"]}, {"kinds": {"mri": "image"}}, "kinds names 'mri'"),
        ({"rna": ["GAPDH"]}, {"kinds": {"rna": "picture"}}, "must be one of"),
        (
            {"rna": ["GAPDH", "TP53"]},
            {"kinds": {"rna": "text"}},
            "is declared 'text', so it takes one column",
        ),
        (
            {"rna": ["GAPDH", "TP53"]},
            {"shapes": {"rna": (2, 2)}},
            r"shapes\['rna'\] is \(2, 2\), 4 values, but there are 2",
        ),
        ({"rna": ["GAPDH"]}, {"groups": ["age", "sex"]}, "groups must be the name or position of one column"),
        ({"rna": ["GAPDH"]}, {"groups": "doctor"}, "groups names columns that X does not have: 'doctor'"),
    ],
)
def test_errors_in_fit(frame, modalities, options, message):
    """Each message names the parameter, what was expected, and what came."""
    with pytest.raises(ValueError, match=message):
        ModalitySplitter(modalities, **options).fit(frame)


@pytest.mark.parametrize("form", [dict, ModalityDict, lambda X: np.asarray(ModalityDict(X))])
def test_modalities_are_not_split_again(form):
    """What is modalities already, in whatever form, is no table to split."""
    with pytest.raises(TypeError, match="X is modalities already: leave ModalitySplitter out"):
        ModalitySplitter({"a": [0]}).fit(form({"a": np.eye(3)}))


def test_other_columns_at_transform_raise(frame):
    """scikit-learn's own checks of names and numbers of columns hold."""
    split = ModalitySplitter({"rna": ["GAPDH"]}).fit(frame)

    with pytest.raises(ValueError, match="feature names should match"):
        split.transform(frame.rename(columns={"age": "years"}))
    with pytest.raises(ValueError, match="6 features"):
        ModalitySplitter({"rna": [0]}).fit(np.ones((2, 6))).transform(np.ones((2, 5)))
    with pytest.raises(ValueError, match="at least one sample"):
        split.transform(frame[:0])


class ArraySplitter(ModalitySplitter):
    """The splitter with the tag that has scikit-learn run all of its checks."""

    def __sklearn_tags__(self):
        """Say that 2-D arrays are taken, which is true, though what comes out is no array."""
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        return tags


# These subtract the outputs of two calls, or want an array: what comes out here is a ModalityDict.
COMPARE_OUTPUTS = dict.fromkeys(
    [
        "check_pipeline_consistency",
        "check_estimators_pickle",
        "check_array_api_input",
        "check_transformer_data_not_an_array",
        "check_transformer_general",
        "check_methods_sample_order_invariance",
        "check_methods_subset_invariance",
        "check_fit_idempotent",
    ],
    "compares outputs as arrays of numbers",
)


@pytest.mark.uses_global_state("scikit-learn's checks set NumPy's seed")
def test_check_estimator():
    """All of scikit-learn's checks pass but those that compare outputs as arrays; a container is none."""
    splitter = ArraySplitter({"a": slice(0, 1), "b": slice(0, None)})
    results = check_estimator(splitter, expected_failed_checks=COMPARE_OUTPUTS, on_fail="raise")

    # scikit-learn's own word for the checks that COMPARE_OUTPUTS names with its reason.
    failed = {result["check_name"] for result in results if result["status"] == "xfail"}
    assert set(COMPARE_OUTPUTS) - failed <= {"check_array_api_input"}  # which came with scikit-learn 1.9
    assert sum(result["status"] == "passed" for result in results) >= 30


def test_what_those_checks_would_hold():
    """Pickled, in another order, in batches, or fitted twice: the same comes out."""
    values = np.random.default_rng(0).normal(size=(6, 3))
    split = ModalitySplitter({"a": slice(0, 1), "b": slice(0, None)}).fit(values)
    out, order = split.transform(values), np.array([3, 0, 5, 1, 4, 2])

    assert split.transform(values[order]) == out[order]
    assert all(split.transform(values[[row]]) == out[row] for row in range(6))
    assert split.fit(values).transform(values) == out
    assert split.fit_transform(values.tolist()) == out
