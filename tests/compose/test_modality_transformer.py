"""ModalityTransformer: one transformer a modality, fitted on what is present."""

import pickle
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    StandardScaler,
    TargetEncoder,
)
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import check_no_attributes_set_in_init
from sklearn.utils.fixes import parse_version

from skmm import BagArray, ModalityDict
from skmm.compose import ConcatModalities, ModalityTransformer
from skmm.containers import LazyArray
from skmm.exceptions import MissingModalityError, NoModalityWarning

NAN = np.nan
TARGET_ENCODER_TAKES_SPLITTERS = parse_version(sklearn.__version__) >= parse_version("1.9")


class Recorder(TransformerMixin, BaseEstimator):
    """Passes data through and remembers what fit was handed."""

    def fit(self, X, y=None, sample_weight=None, groups=None):
        """Remember the arguments."""
        self.seen_ = {"X": X, "y": y, "sample_weight": sample_weight, "groups": groups}
        return self

    def transform(self, X):
        """Return X, counting the rows of each call."""
        self.calls_ = [*getattr(self, "calls_", []), X.shape[0] if hasattr(X, "shape") else len(X)]
        return X


class LazyRecorder(Recorder):
    """Takes lazy arrays."""

    _accepts_lazy = True


@pytest.fixture(name="X")
def _make_X():
    """Six samples: a table that two lack, text that one lacks, images, a DataFrame with a hole."""
    rng = np.random.default_rng(0)
    rna = rng.normal(size=(6, 3))
    rna[[1, 4]] = NAN
    clinical = pd.DataFrame(
        {"sex": ["f", "m", "m", None, "f", "m"], "age": [40.0, 50.0, NAN, NAN, 61.0, 70.0]},
        index=list("abcdef"),
    )
    return ModalityDict(
        {
            "rna": rna,
            "note": ["aa bb", "bb cc", None, "cc", "aa", "dd"],
            "xray": rng.integers(0, 255, (6, 4, 5), dtype=np.uint8),
            "clinical": clinical,
        },
        groups=[0, 0, 1, 1, 2, 2],
    )


# --- present rows only --------------------------------------------------------------------------------


def test_fits_on_the_present_rows_only_and_leaves_missing_rows_missing(X):
    """Statistics are those of the samples that have the modality; the others stay missing."""
    prepare = ModalityTransformer({"rna": StandardScaler()}).fit(X)
    out = prepare.transform(X)
    present = X["rna"][[0, 2, 3, 5]]

    np.testing.assert_allclose(prepare.transformers_["rna"].mean_, present.mean(axis=0))
    np.testing.assert_allclose(
        out["rna"][[0, 2, 3, 5]], (present - present.mean(axis=0)) / present.std(axis=0)
    )
    assert np.isnan(out["rna"][[1, 4]]).all()
    np.testing.assert_array_equal(out.present, X.present)


def test_values_of_absent_entries_have_no_influence():
    """What stands in an entry that a mask rules out changes nothing."""
    values, mask = np.arange(8.0).reshape(4, 2), np.array([True, False, True, True])
    changed = values.copy()
    changed[1] = 1e9
    first, second = (
        ModalityTransformer({"rna": StandardScaler()}).fit_transform(
            ModalityDict({"rna": v}, present={"rna": mask})
        )
        for v in (values, changed)
    )

    assert first == second


def test_an_absent_key_stays_absent_and_its_transformer_is_not_called(X):
    """A call of transform with some of the modalities gives those."""
    prepare = ModalityTransformer({"rna": Recorder(), "note": Recorder()}).fit(X)
    calls = list(prepare.transformers_["rna"].calls_)
    out = prepare.transform({"note": ["x", "y"]})

    assert out.modalities == ("note",)
    assert list(out["note"]) == ["x", "y"]
    assert prepare.transformers_["rna"].calls_ == calls


@pytest.mark.parametrize("method", ["fit", "fit_transform"])
def test_a_modality_that_all_samples_lack_keeps_its_width(X, method):
    """Samples that lack a modality lack it after transform too, in the shape that others have."""
    prepare = ModalityTransformer({"rna": PCA(2), "note": TfidfVectorizer()})
    getattr(prepare, method)(X)
    out = prepare.transform(X[[1, 4]])

    assert out["rna"].shape == (2, 2)
    assert not out.is_present("rna").any()
    alone = prepare.transform({"note": [None, None]})
    assert alone.modalities == ("note",)
    assert alone["note"].shape == (2, 4)


def test_one_sample_alone_is_transformed_as_in_a_batch(X):
    """A batch of one equals a batch of many."""
    prepare = ModalityTransformer(
        {
            "rna": StandardScaler(),
            "note": CountVectorizer(),
            "clinical": ColumnTransformer([("age", SimpleImputer(), ["age"])]),
        }
    ).fit(X)
    together = prepare.transform(X)

    for row in range(len(X)):
        assert prepare.transform(X[row]) == together[row]


def test_fit_transform_equals_fit_and_transform(X):
    """For transformers without a fit_transform of their own."""
    transformers = {"rna": StandardScaler(), "note": TfidfVectorizer(), "xray": "drop"}

    assert ModalityTransformer(transformers).fit_transform(X) == ModalityTransformer(transformers).fit(
        X
    ).transform(X)


def test_samples_without_any_modality_stay(X):
    """A sample that has nothing comes out with nothing."""
    X = X[["rna"]]
    out = ModalityTransformer({"rna": StandardScaler()}).fit(X).transform(X[[1]])

    assert len(out) == 1
    assert not out.present.any()


def test_index_groups_and_feature_names_travel(X):
    """Sample ids, groups and names of the columns come out again."""
    X = ModalityDict({**X}, feature_names={"rna": ["A", "B", "C"]}, groups=X.groups)
    out = ModalityTransformer(
        {"rna": SelectKBest(lambda X, y: np.array([3.0, 1.0, 2.0]) * (len(X) == len(y)), k=2)}
    ).fit_transform(X, np.arange(6) % 2)

    assert list(out.index) == list("abcdef")
    np.testing.assert_array_equal(out.groups, X.groups)
    assert list(out.feature_names["rna"]) == ["A", "C"]
    assert list(out.loc[["f"]]["clinical"]["sex"]) == ["m"]


def test_dict_and_container_and_handles_give_the_same(X):
    """A plain dict, a ModalityDict and its object array are the same data."""
    plain = dict(X)
    prepare = ModalityTransformer({"rna": StandardScaler()}).fit(plain)
    expected = prepare.transform(X)

    np.testing.assert_array_equal(prepare.transform(plain)["rna"], expected["rna"])
    assert prepare.transform(np.asarray(X)) == expected
    assert prepare.transform(X[["clinical", "rna", "xray", "note"]]) == expected


def test_one_table_is_the_modality_x():
    """A bare array is taken as one table named "x"."""
    prepare = ModalityTransformer({"x": MinMaxScaler()}).fit(np.array([[0.0], [4.0]]))

    np.testing.assert_array_equal(prepare.transform(np.array([[1.0]]))["x"], [[0.25]])
    assert prepare.n_features_in_ == 1


# --- what goes in, what comes out ----------------------------------------------------------------------


def test_each_kind_is_handed_over_in_its_own_form(X):
    """Tables as stored, text as an object array of str, images as arrays, bags as a BagArray."""
    bags = BagArray.from_list(
        [np.ones((2, 3)), None, np.zeros((1, 3)), np.ones((1, 3)), None, np.ones((4, 3))]
    )
    X = ModalityDict({**X, "ct": bags, "atac": sp.eye_array(6, format="csr")})
    seen = {
        name: t.seen_["X"]
        for name, t in ModalityTransformer({}, remainder=Recorder()).fit(X).transformers_.items()
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


def test_lazy_arrays_are_read_for_those_that_want_arrays(tmp_path):
    """An array in memory is handed over unless a transformer, or its first step, is for lazy ones."""
    np.save(tmp_path / "images.npy", np.arange(24, dtype=np.uint8).reshape(4, 2, 3))
    images = np.load(tmp_path / "images.npy", mmap_mode="r")
    X = ModalityDict({"a": images, "b": images, "c": images, "d": images})
    prepare = ModalityTransformer(
        {"a": Recorder(), "b": LazyRecorder(), "c": make_pipeline(LazyRecorder(), "passthrough")}
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


# --- drop, passthrough, remainder, share ----------------------------------------------------------------


def test_drop_passthrough_and_remainder(X):
    """What is not named is passed, dropped, or transformed by a clone each."""
    passed = ModalityTransformer({"rna": "passthrough", "xray": "drop"}).fit_transform(X)
    dropped = ModalityTransformer({"rna": "passthrough"}, remainder="drop").fit_transform(X)
    scaled = ModalityTransformer({("note", "xray", "clinical"): "drop"}, remainder=StandardScaler()).fit(X)

    assert passed.modalities == ("rna", "note", "clinical")
    assert passed["rna"] is X["rna"]
    assert dropped.modalities == ("rna",)
    np.testing.assert_allclose(scaled.transformers_["rna"].mean_, np.nanmean(X["rna"], axis=0))
    two = ModalityTransformer({}, remainder=StandardScaler()).fit({"a": np.eye(3), "b": np.zeros((3, 3))})
    assert two.transformers_["a"] is not two.transformers_["b"]
    np.testing.assert_allclose(two.transformers_["a"].mean_, 1 / 3)
    np.testing.assert_allclose(two.transformers_["b"].mean_, 0)


def test_a_dropped_modality_is_still_known_at_transform(X):
    """Data of fit, with the dropped modality or without, transform alike."""
    prepare = ModalityTransformer({"xray": "drop"}).fit(X)

    assert prepare.transform(X) == prepare.transform(X[["rna", "note", "clinical"]])
    nothing = prepare.transform(X[["xray"]])
    assert nothing.modalities == ("rna", "note", "clinical")
    assert not nothing.present.any()


def test_share_fits_one_transformer_on_the_stacked_present_rows():
    """A tuple of names with share=True is one transformer, without it one clone each."""
    left, right = np.array([[0.0], [2.0], [NAN]]), np.array([[10.0], [NAN], [12.0]])
    X = {"left": left, "right": right}
    shared = ModalityTransformer({("left", "right"): StandardScaler()}, share=True)
    out = shared.fit_transform(X)

    assert shared.transformers_["left"] is shared.transformers_["right"]
    np.testing.assert_allclose(shared.transformers_["left"].mean_, [6.0])
    scale = np.std([0, 2, 10, 12])
    np.testing.assert_allclose(out["left"], (left - 6) / scale)
    np.testing.assert_allclose(out["right"], (right - 6) / scale)
    assert shared.fit(X).transform(X) == out
    own = ModalityTransformer({("left", "right"): StandardScaler()}).fit(X)
    np.testing.assert_allclose([own.transformers_[name].mean_[0] for name in X], [1.0, 11.0])


def test_share_stacks_targets_and_weights_too():
    """Targets and weights follow the stacked rows."""
    X = {"left": np.array([[0.0], [1.0], [NAN]]), "right": np.array([[2.0], [NAN], [3.0]])}
    prepare = ModalityTransformer({("left", "right"): Recorder()}, share=True).fit(
        X, y=["p", "q", "r"], sample_weight=[1, 2, 3]
    )
    seen = prepare.transformers_["left"].seen_

    np.testing.assert_array_equal(seen["X"].ravel(), [0, 1, 2, 3])
    assert list(seen["y"]) == ["p", "q", "p", "r"]
    assert list(seen["sample_weight"]) == [1, 2, 1, 3]


def test_share_works_for_images_bags_and_text():
    """Stacking is possible for every kind."""
    images = np.arange(16, dtype=np.uint8).reshape(2, 2, 2, 2)[..., 0]
    bags = BagArray(np.arange(6.0).reshape(3, 2), [0, 1, 3])
    X = {"a": images, "b": images, "c": bags, "d": bags, "e": ["u", "v"], "f": ["v", "w"]}
    out = ModalityTransformer(
        {("a", "b"): Recorder(), ("c", "d"): Recorder(), ("e", "f"): CountVectorizer(token_pattern=r"\w")},
        share=True,
    ).fit_transform(X)

    np.testing.assert_array_equal(out["b"], images)
    assert out["d"] == bags
    np.testing.assert_array_equal(out["f"].toarray(), [[0, 1, 0], [0, 0, 1]])


# --- targets, weights, groups ----------------------------------------------------------------------------


def test_targets_weights_and_groups_are_restricted_to_the_present_rows(X):
    """Each transformer gets the entries of the samples that have its modality."""
    y = pd.Series(list("uvwxyz"), index=X.index)
    prepare = ModalityTransformer({"rna": Recorder(), "note": Recorder()}).fit(
        X, y, sample_weight=np.arange(6.0)
    )
    seen = prepare.transformers_["rna"].seen_

    assert list(seen["y"]) == ["u", "w", "x", "z"]
    assert list(seen["sample_weight"]) == [0, 2, 3, 5]
    assert list(seen["groups"]) == [0, 1, 1, 2]
    assert list(prepare.transformers_["note"].seen_["sample_weight"]) == [0, 1, 3, 4, 5]


def test_sample_weights_weigh():
    """Weighted statistics are those of the present rows, in pipelines too; who takes no weights gets none."""
    X, weight = {"rna": np.array([[0.0], [NAN], [4.0]])}, [3.0, 100.0, 1.0]
    for transformer in (StandardScaler(), make_pipeline(SimpleImputer(), StandardScaler())):
        out = ModalityTransformer({"rna": transformer}).fit(X, sample_weight=weight).transformers_["rna"]
        np.testing.assert_allclose(out.mean_ if isinstance(out, StandardScaler) else out[-1].mean_, [1.0])
    np.testing.assert_allclose(
        ModalityTransformer({"rna": PCA(1)}).fit(X, sample_weight=weight).transformers_["rna"].mean_, [2.0]
    )


def test_weights_pass_through_a_pipeline(X):
    """Pipeline's ``prep__sample_weight`` arrives."""
    pipe = Pipeline(
        [
            ("prep", ModalityTransformer({"rna": StandardScaler()}, remainder="drop")),
            ("concat", ConcatModalities()),
        ]
    )
    weight = np.array([1.0, 5.0, 1.0, 0.0, 5.0, 2.0])
    pipe.fit(X, prep__sample_weight=weight)

    np.testing.assert_allclose(
        pipe[0].transformers_["rna"].mean_,
        np.average(X["rna"][[0, 2, 3, 5]], axis=0, weights=weight[[0, 2, 3, 5]]),
    )


def test_metadata_routing_hands_on_what_is_requested(X):
    """With routing on, who requests weights gets those of its rows; groups default to those of X."""
    with sklearn.config_context(enable_metadata_routing=True):
        prepare = ModalityTransformer(
            {
                "rna": Recorder().set_fit_request(sample_weight=True, groups=True),
                "note": Recorder().set_fit_request(sample_weight=False, groups=False),
            }
        )
        pipe = Pipeline([("prep", prepare), ("pick", ModalityTransformer({}, remainder="passthrough"))])
        pipe.fit(X, np.arange(6), sample_weight=np.arange(6.0))
        rna, note = (pipe[0].transformers_[name].seen_ for name in ("rna", "note"))

        assert list(rna["sample_weight"]) == [0, 2, 3, 5]
        assert list(rna["groups"]) == [0, 1, 1, 2]
        assert note["sample_weight"] is None
        unset = ModalityTransformer({"rna": StandardScaler()})
        with pytest.raises(sklearn.exceptions.UnsetMetadataPassedError, match="sample_weight"):
            unset.fit(X, sample_weight=np.ones(6))


@pytest.mark.skipif(
    not TARGET_ENCODER_TAKES_SPLITTERS, reason="TargetEncoder takes no groups before scikit-learn 1.9"
)
def test_metadata_routing_reaches_a_cross_fitted_encoder():
    """TargetEncoder's folds keep groups whole: a row is encoded by other groups alone."""
    table = pd.DataFrame({"site": ["p"] * 6})
    y, groups = np.array([0.0, 0.0, 3.0, 3.0, 9.0, 9.0]), np.array([0, 0, 1, 1, 2, 2])
    with sklearn.config_context(enable_metadata_routing=True):
        encoder = TargetEncoder(cv=GroupKFold(3), smooth=0.0, target_type="continuous")
        out = ModalityTransformer({"clinical": encoder}).fit_transform(
            ModalityDict({"clinical": table}, groups=groups), y
        )

    np.testing.assert_allclose(out["clinical"].ravel(), [6, 6, 4.5, 4.5, 1.5, 1.5])


def test_fit_transform_is_that_of_the_transformer():
    """TargetEncoder cross-fits in fit_transform; so does it here, on the present rows."""
    rng = np.random.default_rng(0)
    site = rng.choice(["p", "q"], 30).astype(object)[:, None]
    site[[3, 7]] = None
    y = rng.normal(size=30)
    rows = np.setdiff1d(np.arange(30), [3, 7])
    X = ModalityDict({"site": pd.DataFrame(site, columns=["site"])})
    alone = TargetEncoder(cv=KFold(5)) if TARGET_ENCODER_TAKES_SPLITTERS else TargetEncoder(shuffle=False)
    out = ModalityTransformer({"site": alone}).fit_transform(X, y)
    expected = alone.fit_transform(X["site"].iloc[rows], y[rows])

    np.testing.assert_allclose(out["site"][rows], expected)
    assert (
        np.abs(alone.transform(X["site"].iloc[rows]) - expected).max() > 1e-3
    )  # it would not be cross-fitted
    assert not out.is_present("site")[[3, 7]].any()


def test_metadata_that_is_not_per_sample_is_handed_on_whole(X):
    """What has no entry a sample is not restricted to rows."""

    class Flagged(Recorder):
        def fit(self, X, y=None, flag=None, table=None):
            self.seen_ = {"flag": flag, "table": table}
            return self

    with sklearn.config_context(enable_metadata_routing=True):
        prepare = ModalityTransformer({"rna": Flagged().set_fit_request(flag=True, table=True)})
        seen = prepare.fit(X, flag=3, table=[1, 2]).transformers_["rna"].seen_

    assert seen == {"flag": 3, "table": [1, 2]}


def test_a_transform_that_requests_metadata_gets_that_of_its_rows(X):
    """In fit, where one row is transformed to learn what comes out, and in transform."""

    class Shift(Recorder):
        def transform(self, X, by=None):
            return X + np.asarray(by)[:, None]

    by = np.arange(6.0)
    with sklearn.config_context(enable_metadata_routing=True):
        shift = Shift().set_transform_request(by=True).set_fit_request(sample_weight=False, groups=False)
        out = ModalityTransformer({"rna": shift}).fit(X, by=by).transform(X, by=by)

    np.testing.assert_allclose(out["rna"], X["rna"] + by[:, None])


# --- parameters ------------------------------------------------------------------------------------------


def test_nested_parameters_work_on_a_copy():
    """set_params replaces and changes transformers without touching the caller's dict or transformers."""
    pca, transformers = PCA(5), {"note": "drop"}
    transformers["rna"] = pca
    prepare = ModalityTransformer(transformers)

    assert prepare.transformers is transformers
    assert prepare.get_params()["rna__n_components"] == 5
    assert prepare.get_params()["rna"] is pca
    assert set(prepare.get_params(deep=False)) == {"transformers", "remainder", "share", "n_jobs", "verbose"}
    prepare.set_params(rna__n_components=2, note=StandardScaler(), note__with_mean=False, n_jobs=2)
    assert prepare.get_params()["rna__n_components"] == 2
    assert prepare.get_params()["note__with_mean"] is False
    assert prepare.n_jobs == 2
    assert transformers == {"note": "drop", "rna": pca}
    assert pca.n_components == 5
    prepare.set_params(transformers={"rna": MinMaxScaler()}, rna__clip=True)
    assert prepare.transformers["rna"].clip
    with pytest.raises(ValueError, match=r"Invalid parameter 'xray'.*Valid names are \['rna'\]"):
        prepare.set_params(xray=PCA())
    with pytest.raises(ValueError, match="'note' is 'drop'"):
        ModalityTransformer({"note": "drop"}).set_params(note__k=1)


def test_parameters_of_a_tuple_and_of_the_remainder():
    """The transformer of a tuple has the names joined by a plus sign."""
    prepare = ModalityTransformer({("ct", "mri"): PCA()}, remainder=PCA())
    prepare.set_params(**{"ct+mri__n_components": 3, "remainder__n_components": 4})

    assert prepare.transformers[("ct", "mri")].n_components == 3
    assert prepare.remainder.n_components == 4


def test_clone_pickle_and_joblib(X):
    """Clones are unfitted and alike, pickles transform alike, and nothing is set in __init__."""
    prepare = ModalityTransformer({"rna": PCA(2), "note": TfidfVectorizer()}).fit(X)
    other = clone(prepare)

    assert not hasattr(other, "transformers_")
    assert other.get_params()["rna__n_components"] == 2
    assert other.transformers is not prepare.transformers
    assert pickle.loads(pickle.dumps(prepare)).transform(X) == prepare.transform(X)
    assert joblib.hash(clone(prepare)) == joblib.hash(other)
    check_no_attributes_set_in_init("ModalityTransformer", ModalityTransformer({"rna": PCA()}))


def test_fit_leaves_the_callers_transformers_unfitted(X):
    """Clones are fitted."""
    scaler = StandardScaler()
    ModalityTransformer({"rna": scaler}).fit(X)

    assert not hasattr(scaler, "mean_")


def test_grid_search_over_nested_parameters():
    """A search finds the number of components that carries the label."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 30)
    rna = rng.normal(size=(60, 5)) * [10, 8, 1, 1, 1]
    rna[:, 2] += 6 * y
    rna[::7] = NAN
    pipe = Pipeline(
        [
            ("prep", ModalityTransformer({"rna": PCA(random_state=0)})),
            ("concat", ConcatModalities()),
            ("clf", LogisticRegression()),
        ]
    )
    search = GridSearchCV(pipe, {"prep__rna__n_components": [2, 3], "prep__n_jobs": [None]}, cv=3).fit(
        ModalityDict({"rna": rna, "age": rng.normal(size=(60, 1))}), y
    )

    assert search.best_params_["prep__rna__n_components"] == 3
    assert search.best_score_ > 0.85
    assert search.best_estimator_[0].transformers_["rna"].n_components_ == 3


def test_a_search_can_replace_transformers(X):
    """Whole transformers are parameters too."""
    pipe = Pipeline(
        [
            ("prep", ModalityTransformer({"rna": PCA(1)}, remainder="drop")),
            ("concat", ConcatModalities()),
            ("clf", LogisticRegression()),
        ]
    )
    X, y = X[[0, 2, 3, 5] * 3], np.array([0, 1, 0, 1] * 3)
    search = GridSearchCV(
        pipe, {"prep__rna": [PCA(2), "passthrough"], "prep__rna__copy": [True]}, cv=2, error_score="raise"
    )
    with pytest.raises(ValueError, match="'rna' is 'passthrough'"):
        search.fit(X, y)
    search = GridSearchCV(pipe, {"prep__rna": [PCA(2), StandardScaler()]}, cv=2, error_score="raise").fit(
        X, y
    )
    assert search.cv_results_["mean_test_score"].shape == (2,)
    assert pipe.get_params()["prep__rna"].n_components == 1


@pytest.mark.parametrize("method", ["fit", "fit_transform"])
def test_parallel_equals_serial(X, method):
    """Two processes give the same as one."""
    transformers = {"rna": PCA(2, random_state=0), "note": TfidfVectorizer(), "xray": "drop"}
    serial, parallel = (ModalityTransformer(transformers, n_jobs=n_jobs) for n_jobs in (None, 2))
    first, second = (getattr(prepare, method)(X) for prepare in (serial, parallel))
    if method == "fit_transform":
        assert first == second

    assert parallel.transform(X) == serial.transform(X)


def test_what_joblib_maps_for_its_workers_does_not_come_back_lazy():
    """Large arrays that a transformer returns as they are come back in memory from another process."""
    images = np.zeros((40, 100, 100))
    bags = BagArray(np.ones((400, 1000)), np.arange(0, 401, 10))
    table = np.eye(400)[:40]
    X = {"xray": images, "ct": bags, "rna": table}
    prepare = ModalityTransformer({}, remainder=FunctionTransformer(), n_jobs=2)
    first, second = prepare.fit_transform(X), prepare.transform(X)

    for out in (first, second):
        assert type(out["xray"]) is np.ndarray
        assert type(out["rna"]) is np.ndarray
        assert type(out["ct"].values) is np.ndarray
        assert out == ModalityDict(X)


@pytest.mark.parametrize("form", [np.asarray, pd.DataFrame, sp.csr_array, sp.csc_matrix])
@pytest.mark.parametrize("missing", [False, True])
def test_transformers_that_work_in_place_change_nothing_of_the_callers(form, missing):
    """With ``copy=False``, what is written to is never the data that came in."""
    values = form(np.arange(6.0).reshape(3, 2))
    kept = values.copy()
    X = ModalityDict({"a": values}, present={"a": np.array([True, not missing, True])})
    ModalityTransformer({"a": MaxAbsScaler(copy=False)}).fit(X).transform(X)
    ModalityTransformer({"a": MaxAbsScaler(copy=False)}).fit_transform(X)

    assert ModalityDict({"a": values}) == ModalityDict({"a": kept})


def test_read_only_memory_maps_work(tmp_path):
    """Data as joblib maps them for its workers."""
    mapped = joblib.load(joblib.dump(np.arange(6.0).reshape(3, 2), tmp_path / "x.joblib")[0], mmap_mode="r")
    out = ModalityTransformer({"x": StandardScaler(copy=False)}).fit_transform(mapped)

    np.testing.assert_allclose(out["x"].mean(axis=0), 0)


# --- names, display, messages -----------------------------------------------------------------------------


def test_feature_names_out(X):
    """Columns have the modality's name as prefix, other kinds that name alone; the order is that of X."""
    prepare = ModalityTransformer(
        {"rna": PCA(2), "note": CountVectorizer(vocabulary=["aa", "bb"]), "clinical": "passthrough"}
    ).fit(X)

    assert list(prepare.get_feature_names_out()) == [
        "rna__pca0", "rna__pca1", "note__aa", "note__bb", "xray", "clinical__sex", "clinical__age",
    ]  # fmt: skip


def test_a_transformer_without_names_gives_numbered_columns():
    """FunctionTransformer has no names; neither has a pipeline with one."""
    for transformer in (FunctionTransformer(), make_pipeline(StandardScaler(), FunctionTransformer())):
        prepare = ModalityTransformer({"rna": transformer}).fit({"rna": np.eye(2)})
        assert list(prepare.get_feature_names_out()) == ["rna__x0", "rna__x1"]


def test_html_repr_shows_a_box_for_each_transformer(X):
    """A Pipeline's diagram shows the transformers side by side, before and after fit."""
    pipe = make_pipeline(ModalityTransformer({"rna": PCA(2), ("note", "xray"): "drop"}), ConcatModalities())
    html = pipe._repr_html_()

    assert "sk-parallel" in html
    assert ">note+xray<" in html.replace("\n", "").replace(" ", "")
    assert "PCA" in html
    assert "clinical" in pipe[0].fit(X)._repr_html_()


def test_verbose_prints_a_line_for_each_transformer(X, capsys):
    """The line names modality, kind, samples and transformer; without verbose there is none."""
    ModalityTransformer({"rna": PCA(2)}, verbose=True).fit(X).transform(X)
    out = capsys.readouterr().out
    assert out.count("[ModalityTransformer] rna (table, 4 of 6 samples): PCA, ") == 2
    ModalityTransformer({"rna": PCA(2)}).fit(X)
    assert capsys.readouterr().out == ""


def test_a_modality_that_no_training_sample_has_is_left_out(X):
    """One warning, and its columns are in no output, also when it comes later."""
    X = ModalityDict({**X, "pet": np.full((6, 2), NAN)})
    prepare = ModalityTransformer({"pet": StandardScaler(), "rna": StandardScaler()})
    with pytest.warns(
        NoModalityWarning, match="'pet' is missing for every sample: ModalityTransformer leaves it out"
    ) as caught:
        prepare.fit(X)
    out = prepare.transform({**X, "pet": np.ones((6, 2))})

    assert len(caught) == 1
    assert "pet" not in out
    assert "pet" not in prepare.transformers_


@pytest.mark.parametrize(
    ("transformers", "options", "error", "message"),
    [
        ({"mri": PCA()}, {}, ValueError, r"transformers names 'mri', but X holds 'rna', 'note'"),
        (
            {"rna": PCA},
            {},
            TypeError,
            r"transformers\['rna'\] must be a transformer instance. Got the class PCA: add \(\)",
        ),
        (
            {"rna": None},
            {},
            TypeError,
            r"transformers\['rna'\] must be a transformer .*'drop' or 'passthrough'. Got None",
        ),
        ({"rna": "skip"}, {}, TypeError, r"Got 'skip' instead"),
        ([("rna", PCA())], {}, TypeError, "transformers must be a dict"),
        (
            {"rna": PCA(), ("rna", "note"): "drop"},
            {},
            ValueError,
            "'rna' is named twice in transformers, in 'rna' and ",
        ),
        ({(): PCA()}, {}, ValueError, "empty tuple"),
        ({3: PCA()}, {}, TypeError, "must be modality names or tuples of them. Got 3"),
        (
            {("rna", "note"): "drop", "rna+note": "drop"},
            {},
            ValueError,
            "same parameter name",
        ),
        (
            {"xray": FunctionTransformer(lambda images: images.mean(axis=(1, 2))[:, None] * NAN)},
            {},
            ValueError,
            "'xray', returned nothing but NaN for 6 of 6",
        ),
        (
            {"clinical": FunctionTransformer(lambda table: table[["age"]] * NAN)},
            {},
            ValueError,
            r"'clinical', returned nothing but NaN for 4 of 5 present rows \(0, 1, 4, 5\)",
        ),
        ({"share": PCA()}, {}, ValueError, r"modality names \['share'\] are names of parameters"),
        ({}, {"remainder": "keep"}, TypeError, "remainder must be a transformer .* Got 'keep'"),
        ({}, {"remainder": "drop"}, ValueError, "drops every modality"),
        (
            {("rna", "note"): FunctionTransformer()},
            {"share": True},
            ValueError,
            "share=True needs modalities of the same kind",
        ),
        (
            {"rna": FunctionTransformer(lambda t: t[1:])},
            {},
            ValueError,
            "'rna', must return one row a sample, 4 .* Got 3",
        ),
        (
            {"rna": FunctionTransformer(lambda t: t * NAN)},
            {},
            ValueError,
            r"'rna', returned nothing but NaN for 4 of 4 present rows \(0, 2, 3, 5\)",
        ),
        (
            {"rna": FunctionTransformer(lambda t: t[:, 0])},
            {},
            ValueError,
            "'rna', returned what is no modality. .*one-dimensional",
        ),
        (
            {"rna": FunctionTransformer(len)},
            {},
            ValueError,
            "'rna', must return an array with one row a sample. Got int",
        ),
        ({"rna": FunctionTransformer(lambda t: t[:, :0])}, {}, ValueError, "0 features"),
    ],
)
def test_errors_say_what_is_wrong_and_where(X, transformers, options, error, message):
    """Each message names the modality or parameter, what was expected, and what came."""
    with pytest.raises(error, match=message):
        ModalityTransformer(transformers, **options).fit_transform(X)


def test_errors_of_lengths_and_names(X):
    """Targets and weights of another length, unknown names, other widths, and metadata that nobody takes."""
    prepare = ModalityTransformer({"rna": StandardScaler()})
    with pytest.raises(ValueError, match="y must have one entry a sample, 6 in all. Got 5"):
        prepare.fit(X, np.zeros(5))
    with pytest.raises(ValueError, match="sample_weight must have one entry a sample, 6"):
        prepare.fit(X, sample_weight=np.ones(4))
    with pytest.raises(ValueError, match=r"got \['tables'\], but takes further metadata only with"):
        prepare.fit(X, tables=3)
    prepare.fit(X)
    with pytest.raises(ValueError, match=r"got \['tables'\]"):
        prepare.transform(X, tables=3)
    with pytest.raises(ValueError, match="'mri' as well"):
        prepare.transform({**X, "mri": np.ones((6, 2))})
    with pytest.raises(ValueError, match="'rna' has 2 features, but it had 3 in fit"):
        prepare.transform({"rna": np.ones((6, 2))})
    with pytest.raises(sklearn.exceptions.NotFittedError):
        ModalityTransformer({}).transform(X)


def test_nothing_present_raises():
    """Where no sample has anything there is nothing to fit."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoModalityWarning)
        with pytest.raises(MissingModalityError, match="ModalityTransformer needs at least one sample"):
            ModalityTransformer({}).fit({"rna": np.full((3, 2), NAN)})


def test_the_errors_of_a_transformer_come_through(X):
    """A transformer's own message is not hidden, and a note says which modality it was."""
    with pytest.raises(ValueError, match="n_components=50 must be between") as caught:
        ModalityTransformer({"rna": PCA(50)}).fit(X)
    assert caught.value.__notes__ == ["Raised by PCA, the transformer of modality 'rna'."]
    with pytest.raises(ValueError, match="Found unknown categories") as caught:
        ModalityTransformer({"clinical": OneHotEncoder()}, n_jobs=2).fit(X[:3]).transform(X)
    assert caught.value.__notes__ == ["Raised by OneHotEncoder, the transformer of modality 'clinical'."]


def test_tags_follow_the_transformers():
    """A target is required where a transformer requires it."""
    assert get_tags(ModalityTransformer({"a": TargetEncoder()})).target_tags.required
    tags = get_tags(ModalityTransformer({"a": StandardScaler(), "b": "drop"}))
    assert not tags.target_tags.required
    assert tags.input_tags.dict


def test_discretised_weights_do_not_reach_those_without(X):
    """Several transformers side by side, of which one takes weights."""
    prepare = ModalityTransformer(
        {"rna": KBinsDiscretizer(2, encode="ordinal", strategy="kmeans"), "note": TfidfVectorizer()}
    )
    out = prepare.fit_transform(X, sample_weight=np.ones(6))

    assert set(out["rna"][out.is_present("rna")].ravel()) == {0.0, 1.0}
