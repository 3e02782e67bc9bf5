"""Early stopping: whole groups, every class in training, and the best weights."""

import numpy as np
import pytest
import torch
from sklearn.model_selection import StratifiedGroupKFold, cross_validate

from skmm import ModalityDict
from skmm.fusion import MMStaticClassifier


def _data(n_samples=80):
    """Return one table of two noisy classes with two samples a patient, and labels."""
    rng = np.random.default_rng(0)
    patients = np.arange(n_samples) // 2
    y = patients % 2
    X = ModalityDict({"a": rng.normal(size=(n_samples, 20)) + 0.5 * y[:, None]}, groups=patients)
    return X, y


def _model(**params):
    """Return a small classifier that stops early."""
    return MMStaticClassifier(
        **{"hidden": 16, "early_stopping": True, "max_epochs": 30, "random_state": 0, **params}
    )


def _held_out(model):
    """Return a bool array of the 80 rows: held out or not."""
    return np.isin(np.arange(80), model.validation_rows_)


@pytest.mark.parametrize("given", [False, True])
def test_groups_do_not_straddle(given):
    """Patients, given or travelling with X, are on one side of the split, both classes on either."""
    X, y = _data()
    groups = np.arange(80) // 4 if given else None
    model = _model(validation_fraction=0.25).fit(X, y, groups=groups)
    held_out, groups = _held_out(model), X.groups if groups is None else groups

    assert not set(groups[held_out]) & set(groups[~held_out])
    assert set(y[held_out]) == set(y[~held_out]) == {0, 1}
    assert held_out.mean() == pytest.approx(0.25, abs=0.06)


def test_without_groups_rows_are_split():
    """Without groups the split is by row and stratified."""
    X, y = _data()
    held_out = _held_out(_model(validation_fraction=0.2).fit({"a": X["a"]}, y))

    assert np.bincount(y[held_out]).tolist() == [8, 8]
    assert set(X.groups[held_out]) & set(X.groups[~held_out])


def test_the_best_epoch_comes_back():
    """The loss of the final model on the held-out rows is the lowest of the history."""
    X, y = _data()
    model = _model(lr=0.02, n_iter_no_change=8, tol=0.0, weight_decay=0.0).fit(X, y)
    rows = model.validation_rows_
    proba = model.predict_proba(X)[rows, y[rows]]

    history = model.history_
    assert model.best_epoch_ == history["valid_loss"].idxmin() + 1
    assert len(history) == model.best_epoch_ + 8 < 30
    assert -np.log(proba).mean() == pytest.approx(history["valid_loss"].min(), rel=1e-5)
    accuracy = (model.predict(X)[rows] == y[rows]).mean()
    assert accuracy == pytest.approx(history["valid_accuracy"][model.best_epoch_ - 1])


def test_no_gradient_comes_from_the_held_out_rows():
    """Other values in the held-out rows leave the first epoch of training as it is."""
    X, y = _data()
    first = _model(max_epochs=1).fit(X, y)
    table = X["a"].copy()
    table[first.validation_rows_] += 100
    second = _model(max_epochs=1).fit(ModalityDict({"a": table}, groups=X.groups), y)

    states = (model.net_.module_.state_dict() for model in (first, second))
    assert all(torch.equal(a, b) for a, b in zip(*(state.values() for state in states), strict=True))


def test_patients_stay_whole_inside_cross_validation():
    """In each fit of a grouped cross-validation the held-out rows share no patient with the trained ones."""
    X, y = _data()
    results = cross_validate(
        _model(max_epochs=2),
        X,
        y,
        groups=X.groups,
        cv=StratifiedGroupKFold(3),
        return_estimator=True,
        return_indices=True,
    )

    for model, rows in zip(results["estimator"], results["indices"]["train"], strict=True):
        groups = X.groups[rows]
        held_out = np.isin(np.arange(len(rows)), model.validation_rows_)
        assert held_out.any()
        assert not set(groups[held_out]) & set(groups[~held_out])


def test_a_class_of_one_stays_in_training():
    """A class with a single sample is learned from, never validated on."""
    X, y = _data()
    y = y.copy()
    y[17] = 2
    for seed in range(5):
        model = _model(max_epochs=1, random_state=seed).fit({"a": X["a"]}, y)
        assert 17 not in model.validation_rows_


def test_nothing_to_hold_out():
    """Two samples of two classes cannot be split; the message says what to do."""
    with pytest.raises(ValueError, match="early_stopping=False"):
        _model().fit({"a": np.eye(2)}, [0, 1])


def test_only_weights_that_matter_are_split():
    """Rows of weight 0 are neither trained nor validated on."""
    X, y = _data()
    weights = (np.arange(80) % 8 > 3).astype(float)
    model = _model(max_epochs=1).fit(X, y, sample_weight=weights)

    assert weights[model.validation_rows_].all()


def test_without_it_there_is_no_validation():
    """The history has no validation columns, and the attributes say None."""
    X, y = _data()
    model = _model(early_stopping=False, max_epochs=2).fit(X, y)

    assert model.history_.columns.tolist() == ["epoch", "train_loss", "duration"]
    assert model.best_epoch_ is None
    assert model.validation_rows_ is None
