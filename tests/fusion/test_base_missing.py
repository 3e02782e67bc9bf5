"""Missing modalities: one contract in fit and predict, no NaN anywhere."""

import numpy as np
import pytest

from skmm import ModalityDict
from skmm.exceptions import NoModalityWarning
from skmm.fusion import MMDynamicsClassifier, MMStaticClassifier

each_fusion = pytest.mark.parametrize("fusion", [MMDynamicsClassifier, MMStaticClassifier])
each_missing = pytest.mark.parametrize("missing", ["neutral", "zero"])


def _model(fusion, **params):
    """Return a small classifier."""
    return fusion(**{"hidden": 8, "max_epochs": 5, "random_state": 0, **params})


@each_fusion
@each_missing
def test_nothing_is_nan(fusion, missing, tables):
    """With a fifth of the entries missing every output is finite, and the fit is good."""
    X, y, _ = tables
    model = _model(fusion, missing=missing, max_epochs=40, lr=0.02, modality_dropout=0.2).fit(X, y)

    assert np.isfinite(model.predict_proba(X)).all()
    assert np.isfinite(model.transform(X)).all()
    assert np.isfinite(model.history_["train_loss"]).all()
    assert model.score(X, y) > 0.8


@each_fusion
@each_missing
def test_ways_of_being_missing_are_one(fusion, missing, tables):
    """An absent key, NaN rows and a False mask give the same answer."""
    X, y, _ = tables
    model = _model(fusion, missing=missing).fit(X, y)
    sparse = X["sparse"]
    absent = model.predict_proba(ModalityDict({"sparse": sparse}))
    nan = model.predict_proba({"dense": np.full((30, 5), np.nan), "sparse": sparse})
    mask = ModalityDict({"dense": np.ones((30, 5)), "sparse": sparse}, present={"dense": np.zeros(30, bool)})

    np.testing.assert_array_equal(absent, nan)
    np.testing.assert_array_equal(absent, model.predict_proba(mask))


@each_fusion
def test_masked_content_has_no_influence(fusion, tables):
    """What stands in absent entries changes nothing, neither in fit nor in predict."""
    X, y, _ = tables
    present = {"dense": X.is_present("dense"), "sparse": X.is_present("sparse")}
    rng = np.random.default_rng(0)
    answers = []
    for junk in (0.0, 1e300):
        dense = np.where(
            present["dense"][:, None], np.nan_to_num(X["dense"]), rng.normal(size=(30, 5)) + junk
        )
        filled = ModalityDict({"dense": dense, "sparse": X["sparse"]}, present=present)
        answers.append(_model(fusion).fit(filled, y).predict_proba(filled))

    np.testing.assert_array_equal(*answers)


@each_fusion
def test_samples_with_nothing_get_the_prior(fusion, tables):
    """predict_proba gives the weighted class prior, and warns once with count and rows."""
    X, y, _ = tables
    weights = np.where(y == "a", 3.0, 1.0)
    model = _model(fusion).fit(X, y, sample_weight=weights)
    some = ModalityDict(X, present={name: np.arange(30) > 1 for name in X})

    with pytest.warns(NoModalityWarning, match="2 samples.*0, 1") as caught:
        proba = model.predict_proba(some)

    assert len(caught) == 1
    assert caught[0].filename == __file__
    np.testing.assert_allclose(proba[:2], [[0.6, 0.2, 0.2]] * 2, rtol=1e-6)
    np.testing.assert_array_equal(proba[2:], model.predict_proba(X)[2:])
    for method in (model.predict, model.transform):
        with pytest.warns(NoModalityWarning) as caught:
            method(some)
        assert len(caught) == 1


@each_fusion
def test_fit_leaves_out_samples_with_nothing(fusion, tables):
    """They change nothing but for one warning; without any other sample fit raises."""
    X, y, _ = tables
    kept = np.arange(30) > 1
    some = ModalityDict(X, present=dict.fromkeys(X, kept))

    with pytest.warns(NoModalityWarning, match="2 samples.*0, 1") as caught:
        model = _model(fusion, batch_size=-1).fit(some, y)
    fewer = _model(fusion, batch_size=-1).fit(X[kept], y[kept])

    assert len(caught) == 1
    assert caught[0].filename == __file__
    np.testing.assert_allclose(model.predict_proba(X), fewer.predict_proba(X), atol=1e-6)
    nothing = ModalityDict(X, present=dict.fromkeys(X, np.zeros(30, bool)))
    with pytest.raises(ValueError, match="no sample|No sample|nothing|modality"):
        _model(fusion).fit(nothing, y)


@each_fusion
def test_a_modality_that_nobody_has_is_left_out(fusion, tables):
    """fit warns, and the model is that of the others; samples with that modality alone get the prior."""
    X, y, _ = tables
    seen = X.is_present("dense")
    without = ModalityDict({"dense": X["dense"], "mirna": np.full((30, 3), np.nan)})[seen]
    with pytest.warns(NoModalityWarning, match="'mirna'"):
        model = _model(fusion, hidden={"dense": 8, "mirna": 4}).fit(without, y[seen])
    alone = _model(fusion).fit({"dense": X["dense"][seen]}, y[seen])

    assert model.modalities_ == ("dense",)
    np.testing.assert_array_equal(
        model.predict_proba(without), alone.predict_proba({"dense": X["dense"][seen]})
    )
    with pytest.warns(NoModalityWarning):
        proba = model.predict_proba({"mirna": np.ones((2, 3))})
    np.testing.assert_allclose(proba, [model.class_prior_] * 2, rtol=1e-6)


def test_weights_of_none_for_those_with_something(tables):
    """Where all samples that have a modality weigh nothing, the message says so."""
    X, y, _ = tables
    some = ModalityDict(X, present={name: np.arange(30) > 1 for name in X})

    with pytest.warns(NoModalityWarning), pytest.raises(ValueError, match="some weight that is not zero"):
        _model(MMStaticClassifier).fit(some, y, sample_weight=(np.arange(30) < 2).astype(float))


@each_fusion
def test_neutral_vectors_are_learned(fusion, tables):
    """Where modalities are missing in training the vectors move, with "zero" there are none."""
    X, y, _ = tables

    def neutral(**params):
        state = _model(fusion, **params).fit(X, y).net_.module_.state_dict()
        return [value for name, value in state.items() if "neutral" in name]

    assert all(vector.abs().sum() > 0 for vector in neutral(missing="neutral"))
    assert neutral(missing="zero") == []


@each_fusion
def test_modality_dropout_helps_where_modalities_go_missing(fusion):
    """A model trained with it predicts better from the weaker modality alone."""
    rng = np.random.default_rng(0)
    y = np.arange(300) % 2
    X = {"strong": rng.normal(size=(300, 3)) + 6 * y[:, None], "weak": rng.normal(size=(300, 5))}
    X["weak"][:, 0] += 2.5 * y
    scores = [
        _model(fusion, max_epochs=30, lr=0.02, modality_dropout=share).fit(X, y).score({"weak": X["weak"]}, y)
        for share in (0.0, 0.5)
    ]

    assert scores[1] > 0.8
    assert scores[1] >= scores[0]
