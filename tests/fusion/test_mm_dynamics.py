"""MM dynamics: the formulas in closed form, what a missing modality changes, what users look at."""

import numpy as np
import pandas as pd
import pytest
import torch

from skmm import ModalityDict
from skmm._training._net import FusionLoss
from skmm.exceptions import NoModalityWarning
from skmm.fusion import MMDynamicsClassifier
from skmm.fusion._mm_dynamics_network import Branch, MMDynamicsModule, table_parts

SHAPES = {"a": (4,), "b": (3,)}
DEFAULTS = {
    "dropout": 0.0,
    "missing": "neutral",
    "feature_gate": "dense",
    "gate_rank": 2,
    "confidence_weighting": True,
    "confidence_activation": None,
    "detach_confidence": True,
    "gate_penalty": 1.0,
    "confidence_penalty": 1.0,
    "classification_penalty": 1.0,
}


@pytest.fixture(autouse=True)
def keep_torch_state():
    """Give torch's global state back as it was: layers are made with it."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def _module(**params):
    """Return a network with random parameters, biases and neutral vectors too."""
    params = {**DEFAULTS, **params}
    gate = {name: params.pop(name) for name in ("feature_gate", "gate_rank")}
    heads = {
        "confidence": params.pop("confidence_weighting"),
        "dropout": params.pop("dropout"),
        "neutral": params.pop("missing") == "neutral",
    }
    branches = {
        name: Branch(width, 3, **table_parts(n_features, width, **gate), **heads)
        for (name, (n_features,)), width in zip(SHAPES.items(), [5, 2], strict=True)
    }
    module = MMDynamicsModule(branches, 3, **params).double()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    return module


def _batch(n_samples=6, seed=0):
    """Return inputs and labels."""
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=(n_samples, *shape)) for name, shape in SHAPES.items()}, rng.integers(
        3, size=n_samples
    )


def _torch(inputs):
    """Return arrays as tensors."""
    return {name: torch.tensor(x) for name, x in inputs.items()}


def _softmax(x):
    """Return a softmax over the last axis."""
    return np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)


def _affine(layer, x):
    """Return an affine map with a layer's parameters."""
    return x @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()


def _closed_form(module, inputs, present, y, params):
    """Return logits, fused vector and loss as the paper writes them, in NumPy, with what is missing here."""
    gate_on, weighting = params["feature_gate"] is not None, params["confidence_weighting"]
    n = len(y)
    blocks, loss = [], 0.0
    for m, (name, branch) in enumerate(zip(SHAPES, module.branches, strict=True)):
        x, here = inputs[name], present[:, m].astype(float)
        gate = 1 / (1 + np.exp(-_affine(branch.gate.affine, x))) if gate_on else 1.0
        z = np.maximum(_affine(branch.encoder, x * gate), 0)
        confidence = np.ones(n)
        if gate_on:
            loss += params["gate_penalty"] * (gate.mean(axis=1) * here).mean()
        if weighting:
            confidence = _affine(branch.confidence, z)[:, 0]
            if params["confidence_activation"] == "sigmoid":
                confidence = 1 / (1 + np.exp(-confidence))
            true = _softmax(_affine(branch.classifier, z))[np.arange(n), y]
            loss += params["confidence_penalty"] * (((confidence - true) ** 2 - np.log(true)) * here).mean()
        weight = confidence * here * len(SHAPES) / np.maximum(present.sum(axis=1), 1)
        block = z * weight[:, None]
        if params["missing"] == "neutral":
            block += (1 - here)[:, None] * branch.neutral.vector.detach().numpy()
        blocks.append(block)
    fused = np.hstack(blocks)
    logits = _affine(module.classifier, fused)
    loss += params["classification_penalty"] * -np.log(_softmax(logits)[np.arange(n), y]).mean()
    return logits, fused, loss


@pytest.mark.parametrize("complete", [True, False])
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"feature_gate": None},
        {"confidence_weighting": False},
        {"feature_gate": None, "confidence_weighting": False},
        {"confidence_activation": "sigmoid", "missing": "zero"},
        {"gate_penalty": 0.0, "confidence_penalty": 0.5, "classification_penalty": 3.0},
        {"gate_penalty": 2.0, "confidence_penalty": 0.0},
    ],
)
def test_closed_form(params, complete):
    """Logits, fused vector and loss are those of the formulas, with and without missing modalities."""
    module, (inputs, y) = _module(**params), _batch()
    present = np.ones((6, 2), dtype=bool)
    if not complete:
        present[1, 0] = present[2, 1] = present[4, 1] = False
        inputs["a"][1] = inputs["b"][[2, 4]] = 0

    output = module(_torch(inputs), torch.tensor(present))
    logits, fused, loss = _closed_form(module, inputs, present, y, {**DEFAULTS, **params})

    np.testing.assert_allclose(output.logits.detach(), logits, atol=1e-12)
    np.testing.assert_allclose(output.fused.detach(), fused, atol=1e-12)
    assert FusionLoss()(output, torch.tensor(y)).item() == pytest.approx(loss, abs=1e-12)


@pytest.mark.parametrize("detach", [True, False])
def test_the_target_of_the_confidence(detach):
    """Detached, the square error leaves the modality's own classifier alone; otherwise it moves it."""
    module, (inputs, y) = _module(detach_confidence=detach), _batch()
    output = module(_torch(inputs), torch.ones(6, 2, dtype=torch.bool))

    error = output.losses["confidence/a"].gather(1, torch.tensor(y)[:, None]).mean()
    error.backward()

    moved = module.branches[0].classifier.weight.grad
    assert (moved is None) == detach
    assert module.branches[0].confidence.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("gate", ["dense", "low_rank", "diagonal", None])
@pytest.mark.parametrize("weighting", [True, False])
def test_every_parameter_has_a_gradient(gate, weighting):
    """No ablation keeps a head without use: where modalities go missing, all parameters learn."""
    module, (inputs, y) = _module(feature_gate=gate, confidence_weighting=weighting), _batch()
    present = torch.tensor([[True, True], [True, False], [False, True]] * 2)
    FusionLoss()(module(_torch(inputs), present), torch.tensor(y)).backward()

    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in module.parameters())


def test_zero_penalty_is_not_switched_off():
    """A penalty of 0 keeps the gate and the weighting; they go on working, unsupervised."""
    X, y = _table_data()
    on = MMDynamicsClassifier(
        4, gate_penalty=0.0, confidence_penalty=0.0, confidence_activation=None, max_epochs=3, random_state=0
    ).fit(X, y)
    off = MMDynamicsClassifier(
        4, feature_gate=None, confidence_weighting=False, max_epochs=3, random_state=0
    ).fit(X, y)

    assert on.feature_informativeness(X)["a"].shape == (40, 4)
    assert (on.modality_confidence(X) != 1).all(axis=None)
    assert (on.predict_proba(X) != off.predict_proba(X)).any()


def _table_data(n_samples=40):
    """Return two tables, the first telling the class, with ids and missing entries."""
    rng = np.random.default_rng(0)
    y = np.arange(n_samples) % 2
    ids = pd.Index([f"patient {i}" for i in range(n_samples)])
    a = pd.DataFrame(rng.normal(size=(n_samples, 4)) + 3 * y[:, None], index=ids)
    b = pd.DataFrame(rng.normal(size=(n_samples, 3)), index=ids)
    b.iloc[[3, 8]] = np.nan
    return ModalityDict({"b": b, "a": a}), y


def test_informativeness_and_confidence():
    """Gates are in (0, 1), confidences have the samples' ids; both are 0 where a modality is missing."""
    X, y = _table_data()
    model = MMDynamicsClassifier(8, confidence_activation=None, max_epochs=5, random_state=0).fit(X, y)
    gates, confidence = model.feature_informativeness(X), model.modality_confidence(X)

    assert set(gates) == {"a", "b"}
    assert gates["a"].shape == (40, 4)
    assert ((gates["a"] > 0) & (gates["a"] < 1)).all()
    assert not gates["b"][[3, 8]].any()
    assert (gates["b"][[0, 1, 2]] > 0).all()
    assert list(confidence) == ["a", "b"]
    assert confidence.index.equals(X.index)
    assert confidence["b"].iloc[[3, 8]].tolist() == [0, 0]
    assert (confidence["b"].drop(confidence.index[[3, 8]]) != 0).all()


def test_confidence_estimates_the_probability_of_the_true_class():
    """In training the informative modality is trusted about as much as it deserves; noise is not."""
    rng = np.random.default_rng(0)
    y = np.arange(400) % 2
    X = {"noise": rng.normal(size=(400, 2)), "signal": rng.normal(size=(400, 2)) + 4 * y[:, None]}
    model = MMDynamicsClassifier(16, max_epochs=40, random_state=0).fit(X, y)
    confidence = model.modality_confidence(X).mean()

    assert confidence["signal"] == pytest.approx(1, abs=0.1)
    assert confidence["noise"] == pytest.approx(0.5, abs=0.1)


def test_confidences_are_not_renormalized():
    """A modality's confidence does not depend on whether others are missing."""
    X, y = _table_data()
    model = MMDynamicsClassifier(8, max_epochs=5, random_state=0).fit(X, y)

    alone = model.modality_confidence({"a": X["a"]})

    np.testing.assert_array_equal(alone["a"], model.modality_confidence(X)["a"])
    assert (alone["b"] == 0).all()


def test_each_modality_predicts_alone():
    """Probabilities are those of the heads that confidence learns from, the prior where one is missing."""
    X, y = _table_data()
    model = MMDynamicsClassifier(8, max_epochs=5, standardize=False, precision="float64", random_state=0).fit(
        X, y
    )

    proba = model.modality_proba(X)

    assert list(proba) == ["a", "b"]
    for name, branch in zip("ab", model.net_.module_.branches, strict=True):
        x = X[name].to_numpy()
        z = np.maximum(_affine(branch.encoder, x / (1 + np.exp(-_affine(branch.gate.affine, x)))), 0)
        expected = _softmax(_affine(branch.classifier, z))
        expected[np.isnan(x[:, 0])] = model.class_prior_
        np.testing.assert_allclose(proba[name], expected, rtol=1e-9)
    others = model.modality_proba({"a": X["a"]})
    np.testing.assert_allclose(others["a"], proba["a"], rtol=1e-12)
    np.testing.assert_allclose(others["b"], np.tile(model.class_prior_, (40, 1)))


def test_sigmoid_confidences_are_probabilities():
    """With confidence_activation="sigmoid" they are in (0, 1)."""
    X, y = _table_data()
    model = MMDynamicsClassifier(8, confidence_activation="sigmoid", max_epochs=5, random_state=0).fit(X, y)

    assert model.modality_confidence(X)["a"].between(0, 1, inclusive="neither").all()


def test_clamped_confidences_are_linear_in_training_and_probabilities_after_it():
    """With "clamp" training sees the linear confidence, prediction the one brought to [0, 1]."""
    module, (inputs, _) = _module(confidence_activation="clamp"), _batch(40)
    present = torch.ones(40, 2, dtype=torch.bool)
    linear = module.train()(_torch(inputs), present).informativeness[""]
    clamped = module.eval()(_torch(inputs), present).informativeness[""]

    assert ((linear < 0) | (linear > 1)).any()
    assert torch.equal(clamped, linear.clamp(0, 1))


def test_ablations_have_nothing_to_show():
    """Without gates, or confidences, the methods that show them say what to fit with."""
    X, y = _table_data()
    model = MMDynamicsClassifier(4, feature_gate=None, confidence_weighting=False, max_epochs=1).fit(X, y)

    with pytest.raises(ValueError, match="feature_gate=None"):
        model.feature_informativeness(X)
    with pytest.raises(ValueError, match="confidence_weighting=False"):
        model.modality_confidence(X)
    with pytest.raises(ValueError, match="modality_proba needs .* confidence_weighting=False"):
        model.modality_proba(X)


def test_samples_without_a_modality_have_no_informativeness():
    """They have zeros, and a warning says how many."""
    X, y = _table_data()
    model = MMDynamicsClassifier(4, max_epochs=1, random_state=0).fit(X, y)
    with pytest.warns(NoModalityWarning, match="2 samples"):
        confidence = model.modality_confidence({"b": X["b"]})

    assert (confidence.iloc[[3, 8]] == 0).all(axis=None)


def test_an_automatic_gate_is_dense_up_to_500_features():
    """Beyond, it has low rank, so that its parameters grow with the number of features, not their square."""
    X = {"few": np.random.default_rng(0).normal(size=(6, 500)), "many": np.zeros((6, 501))}
    X["many"][:, :2] = X["few"][:, :2]
    model = MMDynamicsClassifier(2, max_epochs=1, gate_rank=4, random_state=0).fit(X, [0, 1, 0, 1, 0, 1])
    few, many = (branch.gate for branch in model.net_.module_.branches)

    assert few.form == "dense"
    assert many.form == "low_rank"
    assert many.reduce.weight.shape == (4, 501)


def test_stronger_gate_penalty_closes_gates():
    """The mean informativeness falls with the penalty."""
    X, y = _table_data()
    means = [
        MMDynamicsClassifier(8, gate_penalty=penalty, max_epochs=30, lr=0.03, random_state=0)
        .fit(X, y)
        .feature_informativeness(X)["a"]
        .mean()
        for penalty in (0.0, 1.0, 30.0)
    ]

    assert means[0] > means[1] > means[2]
    assert means[2] < 0.2
