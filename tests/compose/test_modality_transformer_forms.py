"""ModalityTransformer: the forms in which data go in and come out."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    StandardScaler,
)

from skmm import BagArray, ModalityDict
from skmm.compose import ModalityTransformer
from skmm.containers import LazyArray

NAN = np.nan


def test_each_kind_is_handed_over_in_its_own_form(X, recorder):
    """Tables as stored, text as an object array of str, images as arrays, bags as a BagArray."""
    bags = BagArray.from_list(
        [np.ones((2, 3)), None, np.zeros((1, 3)), np.ones((1, 3)), None, np.ones((4, 3))]
    )
    X = ModalityDict({**X, "ct": bags, "atac": sp.eye_array(6, format="csr")})
    seen = {
        name: t.seen_["X"]
        for name, t in ModalityTransformer({}, remainder=recorder()).fit(X).transformers_.items()
    }

    assert seen["rna"].shape == (4, 3)
    assert seen["note"].tolist() == ["aa bb", "bb cc", "cc", "aa", "dd"]
    assert seen["note"].dtype == object
    assert seen["xray"].dtype == np.uint8
    assert list(seen["clinical"].columns) == ["sex", "age"]
    assert list(seen["clinical"].index) == list("abcef")
    assert sp.issparse(seen["atac"])
    assert isinstance(seen["ct"], BagArray)
    np.testing.assert_array_equal(seen["ct"].lengths, [2, 1, 1, 4])


def test_kinds_of_what_comes_out(X):
    """Two axes make a table, images and bags keep their kind, text stays text."""
    bags = [np.ones((2, 3)), np.zeros((1, 3)), np.ones((1, 3)), None, None, np.ones((4, 3))]
    X = ModalityDict({**X, "ct": bags}, kinds={"ct": "bag"})
    out = ModalityTransformer(
        {
            "note": FunctionTransformer(lambda docs: [doc.upper() for doc in docs]),
            "xray": FunctionTransformer(lambda images: images[:, ::2]),
            "ct": FunctionTransformer(lambda bags: [bag * 2 for bag in bags]),
            "rna": FunctionTransformer(
                lambda table: np.repeat(table[:, None], 2, axis=1).reshape(len(table), -1)
            ),
        }
    ).fit_transform(X)

    assert out.kinds == {"rna": "table", "note": "text", "xray": "image", "clinical": "table", "ct": "bag"}
    assert list(out["note"]) == ["AA BB", "BB CC", None, "CC", "AA", "DD"]
    assert out["xray"].shape == (6, 2, 5)
    np.testing.assert_array_equal(out["ct"][5], np.full((4, 3), 2.0))
    np.testing.assert_array_equal(out["ct"].lengths, [2, 1, 1, 0, 0, 4])


def test_bags_that_are_pooled_become_a_table():
    """One row a bag is a table; empty bags are missing rows."""
    bags = BagArray(np.arange(10.0).reshape(5, 2), offsets=[0, 2, 2, 5])
    pool = FunctionTransformer(lambda bags: np.stack([bag.mean(axis=0) for bag in bags]))
    out = ModalityTransformer({"ct": pool}).fit_transform({"ct": bags})

    np.testing.assert_array_equal(out["ct"], [[1, 2], [NAN, NAN], [6, 7]])
    assert out.kinds["ct"] == "table"


def test_sparse_stays_sparse_with_empty_missing_rows(X):
    """A missing document is an empty row that presence tells from an empty document."""
    out = ModalityTransformer({"note": CountVectorizer()}).fit_transform(X)

    assert sp.issparse(out["note"])
    np.testing.assert_array_equal(
        out["note"].toarray(),
        [[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0], [0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1]],
    )
    np.testing.assert_array_equal(out.is_present("note"), [True, True, False, True, True, True])
    assert list(out.feature_names["note"]) == ["aa", "bb", "cc", "dd"]


@pytest.mark.parametrize("dtype", [np.float32, np.int16, bool])
def test_types_of_columns_stay_when_rows_are_missing(dtype):
    """A missing row changes no data type, in arrays and in DataFrames."""
    values = np.array([[1, 0], [0, 1], [1, 1]]).astype(dtype)
    mask = {"present": {"a": np.array([True, False, True])}}
    array = ModalityTransformer({"a": FunctionTransformer(np.copy)}).fit_transform(
        ModalityDict({"a": values}, **mask)
    )
    frame = ModalityTransformer({"a": FunctionTransformer(lambda f: f.copy())}).fit_transform(
        ModalityDict({"a": pd.DataFrame(values, columns=["u", "v"])}, **mask)
    )

    assert array["a"].dtype == dtype
    assert set(frame["a"].dtypes) == {np.dtype(dtype)}
    np.testing.assert_array_equal(frame["a"].to_numpy()[[0, 2]], values[[0, 2]])
    np.testing.assert_array_equal(frame.is_present("a"), [True, False, True])


def test_lazy_arrays_are_read_for_those_that_want_arrays(tmp_path, recorder):
    """An array in memory is handed over unless a transformer, or its first step, is for lazy ones."""

    class LazyRecorder(recorder):
        _accepts_lazy = True

    np.save(tmp_path / "images.npy", np.arange(24, dtype=np.uint8).reshape(4, 2, 3))
    images = np.load(tmp_path / "images.npy", mmap_mode="r")
    X = ModalityDict({"a": images, "b": images, "c": images, "d": images})
    prepare = ModalityTransformer(
        {"a": recorder(), "b": LazyRecorder(), "c": make_pipeline(LazyRecorder(), "passthrough")}
    )
    out = prepare.fit_transform(X)

    assert type(prepare.transformers_["a"].seen_["X"]) is np.ndarray
    assert isinstance(prepare.transformers_["b"].seen_["X"], LazyArray)
    assert isinstance(prepare.transformers_["c"][0].seen_["X"], LazyArray)
    assert isinstance(out["d"], LazyArray)
    np.testing.assert_array_equal(out["a"], images)
    np.testing.assert_array_equal(np.asarray(out["b"]), images)


def test_partly_nan_rows_are_passed_on_to_an_imputer(X):
    """A hole is the imputer's business, a missing row is not."""
    out = ModalityTransformer(
        {"clinical": ColumnTransformer([("age", SimpleImputer(), ["age"])])}
    ).fit_transform(X)

    np.testing.assert_array_equal(out["clinical"].ravel(), [40, 50, (40 + 50 + 61 + 70) / 4, NAN, 61, 70])


def test_a_partly_nan_row_whose_rest_is_dropped_becomes_missing():
    """By the contract, a row that is all NaN is a missing one."""
    first = FunctionTransformer(lambda table: table[:, :1])
    out = ModalityTransformer({"a": first}).fit_transform({"a": np.array([[1.0, 2.0], [NAN, 3.0]])})

    np.testing.assert_array_equal(out.is_present("a"), [True, False])


def test_transformers_of_scikit_learn_work_inside(X):
    """Encoders, column transformers, pipelines and text vectorisers give what they give alone."""
    y = np.array([0, 1, 0, 1, 0, 1])
    mixed = ColumnTransformer(
        [
            ("sex", OneHotEncoder(sparse_output=False), ["sex"]),
            ("age", make_pipeline(SimpleImputer(), StandardScaler()), ["age"]),
        ]
    )
    out = ModalityTransformer(
        {
            "clinical": mixed,
            "note": make_pipeline(TfidfVectorizer(), SelectKBest(k=2)),
            "rna": make_pipeline(StandardScaler(), PCA(2)),
        }
    ).fit_transform(X, y)
    rows = [0, 1, 2, 4, 5]

    np.testing.assert_allclose(out["clinical"][rows], clone(mixed).fit_transform(X["clinical"].iloc[rows]))
    documents = [X["note"][row] for row in [0, 1, 3, 4, 5]]
    expected = make_pipeline(TfidfVectorizer(), SelectKBest(k=2)).fit_transform(documents, y[[0, 1, 3, 4, 5]])
    np.testing.assert_allclose(out["note"].toarray()[[0, 1, 3, 4, 5]], expected.toarray())
    assert list(out.feature_names["clinical"]) == ["sex__sex_f", "sex__sex_m", "age__age"]
    assert list(out.feature_names["rna"]) == ["pca0", "pca1"]


def test_the_global_output_setting_makes_tables_dataframes(X):
    """With transform_output="pandas" tables inside are DataFrames with sample ids; the container stays."""
    with sklearn.config_context(transform_output="pandas"):
        prepare = ModalityTransformer({"rna": StandardScaler(), "xray": "drop"}).fit(X)
        out = prepare.transform(X)

    assert isinstance(out, ModalityDict)
    assert list(out["rna"].columns) == ["x0", "x1", "x2"]
    assert list(out["rna"].index) == list("abcdef")
    np.testing.assert_array_equal(out.present, X[["rna", "note", "clinical"]].present)
    assert not hasattr(prepare, "set_output")
