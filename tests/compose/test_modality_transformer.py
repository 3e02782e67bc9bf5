"""ModalityTransformer: one transformer a modality, fitted on what is present."""

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import (
    MinMaxScaler,
    StandardScaler,
)

from skmm import BagArray, ModalityDict
from skmm.compose import ModalityTransformer

NAN = np.nan


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


def test_an_absent_key_stays_absent_and_its_transformer_is_not_called(X, recorder):
    """A call of transform with some of the modalities gives those."""
    prepare = ModalityTransformer({"rna": recorder(), "note": recorder()}).fit(X)
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


def test_share_stacks_targets_and_weights_too(recorder):
    """Targets and weights follow the stacked rows."""
    X = {"left": np.array([[0.0], [1.0], [NAN]]), "right": np.array([[2.0], [NAN], [3.0]])}
    prepare = ModalityTransformer({("left", "right"): recorder()}, share=True).fit(
        X, y=["p", "q", "r"], sample_weight=[1, 2, 3]
    )
    seen = prepare.transformers_["left"].seen_

    np.testing.assert_array_equal(seen["X"].ravel(), [0, 1, 2, 3])
    assert list(seen["y"]) == ["p", "q", "p", "r"]
    assert list(seen["sample_weight"]) == [1, 2, 1, 3]


def test_share_works_for_images_bags_and_text(recorder):
    """Stacking is possible for every kind."""
    images = np.arange(16, dtype=np.uint8).reshape(2, 2, 2, 2)[..., 0]
    bags = BagArray(np.arange(6.0).reshape(3, 2), [0, 1, 3])
    X = {"a": images, "b": images, "c": bags, "d": bags, "e": ["u", "v"], "f": ["v", "w"]}
    out = ModalityTransformer(
        {("a", "b"): recorder(), ("c", "d"): recorder(), ("e", "f"): CountVectorizer(token_pattern=r"\w")},
        share=True,
    ).fit_transform(X)

    np.testing.assert_array_equal(out["b"], images)
    assert out["d"] == bags
    np.testing.assert_array_equal(out["f"].toarray(), [[0, 1, 0], [0, 0, 1]])
