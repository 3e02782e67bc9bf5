"""What the fusion classifiers refuse, and that nothing of the caller's is changed."""

import numpy as np
import pytest

from skmm.fusion import MMDynamicsClassifier


def _data(n_samples=60, n_classes=3, seed=0):
    """Return two tables that tell the class, and labels."""
    rng = np.random.default_rng(seed)
    codes = np.arange(n_samples) % n_classes
    X = {name: rng.normal(size=(n_samples, n)) for name, n in (("rna", 6), ("protein", 4))}
    X["rna"][np.arange(n_samples), codes] += 2.5
    X["protein"][np.arange(n_samples), codes] += 2.5
    return X, np.array(["low", "mid", "top", "max"])[codes]


def _model(fusion=MMDynamicsClassifier, **params):
    """Return a small classifier."""
    return fusion(**{"hidden": 8, "max_epochs": 5, "random_state": 0, **params})


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"hidden": 0}, r"'hidden' parameter of MMDynamicsClassifier must be an int in the range \[1, inf\)"),
        ({"hidden": {"rna": 4}}, "hidden must give a width for every modality.*'protein'"),
        ({"hidden": {"rna": 4, "protein": 4, "mri": 4}}, "hidden.*'mri'"),
        ({"hidden": {"rna": 4, "protein": 0.5}}, "widths in hidden must be an int"),
        ({"dropout": 1.0}, "dropout"),
        ({"lr": 0}, "lr"),
        ({"batch_size": 0}, "batch_size"),
        ({"max_epochs": 1.5}, "max_epochs"),
        ({"optimizer": "lbfgs"}, "optimizer"),
        ({"optimizer": int}, "subclass of torch.optim.Optimizer"),
        ({"validation_fraction": 1.0}, "validation_fraction"),
        ({"missing": "mean"}, "missing"),
        ({"class_weight": "even"}, "class_weight"),
        ({"precision": "float16"}, "precision"),
        ({"callbacks": "early"}, "callbacks"),
        ({"random_state": "zero"}, "zero"),
        ({"feature_gate": "full"}, "feature_gate"),
        ({"confidence_activation": "relu"}, "confidence_activation"),
        ({"gate_penalty": -1}, "gate_penalty"),
    ],
)
def test_parameters_are_checked_in_fit(params, message):
    """A wrong value raises in fit, naming the parameter; the constructor takes anything."""
    X, y = _data()
    model = MMDynamicsClassifier(**params)

    with pytest.raises(ValueError, match=message):
        model.fit(X, y)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X: {**X, "mri": X["rna"]}, "mri"),
        (lambda X: {**X, "rna": X["rna"][:, :4]}, "rna"),
        (lambda X: {**X, "rna": X["rna"][:-1]}, "same number of samples"),
        (lambda X: {**X, "rna": np.where(np.arange(6) == 2, np.nan, X["rna"])}, "'rna'.*NaN|NaN.*'rna'"),
        (lambda X: {**X, "rna": np.full((60, 6), np.inf)}, "infinit"),
        (lambda X: {**X, "rna": np.full((60, 6), "a", dtype=object)}, "rna"),
        (lambda X: {**X, "rna": np.zeros((60, 6, 6))}, "rna"),
    ],
)
def test_bad_data_at_predict(change, message):
    """Unknown names, other widths, kinds and lengths, partial NaN, infinities and strings are named."""
    X, y = _data()
    model = _model(max_epochs=1).fit(X, y)

    with pytest.raises(ValueError, match=message):
        model.predict_proba(change(X))


def test_bad_data_at_fit():
    """Images, one class, lengths that differ and partly NaN rows are refused before any training."""
    X, y = _data()
    with pytest.raises(ValueError, match="image"):
        _model().fit({**X, "scan": np.zeros((60, 4, 4))}, y)
    with pytest.raises(ValueError, match="at least 2 classes. Got the single class 'low'"):
        _model().fit(X, np.full(60, "low"))
    with pytest.raises(ValueError, match="single class 'mid'"):
        _model().fit(X, y, sample_weight=(y == "mid").astype(float))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        _model().fit(X, y[:-1])
    X["rna"][[3, 9], 0] = np.nan
    with pytest.raises(ValueError, match="'rna'") as error:
        _model().fit(X, y)
    assert "3, 9" in str(error.value)


def test_values_that_overflow_are_refused():
    """Where the network overflows on new values, the rows are named: no NaN comes out."""
    X, y = _data()
    model = _model(standardize=False, confidence_activation=None).fit(X, y)
    X["rna"][7] = 1e38

    with pytest.raises(ValueError, match=r"overflows in 1 samples \(rows 7\).*standardize=True"):
        model.predict_proba(X)


def test_the_caller_s_data_are_not_changed():
    """Read-only arrays are taken, and nothing of X, y and weights changes."""
    X, y = _data()
    X["rna"][4] = np.nan
    weights = np.ones(60)
    kept = {name: x.copy() for name, x in X.items()}
    for array in (*X.values(), y, weights):
        array.flags.writeable = False

    _model(class_weight="balanced").fit(X, y, sample_weight=weights).predict(X)

    assert X.keys() == kept.keys()
    assert all(np.array_equal(X[name], kept[name], equal_nan=True) for name in X)
    assert (weights == 1).all()
