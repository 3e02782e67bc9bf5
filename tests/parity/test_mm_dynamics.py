"""MM dynamics gives the numbers of the systems in which it was published, from their weights, in float64."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback, LRScheduler

from skmm._training._net import FusionLoss
from skmm.fusion import MMDynamicsClassifier, MMStaticClassifier
from skmm.fusion._mm_dynamics_network import Branch, MMDynamicsModule, table_parts

SHAPES = {"0": (7,), "1": (5,)}
LAYERS = {
    "FeatureInforEncoder": "gate.affine",
    "FeatureEncoder": "encoder",
    "TCPClassifierLayer": "classifier",
    "TCPConfidenceLayer": "confidence",
}
PENALTIES = {"classification_penalty": 1.0, "gate_penalty": 1.0, "confidence_penalty": 1.0}
ABLATIONS = {
    "both": ("dense", True),
    "fi_only": ("dense", False),
    "mi_only": (None, True),
    "none": (None, False),
}


def _fixture(name):
    """Return the recorded numbers of an original system; skip where they are not at hand."""
    folder = os.environ.get("SKMM_TEST_DATA")
    path = None if folder is None else Path(folder).parent / "facts" / "parity" / f"{name}.npz"
    if path is None or not path.exists():
        pytest.skip("the recorded numbers of the original systems are not beside SKMM_TEST_DATA")
    return np.load(path)


def _our_name(name):
    """Return the name of a parameter here from its name in the originals."""
    layer, *rest = name.split(".")
    if layer == "MMClasifier":
        return f"classifier.{rest[-1]}"
    return f"branches.{rest[0]}.{LAYERS[layer]}.{rest[-1]}"


def _tensors(fixture, prefix):
    """Return the recorded parameters, or their gradients, by their names here."""
    return {
        _our_name(key.removeprefix(prefix)): torch.tensor(fixture[key], dtype=torch.float64)
        for key in fixture.files
        if key.startswith(prefix)
    }


def _module(fixture, widths, ablation="both"):
    """Return the network with the recorded weights."""
    gate, confidence = ABLATIONS[ablation]
    branches = {
        name: Branch(
            width,
            3,
            **table_parts(n_features, width, feature_gate=gate, gate_rank=32),
            confidence=confidence,
            dropout=0.5,
            neutral=True,
        )
        for (name, (n_features,)), width in zip(SHAPES.items(), widths, strict=True)
    }
    module = MMDynamicsModule(
        branches, 3, confidence_activation=None, detach_confidence=False, **PENALTIES
    ).double()
    weights = _tensors(fixture, "w:")
    known = module.state_dict()
    module.load_state_dict({**known, **{name: value for name, value in weights.items() if name in known}})
    return module.eval()


def _batch(fixture):
    """Return inputs, presence and labels of the recorded samples."""
    inputs = {name: torch.tensor(fixture[f"x_{name}"], dtype=torch.float64) for name in SHAPES}
    return inputs, torch.ones(8, 2, dtype=torch.bool), torch.tensor(fixture["y"])


def _close(ours, theirs):
    """Assert equality to 1e-10."""
    ours = ours.detach().numpy() if isinstance(ours, torch.Tensor) else ours
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-10)


def _of_true_class(table, y):
    """Return a sample's loss from the losses by possible true class."""
    return table.gather(1, y[:, None])[:, 0]


@pytest.fixture(autouse=True)
def keep_torch_state():
    """Give torch's global state back as it was: layers are made with it."""
    with torch.random.fork_rng():
        yield


def test_forward_pass_of_the_original():
    """Gates, representations, predictions and confidences of each modality, fused vector and logits agree."""
    fixture = _fixture("mmdynamics_original")
    module = _module(fixture, [6, 6])
    inputs, present, _ = _batch(fixture)

    output = module(inputs, present)

    for column, (name, branch) in enumerate(zip(SHAPES, module.branches, strict=True)):
        gate, z = branch(inputs[name])
        _close(gate, fixture[f"fi_{name}"])
        _close(output.informativeness[name], fixture[f"fi_{name}"])
        _close(z, fixture[f"feature_{name}"])
        _close(branch.classifier(z), fixture[f"tcp_logits_{name}"])
        _close(output.informativeness[""][:, column], fixture[f"tcp_confidence_{name}"])
        _close(output.fused[:, 6 * column : 6 * column + 6], fixture[f"weighted_feature_{name}"])
    _close(output.fused, fixture["fused"])
    _close(output.logits, fixture["logits"])
    _close(torch.softmax(output.logits, dim=1), fixture["proba"])


def test_losses_and_gradients_of_the_original():
    """Each term of the loss, their sum, and its gradient with respect to every parameter agree."""
    fixture = _fixture("mmdynamics_original")
    module = _module(fixture, [6, 6])
    inputs, present, y = _batch(fixture)

    output = module(inputs, present)
    loss = FusionLoss()(output, y)
    loss.backward()

    _close(_of_true_class(output.losses["classification"], y).mean(), fixture["loss_ce"])
    for name in SHAPES:
        _close(output.losses[f"gate/{name}"].mean(), fixture[f"loss_fi_{name}"])
        _close(_of_true_class(output.losses[f"confidence/{name}"], y).mean(), fixture[f"loss_tcp_mse_{name}"])
        _close(
            _of_true_class(output.losses[f"classification/{name}"], y).mean(), fixture[f"loss_tcp_ce_{name}"]
        )
    _close(loss, fixture["loss_total"])
    gradients = _tensors(fixture, "grad:")
    parameters = dict(module.named_parameters())
    assert len(gradients) == 18
    for name, gradient in gradients.items():
        _close(parameters[name].grad, gradient)


class _Load(Callback):
    """Put recorded weights into the net before training."""

    def __init__(self, weights):
        self.weights = weights

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        """Load them."""
        net.module_.load_state_dict({**net.module_.state_dict(), **self.weights})


def test_thirty_steps_of_adam():
    """`fit` from the recorded weights goes through the recorded losses to the recorded weights and logits."""
    fixture = _fixture("mmdynamics_original")
    model = MMDynamicsClassifier(
        6,
        feature_gate="dense",
        detach_confidence=False,
        confidence_activation=None,
        class_weight=None,
        optimizer="adam",
        dropout=0.0,
        standardize=False,
        max_epochs=30,
        batch_size=-1,
        lr=1e-2,
        weight_decay=1e-4,
        callbacks=[
            ("load", _Load(_tensors(fixture, "w:"))),
            ("schedule", LRScheduler(torch.optim.lr_scheduler.StepLR, step_size=10, gamma=0.2)),
        ],
        precision="float64",
        random_state=0,
    )
    X = {name: fixture[f"x_{name}"].astype(float) for name in SHAPES}

    model.fit(X, fixture["y"])

    _close(model.history_["train_loss"].to_numpy(), fixture["train_losses"])
    logits = np.log(model.predict_proba(X))
    recorded = fixture["train_final_logits"]
    _close(logits - logits[:, :1], recorded - recorded[:, :1])
    state = model.net_.module_.state_dict()
    for name, weight in _tensors(fixture, "trained:").items():
        _close(state[name], weight)


@pytest.mark.parametrize("ablation", ABLATIONS)
def test_ablations(ablation):
    """Logits, fused vector and the class-weighted loss of each ablation agree with the second system."""
    fixture = _fixture("mmdynamics_wenderoth")
    module = _module(fixture, [6, 4], ablation)
    inputs, present, y = _batch(fixture)
    of_class = torch.tensor(fixture["class_weights"], dtype=torch.float64)[y]

    output = module(inputs, present)

    def mean(name):
        """Return a term; there, only cross-entropies are weighted by class, and averaged by number."""
        loss = output.losses.get(name)
        if loss is None:
            return torch.tensor(0.0, dtype=torch.float64)
        loss = _of_true_class(loss, y) if loss.ndim == 2 else loss
        return (loss * of_class if name.startswith("classification") else loss).mean()

    _close(output.fused, fixture[f"{ablation}:fused"])
    _close(output.logits, fixture[f"{ablation}:logits"])
    _close(mean("classification"), fixture[f"{ablation}:loss_ce"])
    total = compounded = mean("classification")
    for name in SHAPES:
        gate, confidence = mean(f"gate/{name}"), mean(f"confidence/{name}") + mean(f"classification/{name}")
        total = total + gate + confidence
        # There, the weight of the classification multiplies what was summed so far, once a modality; here it
        # weighs the classification alone.
        compounded = 2 * compounded + 0.5 * gate + 0.25 * confidence
    _close(total, fixture[f"{ablation}:loss_total"])
    _close(compounded, fixture[f"{ablation}:loss_total_lambdas_2_0.5_0.25"])


def test_true_class_probability():
    """Estimated and real true-class probabilities agree with the second system's `get_tcp`."""
    fixture = _fixture("mmdynamics_wenderoth")
    module = _module(fixture, [6, 4])
    inputs, present, y = _batch(fixture)

    output = module(inputs, present)

    _close(output.informativeness[""].T, fixture["get_tcp_estimated"])
    for column, name in enumerate(SHAPES):
        real = torch.exp(-_of_true_class(output.losses[f"classification/{name}"], y))
        _close(real, fixture["get_tcp_real"][column])


def test_static_with_equal_weights_is_dynamics_without_gates_and_confidences():
    """MM static with unit weights predicts what the second system's bare ablation does."""
    fixture = _fixture("mmdynamics_wenderoth")
    weights = _tensors(fixture, "w:")
    renamed = {
        f"encoders.{column}.{part}": weights[f"branches.{column}.encoder.{part}"]
        for column in (0, 1)
        for part in ("weight", "bias")
    }
    renamed |= {f"classifier.{part}": weights[f"classifier.{part}"] for part in ("weight", "bias")}
    X = {name: fixture[f"x_{name}"].astype(float) for name in SHAPES}
    model = MMStaticClassifier({"0": 6, "1": 4}, max_epochs=1, standardize=False, precision="float64")
    model.fit(X, fixture["y"])
    model.net_.module_.load_state_dict({**model.net_.module_.state_dict(), **renamed})

    _close(model.transform(X), fixture["none:fused"])
    _close(model.predict_proba(X), fixture["none:proba"])
