"""MCAT: what users get, with modalities of every kind, some of them missing."""

import numpy as np
import pandas as pd
import pytest

from skmm import BagArray, ModalityDict
from skmm.exceptions import NoModalityWarning
from skmm.fusion import MCATClassifier


def _data(n_samples=60, missing=0.0):
    """Return a table with named columns and ids, bags, and labels that need both."""
    rng = np.random.default_rng(0)
    y = np.arange(n_samples) % 4
    rna = rng.normal(size=(n_samples, 6))
    rna[:, 0] += 4 * (y // 2)
    bags = [rng.normal(size=(rng.integers(2, 7), 3)) for _ in range(n_samples)]
    for label, bag in zip(y, bags, strict=True):
        bag[0, 0] += 8 * (label % 2)
    present = {"rna": rng.random(n_samples) >= missing, "slide": rng.random(n_samples) >= missing}
    present["slide"] |= ~present["rna"]
    index = [f"patient {number}" for number in range(n_samples)]
    table = pd.DataFrame(rna, columns=list("abcdef"), index=index)
    kept = [bag if seen else bag[:0] for bag, seen in zip(bags, present["slide"], strict=True)]
    data = {"rna": table, "slide": BagArray.from_list(kept)}
    return ModalityDict(data, present={"rna": present["rna"]}), y


SIGNATURES = {"rna": {"growth": ["a", "b"], "repair": ["b", "c", "d"], "immune": ["e", "f"]}}


def _fitted(X, y, **params):
    """Return a small fitted classifier."""
    options = {"feature_groups": SIGNATURES, "max_epochs": 3, "lr": 1e-3, "random_state": 0, **params}
    return MCATClassifier(8, **options).fit(X, y)


def test_places_and_columns_count():
    """Patches know where in the image they lie, and columns as tokens are told apart."""
    rng = np.random.default_rng(0)
    y = np.arange(16) % 2
    X = ModalityDict(
        {"image": rng.random((16, 8, 8, 1)), "other": rng.normal(size=(16, 4)), "rna": np.eye(16, 4)}
    )
    options = {"query": "rna", "feature_groups": 2, "tokenization": "feature", "patch_size": 4}
    model = _fitted(X, y, standardize=False, precision="float64", **options)
    mirrored = model.predict_proba({**X, "image": np.roll(X["image"], 4, axis=2)})
    swapped = model.predict_proba({**X, "other": X["other"][:, ::-1]})

    before = model.predict_proba(X)
    assert np.abs(mirrored - before).max() > 1e-6
    assert np.abs(swapped - before).max() > 1e-6


def test_learns_from_table_and_bag_together():
    """Labels that need both modalities are learned, and the instance that tells has most of the weight."""
    X, y = _data(240)
    options = {"feature_groups": {"rna": 3}, "max_epochs": 25, "lr": 2e-3, "random_state": 0}
    model = MCATClassifier(16, query="rna", **options).fit(X[:160], y[:160])
    weights = model.attention_weights(X[160:])["slide"]
    telling = np.array([bag[0] * len(bag) for bag, label in zip(weights, y[160:], strict=True) if label % 2])

    assert model.score(X[160:], y[160:]) > 0.8
    assert np.median(telling) > 1.2


def test_default_query_and_names_of_tokens():
    """The first table guides unless another is named; tokens are called as their groups or columns."""
    X, y = _data()
    assert _fitted(X, y).query_ == "rna"
    assert _fitted(X, y, query="slide").query_ == "slide"
    bags = X[["slide"]]
    assert _fitted(bags, y, feature_groups=2).query_ == "slide"
    two = ModalityDict({"b": X["rna"], "a": X["rna"]})
    assert _fitted(two, y, feature_groups=2).query_ == "a"
    named = _fitted(X, y).token_names_
    columns = _fitted(X, y, query="slide", tokenization="feature").token_names_

    assert named == {"rna": ["growth", "repair", "immune"]}
    assert columns == {"rna": list("abcdef")}


def test_unknown_query():
    """A query that is no modality, or that no sample of fit has, is refused by name."""
    X, y = _data()
    with pytest.raises(ValueError, match=r"query must be .* out of 'rna', 'slide'\. Got 'protein'"):
        _fitted(X, y, query="protein")
    nobody = ModalityDict({**X}, present={"rna": np.zeros(len(y), dtype=bool)})
    with (
        pytest.warns(NoModalityWarning, match="'rna' is missing for every sample"),
        pytest.raises(ValueError, match=r"some training sample has, out of 'slide'\. Got 'rna'"),
    ):
        _fitted(nobody, y, query="rna")
    with pytest.raises(ValueError, match="'query' parameter"):
        _fitted(X, y, query=3)


def test_groups_with_unknown_columns():
    """They are named, with the group and the modality."""
    X, y = _data()
    with pytest.raises(ValueError, match=r"repair.*'rna'.*'zz'"):
        _fitted(X, y, feature_groups={"rna": {"growth": ["a"], "repair": ["b", "zz"]}})


def test_bilinear_fusion_of_one_modality():
    """It is refused with what to use instead."""
    X, y = _data()
    with pytest.raises(ValueError, match="fusion='concat'"):
        _fitted(X[["rna"]], y, fusion="bilinear")


def test_forms_of_the_attention_weights():
    """Tables give frames with names and ids, bags one weight an instance; each sums to 1 or is missing."""
    X, y = _data(missing=0.3)
    model = _fitted(X, y)
    weights, by_token = model.attention_weights(X), model.attention_weights(X, average=False)
    lengths = X["slide"].lengths

    assert list(weights) == ["rna", "slide"]
    assert list(weights["rna"]) == ["growth", "repair", "immune"]
    assert weights["rna"].index.equals(X.index)
    np.testing.assert_allclose(weights["rna"].sum(axis=1), X.is_present("rna"), atol=1e-6)
    assert isinstance(weights["slide"], BagArray)
    np.testing.assert_array_equal(weights["slide"].lengths, lengths)
    sums = [bag.sum() for bag in weights["slide"]]
    np.testing.assert_allclose(sums, X.is_present("slide"), atol=1e-6)
    pd.testing.assert_frame_equal(by_token["rna"], weights["rna"])
    row = int(np.flatnonzero(X.present.all(axis=1))[0])
    assert by_token["slide"][row].shape == (lengths[row], 3)
    np.testing.assert_allclose(by_token["slide"][row].sum(axis=0), 1, atol=1e-6)
    without_query = int(np.flatnonzero(~X.is_present("rna"))[0])
    np.testing.assert_allclose(np.ptp(by_token["slide"][without_query], axis=1), 0, atol=1e-7)


def test_attention_weights_of_images_and_volumes():
    """They lie on the grid of patches, by token with the tokens of the query after the samples."""
    rng = np.random.default_rng(0)
    y = np.arange(20) % 2
    X = ModalityDict(
        {
            "bag": BagArray.from_list([rng.random((n % 3 + 1, 8, 4)) for n in range(20)]),
            "image": rng.random((20, 12, 8, 3)),
            "rna": rng.normal(size=(20, 6)),
            "volume": rng.random((20, 4, 4, 8, 1)),
        },
        kinds={"bag": "bag", "image": "image", "rna": "table", "volume": "volume"},
    )
    options = {"feature_groups": 3, "patch_size": 4, "max_epochs": 1, "random_state": 0}
    model = MCATClassifier(8, **options).fit(X, y)
    weights, by_token = model.attention_weights(X), model.attention_weights(X, average=False)
    asked_by_bag = MCATClassifier(8, query="bag", **options).fit(X, y)
    ragged = asked_by_bag.attention_weights(X, average=False)

    assert weights["image"].shape == (20, 3, 2)
    assert by_token["image"].shape == (20, 3, 3, 2)
    assert weights["volume"].shape == (20, 1, 1, 2)
    assert weights["bag"][1].shape == (2, 2, 1)
    assert by_token["bag"][1].shape == (2, 2, 1, 3)
    assert [part.shape for part in ragged["image"][:3]] == [(2, 3, 2), (4, 3, 2), (6, 3, 2)]
    assert ragged["rna"][2].shape == (6, 3)
    assert ragged["bag"][1].shape == (2, 2, 1)
    np.testing.assert_allclose(weights["image"].sum(axis=(1, 2)), 1, atol=1e-6)
    np.testing.assert_allclose(ragged["image"][2].sum(axis=(1, 2)), 1, atol=1e-6)


def test_attention_weights_do_not_depend_on_the_batch():
    """Weights of a sample alone are those among others, whatever the longest bag."""
    X, y = _data(missing=0.2)
    model = _fitted(X, y)
    together = model.attention_weights(X)

    for row in range(5):
        alone = model.attention_weights(X[[row]])
        np.testing.assert_allclose(alone["slide"][0], together["slide"][row], atol=1e-6)
        np.testing.assert_allclose(alone["rna"].iloc[0], together["rna"].iloc[row], atol=1e-6)


def test_absent_key_equals_missing_rows():
    """Without the query, or without the bags, predictions and weights are those of missing rows."""
    X, y = _data(missing=0.3)
    model = _fitted(X, y)
    for name, other in (("rna", "slide"), ("slide", "rna")):
        rows = np.flatnonzero(X.is_present(other))
        part = X[rows]
        masks = {other: np.ones(len(rows), dtype=bool), name: np.zeros(len(rows), dtype=bool)}
        kept = {key: part[key] for key in X}
        if name == "slide":
            kept["slide"] = BagArray.from_list([None] * len(rows), instance_shape=(3,))
            masks.pop("slide")
        missing = ModalityDict(kept, present={key: masks[key] for key in masks if key == "rna"})
        absent = ModalityDict({other: part[other]})

        np.testing.assert_array_equal(model.predict_proba(absent), model.predict_proba(missing))
        np.testing.assert_array_equal(
            np.concatenate(list(model.attention_weights(absent)["slide"])),
            np.concatenate(list(model.attention_weights(missing)["slide"])),
        )


def test_a_bag_of_images_as_query_that_is_missing():
    """Samples without it have no tokens of it, and the answer of the token in its place."""
    rng = np.random.default_rng(0)
    y = np.arange(12) % 2
    bags = BagArray.from_list([rng.random((n % 3, 8, 8)) for n in range(12)])
    X = ModalityDict({"rna": rng.normal(size=(12, 4)), "scan": bags}, kinds={"scan": "bag"})
    model = _fitted(X, y, query="scan", feature_groups=2, patch_size=4)
    some, none = model.attention_weights(X, average=False), model.attention_weights(X[["rna"]], average=False)

    assert [part.shape for part in some["rna"][:3]] == [(0, 2), (4, 2), (8, 2)]
    assert [part.shape for part in none["rna"]] == [(0, 2)] * 12
    assert not none["scan"].lengths.any()
    averaged = model.attention_weights(X[["rna"]])["rna"]
    np.testing.assert_allclose(averaged.sum(axis=1), 1, atol=1e-6)
    pd.testing.assert_frame_equal(averaged[::3], model.attention_weights(X)["rna"][::3], atol=1e-6)


def test_modality_dropout_and_bfloat16():
    """A fit that leaves out modalities, and one in bfloat16, give finite probabilities."""
    X, y = _data(missing=0.3)
    for params in ({"modality_dropout": 0.5, "query_dropout": 0.25}, {"precision": "bfloat16"}):
        model = _fitted(X, y, **params)

        assert np.isfinite(model.predict_proba(X)).all()
        assert np.isfinite(model.history_["train_loss"]).all()
