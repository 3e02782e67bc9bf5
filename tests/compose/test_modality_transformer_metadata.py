"""ModalityTransformer: targets, weights and groups go to the transformers that take them."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GroupKFold, KFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    StandardScaler,
    TargetEncoder,
)
from sklearn.utils.fixes import parse_version

from skmm import ModalityDict
from skmm.compose import ConcatModalities, ModalityTransformer

NAN = np.nan
TARGET_ENCODER_TAKES_SPLITTERS = parse_version(sklearn.__version__) >= parse_version("1.9")


def test_targets_weights_and_groups_are_restricted_to_the_present_rows(X, recorder):
    """Each transformer gets the entries of the samples that have its modality."""
    y = pd.Series(list("uvwxyz"), index=X.index)
    prepare = ModalityTransformer({"rna": recorder(), "note": recorder()}).fit(
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


def test_metadata_routing_hands_on_what_is_requested(X, recorder):
    """With routing on, who requests weights gets those of its rows; groups default to those of X."""
    with sklearn.config_context(enable_metadata_routing=True):
        prepare = ModalityTransformer(
            {
                "rna": recorder().set_fit_request(sample_weight=True, groups=True),
                "note": recorder().set_fit_request(sample_weight=False, groups=False),
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


def test_metadata_that_is_not_per_sample_is_handed_on_whole(X, recorder):
    """What has no entry a sample is not restricted to rows."""

    class Flagged(recorder):
        def fit(self, X, y=None, flag=None, table=None):
            self.seen_ = {"flag": flag, "table": table}
            return self

    with sklearn.config_context(enable_metadata_routing=True):
        prepare = ModalityTransformer({"rna": Flagged().set_fit_request(flag=True, table=True)})
        seen = prepare.fit(X, flag=3, table=[1, 2]).transformers_["rna"].seen_

    assert seen == {"flag": 3, "table": [1, 2]}


def test_a_transform_that_requests_metadata_gets_that_of_its_rows(X, recorder):
    """In fit, where one row is transformed to learn what comes out, and in transform."""

    class Shift(recorder):
        def transform(self, X, by=None):
            return X + np.asarray(by)[:, None]

    by = np.arange(6.0)
    with sklearn.config_context(enable_metadata_routing=True):
        shift = Shift().set_transform_request(by=True).set_fit_request(sample_weight=False, groups=False)
        out = ModalityTransformer({"rna": shift}).fit(X, by=by).transform(X, by=by)

    np.testing.assert_allclose(out["rna"], X["rna"] + by[:, None])
