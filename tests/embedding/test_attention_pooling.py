"""Weights of instances that labels teach."""

import pickle

import numpy as np
import pytest
import torch
from joblib import parallel_config
from sklearn import config_context
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, LeaveOneGroupOut, ShuffleSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmm import BagArray, ModalityDict
from skmm.compose import ModalityTransformer
from skmm.embedding import AttentionPooling
from skmm.embedding import _bags as bags_module
from skmm.exceptions import NoModalityWarning

STEPS = {"batch_size": -1, "lr": 0.05}  # a step an epoch
QUICK = {"hidden": 4, "max_epochs": 3, "random_state": 0}


def _data(n_samples=60, width=6, seed=0, signal=2.0):
    """Return bags in which one marked instance tells the class, the labels, and the marked instances."""
    rng = np.random.default_rng(seed)
    y = np.where(rng.random(n_samples) < 0.5, "ill", "healthy")
    lengths = rng.integers(3, 8, n_samples)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    values = rng.normal(size=(offsets[-1], width))
    marked = offsets[:-1] + rng.integers(0, lengths)
    values[marked, 0] += 4
    values[marked, 1] += np.where(y == "ill", signal, -signal)
    return BagArray(values, offsets), y, marked


@pytest.fixture(scope="module")
def fitted():
    """Return a pooling fitted to the marked instances, and its data."""
    bags, y, marked = _data()
    return AttentionPooling(**STEPS, hidden=8, n_heads=2, random_state=0).fit(bags, y), bags, y, marked


@pytest.mark.parametrize(("attention", "expected"), [("softmax", 0.75), ("gated", 0.9)])
def test_learns_which_instance_counts(attention, expected):
    """The attention is trained: it finds the instance that tells the class, also in new samples."""
    (bags, y, _), (new, new_y, marked) = _data(120), _data(120, seed=1)
    pooling = AttentionPooling(attention, **STEPS, hidden=8, cv=2, random_state=0)

    vectors = pooling.fit_transform(bags, y)

    weights = pooling.attention_weights(new)
    assert weights.values[marked, 0].mean() > 0.33  # bags have 5 instances: untrained, it is 0.2
    model = LogisticRegression().fit(vectors, y)
    assert model.score(pooling.transform(new), new_y) > expected
    mean = np.stack([bag.mean(axis=0) for bag in new])
    trained_on_means = LogisticRegression().fit(np.stack([bag.mean(axis=0) for bag in bags]), y)
    assert model.score(pooling.transform(new), new_y) > trained_on_means.score(mean, new_y)


@pytest.mark.parametrize("attention", ["softmax", "gated"])
def test_every_parameter_is_trained(attention):
    """No layer keeps its initial weights, as those of the published notebook did."""
    bags, y, _ = _data()
    options = {**QUICK, "attention": attention, "n_heads": 2, "weight_decay": 0.0}
    short = AttentionPooling(**{**options, "max_epochs": 1, "lr": 1e-12}).fit(bags, y)
    longer = AttentionPooling(**options).fit(bags, y)

    before, after = (dict(model.net_.module_.named_parameters()) for model in (short, longer))
    assert set(before) > {"pooling.score.weight", "classifier.weight"}
    for name, parameter in after.items():
        assert (parameter - before[name]).abs().max() > 1e-4, name
    assert not longer.net_.module_.training


def test_vectors_are_weighted_means_of_the_instances_as_they_came(fitted):
    """Pooled vectors are what the attention weights say, head beside head, in the instances' own units."""
    pooling, bags, _, _ = fitted
    shifted = BagArray(1000 + bags.values, bags.offsets)

    weights = pooling.attention_weights(bags)
    pooled = pooling.transform(bags)

    np.testing.assert_array_equal(weights.offsets, bags.offsets)
    for vector, bag, weight in zip(pooled, bags, weights, strict=True):
        assert weight.shape == (len(bag), 2)
        np.testing.assert_allclose(weight.sum(axis=0), 1, rtol=1e-6)
        np.testing.assert_allclose(vector, (weight.T @ bag).ravel(), rtol=1e-5, atol=1e-6)
    again = clone(pooling).fit(shifted, _data()[1])  # standardized, they are the same
    np.testing.assert_allclose(again.transform(shifted), pooled + 1000, atol=0.01)


def test_random_labels_leak_from_fit_transform_of_nobody():
    """With labels of chance a classifier is at chance after fit_transform, far above after fit, transform."""
    rng = np.random.default_rng(0)
    bags = BagArray(rng.normal(size=(800, 40)), np.arange(0, 801, 8))
    y = rng.permutation(np.repeat(["a", "b"], 50))
    pooling = AttentionPooling("softmax", **STEPS, dropout=0.0, weight_decay=0.0, random_state=0)
    model = make_pipeline(StandardScaler(), LogisticRegression())

    crossed, leaked = pooling.fit_transform(bags, y), pooling.fit(bags, y).transform(bags)

    assert cross_val_score(model, leaked, y).mean() > 0.75
    assert abs(cross_val_score(model, crossed, y).mean() - 0.5) < 0.15


def test_no_label_of_its_group_reaches_a_sample():
    """Other labels of a group leave the vectors of all of its samples as they are, to the last bit."""
    bags, _, _ = _data(24)
    y, groups = np.tile([0, 1, 1, 0], 6), np.repeat(["p", "q", "r"], 8)
    changed = np.where(groups == "q", 1 - y, y)
    for cv in (LeaveOneGroupOut(), 3):
        pooling = AttentionPooling(**{**QUICK, "cv": cv})

        before = pooling.fit_transform(bags, y, groups=groups)
        after = pooling.fit_transform(bags, changed, groups=groups)
        trained = pooling.fit(bags, changed).transform(bags)

        own = groups == "q"
        np.testing.assert_array_equal(after[own], before[own])
        assert not np.allclose(after[~own], before[~own])
        assert not np.allclose(trained[own], before[own])


def test_groups_travel_through_a_modality_transformer():
    """The groups of a ModalityDict keep its folds apart; a sample without the modality stays missing."""
    bags, _, _ = _data(24)
    y, groups = np.tile([0, 1, 1, 0], 6), np.repeat(["p", "q", "r"], 8)
    lists = [*bags]
    lists[5] = None
    X = ModalityDict({"scan": BagArray.from_list(lists)}, groups=groups)
    prepare = ModalityTransformer({"scan": AttentionPooling(**QUICK, cv=3)})

    out = prepare.fit_transform(X, y)

    kept = np.arange(24) != 5
    alone = AttentionPooling(**QUICK, cv=3).fit_transform(bags[kept], y[kept], groups=groups[kept])
    assert out.is_present("scan").tolist() == kept.tolist()
    np.testing.assert_array_equal(np.asarray(out["scan"])[kept], alone)
    final = prepare.transformers_["scan"].transform(bags[kept])
    np.testing.assert_array_equal(np.asarray(prepare.transform(X)["scan"])[kept], final)
    assert not np.allclose(final, alone)


def test_folds_start_from_the_same_weights():
    """The networks of folds agree: from starts of their own, some would look at the other class."""
    rng = np.random.default_rng(0)
    y = np.repeat(["no", "yes"], 30)
    bags = BagArray(rng.normal(size=(300, 2)), np.arange(0, 301, 5))
    bags.values[::5, 0] = np.where(y == "yes", 3, -3)
    pooling = AttentionPooling("softmax", **STEPS, cv=3, random_state=0)

    crossed = pooling.fit_transform(bags, y)
    final = pooling.transform(bags)

    assert np.corrcoef(crossed[:, 0], final[:, 0])[0, 1] > 0.9


def test_same_seed_same_model():
    """Two fits are equal to the last bit, also in threads and pickled; another seed is another model."""
    bags, y, _ = _data(30)
    pooling = AttentionPooling(**QUICK)

    first = pooling.fit(bags, y).transform(bags)
    vectors = pooling.fit_transform(bags, y)

    np.testing.assert_array_equal(pooling.transform(bags), first)
    np.testing.assert_array_equal(clone(pooling).fit_transform(bags, y), vectors)
    with parallel_config("threading"):
        found = clone(pooling).set_params(n_jobs=2).fit_transform(bags, y)
    np.testing.assert_array_equal(found, vectors)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(pooling)).transform(bags), first)
    other = clone(pooling).set_params(random_state=1).fit(bags, y)
    assert not np.array_equal(other.transform(bags), first)


def test_sample_alone_and_among_others(fitted, monkeypatch):
    """A bag has the same vector alone, in any company, and whatever is read at once."""
    pooling, bags, _, _ = fitted
    expected = pooling.transform(bags)

    np.testing.assert_allclose(pooling.transform(bags[[7]])[0], expected[7], rtol=1e-5, atol=1e-6)
    monkeypatch.setattr(bags_module, "_VALUES", 50)
    np.testing.assert_allclose(pooling.transform(bags), expected, rtol=1e-5, atol=1e-6)


def test_order_of_instances_and_forms_of_bags(fitted):
    """Instances in another order, and lists of arrays, have the same vectors."""
    pooling, bags, _, _ = fitted
    expected = pooling.transform(bags)

    np.testing.assert_array_equal(pooling.transform(list(bags)), expected)
    turned = [bag[::-1] for bag in bags]
    np.testing.assert_allclose(pooling.transform(turned), expected, rtol=1e-5, atol=1e-6)


def test_missing_bags(fitted):
    """Samples without a bag are left out of the training with a warning, and their vectors are NaN."""
    bags, y, _ = _data(31)
    lists = [*bags]
    lists[4] = None

    with pytest.warns(NoModalityWarning, match=r"1 sample has no modality.*rows 4.*fit leaves them out"):
        vectors = AttentionPooling(**QUICK).fit_transform(lists, y)

    assert np.isnan(vectors).all(axis=1).tolist() == (np.arange(31) == 4).tolist()
    kept = np.arange(31) != 4
    np.testing.assert_array_equal(AttentionPooling(**QUICK).fit_transform(bags[kept], y[kept]), vectors[kept])
    pooling = fitted[0]
    found = pooling.attention_weights([bags[0], None, bags[1]])
    assert found.lengths.tolist() == [len(bags[0]), 0, len(bags[1])]
    assert np.isnan(pooling.transform([bags[0], None])[1]).all()


def test_weights_of_samples_and_early_stopping():
    """A sample of weight 0 teaches nothing, yet is pooled; early stopping keeps the best epoch."""
    bags, y, _ = _data(40)
    weight = np.where(np.arange(40) < 8, 0.0, 1.0)
    changed = np.where(np.arange(40) < 8, "ill", y)
    pooling = AttentionPooling(**{**QUICK, "early_stopping": True, "cv": KFold(2)})

    first = pooling.fit(bags, y, sample_weight=weight).transform(bags)

    assert pooling.best_epoch_ == pooling.history_["valid_loss"].argmin() + 1
    np.testing.assert_array_equal(pooling.fit(bags, changed, sample_weight=weight).transform(bags), first)
    assert np.isfinite(pooling.fit_transform(bags, y, sample_weight=weight)).all()


def test_types_names_and_output():
    """float32 stays, with float64 arithmetic too; names are those of the class; DataFrames on request."""
    bags, y, _ = _data(20)
    small = BagArray(bags.values.astype(np.float32), bags.offsets)

    pooling = AttentionPooling(**QUICK, precision="float64", n_heads=2).fit(small, y)
    with config_context(transform_output="pandas"):
        frame = pooling.transform(small)

    assert (frame.dtypes == np.float32).all()
    assert frame.columns.tolist() == [f"attentionpooling{column}" for column in range(12)]
    assert pooling.attention_weights(small).dtype == np.float64
    assert next(pooling.net_.module_.parameters()).dtype == torch.float64


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"attention": "sparse"}, "'attention' parameter of AttentionPooling must be 'softmax' or 'gated'"),
        ({"hidden": 0}, "'hidden' parameter"),
        ({"cv": 1}, "'cv' parameter .* must be an int in the range .* or a cross-validator"),
        ({"dropout": 1.0}, "'dropout' parameter"),
    ],
)
def test_parameters(params, match):
    """Parameters that are not allowed are named, with what is."""
    bags, y, _ = _data(20)
    with pytest.raises(ValueError, match=match):
        AttentionPooling(**params).fit(bags, y)


def test_data_that_are_refused():
    """One class, missing labels, few groups, folds that overlap, and a fold that takes a class with it."""
    bags, y, _ = _data(20)
    pooling = AttentionPooling(**QUICK)

    with pytest.raises(ValueError, match="at least 2 classes.*single class 'ill' in X"):
        pooling.fit(bags, np.full(20, "ill"))
    with pytest.raises(ValueError, match="requires y"):
        pooling.fit(bags, None)
    with pytest.raises(ValueError, match="cv=5 needs at least as many groups. Got 4"):
        pooling.fit_transform(bags, y, groups=np.arange(20) % 4)
    with pytest.raises(ValueError, match="cv must test each sample exactly once"):
        clone(pooling).set_params(cv=ShuffleSplit(3, random_state=0)).fit_transform(bags, y)
    with pytest.raises(ValueError, match="single class 'b' in the samples outside of fold 1"):
        clone(pooling).set_params(cv=KFold(2)).fit_transform(bags, np.repeat(["a", "b"], 10))
