"""Several labels a sample: the loss in closed form, columns of probabilities, and what is refused."""

import pickle

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_score

from skmm.exceptions import NoModalityWarning
from skmm.fusion import ImageTextClassifier
from skmm.fusion._several_labels import LabelSetLoss, encode_label_sets, label_weights


def _model(**params):
    """Return a small classifier."""
    small = {"hidden": 8, "n_filters": 4, "embedding_dim": 8, "max_epochs": 2, "random_state": 0}
    return ImageTextClassifier(**{**small, **params})


@pytest.mark.parametrize("balanced", [False, True])
def test_loss_is_the_sum_of_cross_entropies(balanced):
    """The loss at a sample's own set of labels is the weighted sum of its labels' cross-entropies."""
    rng = np.random.default_rng(0)
    y = (rng.random((50, 4)) < [0.1, 0.5, 0.8, 0.4]).astype(int)
    weights = rng.random(50)
    sets, codes = encode_label_sets(range(50), y, "model")
    factors = label_weights(sets, codes, weights, balanced=balanced)
    scores = torch.from_numpy(rng.normal(size=(50, 4)))

    found = LabelSetLoss(sets, factors).double()(scores).gather(1, torch.from_numpy(codes)[:, None])[:, 0]

    np.testing.assert_array_equal(sets[codes], y)
    each = torch.nn.functional.binary_cross_entropy_with_logits(
        scores, torch.from_numpy(y).double(), reduction="none"
    )
    chosen = np.where(y == 1, factors[1], factors[0])
    np.testing.assert_allclose(found, (each.numpy() * chosen).sum(axis=1), rtol=1e-5)
    if balanced:
        np.testing.assert_allclose(weights @ (y * factors[1]), weights @ ((1 - y) * factors[0]))
    else:
        assert (factors == 1).all()


def test_labels_are_learned(chest):
    """Each label has a column of probabilities of its own, and both signs of a sample are found."""
    X, signs = chest(80)
    model = _model(hidden=32, max_epochs=25, n_filters=16, lr=5e-3).fit(X[:60], signs[:60])
    proba = model.predict_proba(X[60:])

    assert proba.shape == (20, 2)
    assert roc_auc_score(signs[60:, 0], proba[:, 0]) > 0.9
    assert roc_auc_score(signs[60:, 1], proba[:, 1]) > 0.9
    np.testing.assert_array_equal(model.predict(X[60:]), proba > 0.5)
    np.testing.assert_array_equal(model.classes_, [[0, 1], [0, 1]])
    both = cross_val_score(model.set_params(max_epochs=1), X, signs, cv=2, scoring="roc_auc")
    assert np.isfinite(both).all()


def test_prior_is_the_share_of_each_label(chest):
    """Samples without a modality get the weighted shares of the labels, with a warning."""
    X, signs = chest(20)
    signs[:3, 0] = 1
    weights = np.arange(1.0, 21.0)
    model = _model().fit(X, signs, sample_weight=weights)

    with pytest.warns(NoModalityWarning, match="share|prior"):
        proba = model.predict_proba({"note": [None, None]})

    np.testing.assert_allclose(proba, [weights @ signs / weights.sum()] * 2, rtol=1e-6)


def test_a_label_that_never_occurs(chest):
    """A column of zeros is no obstacle: its probability is low, and all others are learned as ever."""
    X, signs = chest(20)
    proba = _model(max_epochs=10).fit(X, np.column_stack([signs, np.zeros(20, dtype=int)])).predict_proba(X)

    assert (proba[:, 2] < 0.5).all()
    assert np.isfinite(proba).all()


def test_sparse_labels(chest):
    """A sparse table of labels gives the same model as a dense one."""
    X, signs = chest(20)
    dense, thin = _model().fit(X, signs), _model().fit(X, sparse.csr_array(signs))

    np.testing.assert_array_equal(dense.predict_proba(X), thin.predict_proba(X))


def test_pretraining_on_labels(chest):
    """Encoders that were trained on several labels go into a classifier of one."""
    X, signs = chest(20)
    X, signs = X[6:], signs[6:]  # no image is missing
    many = _model().fit(X[["xray"]], np.tile(signs, 7))
    model = _model(image_encoder=FrozenEstimator(many), image_lr=0).fit(X, signs[:, 1])

    assert many.predict_proba(X[["xray"]]).shape == (14, 14)
    first, second = (m.net_.module_.branch("xray").state_dict() for m in (many, model))
    for name, value in first.items():
        torch.testing.assert_close(second[name], value)


def test_one_label_after_several(chest):
    """A new fit with one label a sample forgets that there were several."""
    X, signs = chest(20)
    model = _model().fit(X, signs).fit(X, signs[:, 0])

    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1, rtol=1e-6)
    assert model.predict(X).shape == (20,)


@pytest.mark.parametrize(
    ("params", "labels", "message"),
    [
        ({"class_weight": {0: 1.0, 1: 2.0}}, None, "class_weight must be 'balanced' or None"),
        ({}, np.ones((20, 2), dtype=int), "differ in a label.*20 samples which all have the labels 0, 1"),
        ({}, np.ones((19, 2), dtype=int), "inconsistent numbers of samples"),
        (
            {},
            np.full((20, 2), 3) + np.eye(2, dtype=int)[np.arange(20) % 2],
            r"1 where a sample has it.*\[3, 4\]",
        ),
    ],
)
def test_refused(chest, params, labels, message):
    """Weights by class, labels without a difference, wrong lengths and numbers but 0 and 1 are errors."""
    X, signs = chest(20)
    with pytest.raises(ValueError, match=message):
        _model(**params).fit(X, signs if labels is None else labels)


def test_going_on_is_refused(chest):
    """partial_fit and warm_start take one label a sample, before and after."""
    X, signs = chest(20)
    several = _model(warm_start=True).fit(X, signs)
    for call in (
        lambda: several.fit(X, signs),
        lambda: several.partial_fit(X, signs[:, 0]),
        lambda: several.partial_fit(X, signs[:, 0], classes=[0, 1]),
        lambda: _model().partial_fit(X, signs, classes=[0, 1]),
    ):
        with pytest.raises(ValueError, match="one label a sample"):
            call()


def test_rare_labels_are_validated_too():
    """Early stopping holds out samples with labels, though nearly all sets of labels occur once."""
    rng = np.random.default_rng(0)
    y = np.zeros((60, 14), dtype=int)
    y[30:] = rng.integers(0, 2, size=(30, 14))
    options = {"early_stopping": True, "validation_fraction": 0.2}
    for labels in (y, rng.integers(0, 2, size=(60, 14))):
        model = _model(**options).fit(rng.normal(size=(60, 3)), labels)
        held_out = labels[model.validation_rows_].any(axis=1)

        assert len(held_out) == 12
        assert held_out.mean() == pytest.approx(labels.any(axis=1).mean(), abs=0.1)


def test_loss_keeps_its_digits_in_bfloat16():
    """Sums over labels are of float32 within layers of bfloat16."""
    sets = np.eye(14, dtype=int)
    loss = LabelSetLoss(sets, np.full((2, 14), 1.01))
    scores = torch.linspace(-3, 3, 28).reshape(2, 14)

    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = loss(scores)

    assert found.dtype is torch.float32
    torch.testing.assert_close(found, loss(scores))


def test_a_failed_fit_leaves_nothing_to_pickle(chest):
    """What was made before the network is not kept where the network cannot be made."""
    X, signs = chest(20)
    model = _model(word_vectors={"xylophone": [1.0]})
    with pytest.raises(ValueError, match="know none"):
        model.fit(X, signs)

    assert not {"_ready", "_label_loss"} & set(vars(pickle.loads(pickle.dumps(model))))
