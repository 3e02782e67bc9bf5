"""MM dynamics for images gives the numbers of the system in which it was published, in float64."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from skmm._training._net import FusionLoss
from skmm.fusion import ImageMMDynamics

SHAPES = {"image": (3, 64, 64), "table": (7,)}  # here in alphabetical order; there the table comes first
NUMBERS = {"table": 0, "image": 1}
WIDTHS = {"image": 8, "table": 6}
HEADS = {"TCPClassifierLayer": "classifier", "TCPConfidenceLayer": "confidence"}
ENCODER = {"conv1": "convolutions.0", "conv2": "convolutions.3", "fc1": "affine.1", "fc2": "affine.3"}


@pytest.fixture(autouse=True)
def keep_torch_state():
    """Give torch's global state back as it was: layers are made with it."""
    with torch.random.fork_rng():
        yield


@pytest.fixture(scope="module")
def fixture():
    """Return the recorded numbers of the original system; skip where they are not at hand."""
    folder = os.environ.get("SKMM_TEST_DATA")
    path = None if folder is None else Path(folder).parent / "facts" / "parity" / "image_mmdynamics.npz"
    if path is None or not path.exists():
        pytest.skip("the recorded numbers of the original systems are not beside SKMM_TEST_DATA")
    with np.load(path) as file:
        return dict(file)


def _our_name(name):
    """Return the name of a parameter here from its name in the original."""
    layer, *rest, part = name.split(".")
    if layer == "MMClasifier":
        return f"classifier.{part}"
    branch = f"branches.{list(SHAPES).index(next(m for m, n in NUMBERS.items() if n == int(rest[0])))}"
    if layer in HEADS:
        return f"{branch}.{HEADS[layer]}.{part}"
    if rest[1] == "clf":
        return f"{branch}.{'gate.affine' if layer == 'FeatureInforEncoder' else 'encoder'}.{part}"
    inner = f"gate.{'.'.join(rest[1:])}" if layer == "FeatureInforEncoder" else f"encoder.{ENCODER[rest[1]]}"
    return f"{branch}.{inner}.{part}"


@pytest.fixture(scope="module")
def module(fixture):
    """Return the network with the recorded weights; those of the fused classifier in the order here."""
    X = {"image": np.zeros((4, 64, 64, 3), np.uint8), "table": np.eye(4, 7)}
    model = ImageMMDynamics(
        WIDTHS,
        feature_gate="dense",
        patch_size=8,
        confidence_activation=None,
        detach_confidence=False,
        missing="zero",
        max_epochs=1,
        random_state=0,
    ).fit(X, [0, 1, 2, 2])
    weights = {
        _our_name(key.removeprefix("w:")): torch.tensor(value, dtype=torch.float64)
        for key, value in fixture.items()
        if key.startswith("w:")
    }
    weights["classifier.weight"] = weights["classifier.weight"].roll(8, dims=1)
    network = model.net_.module_.double()
    network.load_state_dict(weights)
    return network.eval()


@pytest.fixture
def batch(fixture):
    """Return inputs, presence and labels of the recorded samples."""
    inputs = {"image": torch.tensor(fixture["image"]), "table": torch.tensor(fixture["tabular"])}
    return inputs, torch.ones(2, 2, dtype=torch.bool), torch.tensor(fixture["y"])


def _close(ours, theirs):
    """Assert equality to 1e-10."""
    np.testing.assert_allclose(ours.detach().numpy(), theirs, rtol=0, atol=1e-10)


def _of_true_class(table, y):
    """Return a sample's loss from the losses by possible true class."""
    return table.gather(1, y[:, None])[:, 0]


def test_gate(fixture, module, batch):
    """Each level of the U-Net agrees, and the map in patches of 8 pixels."""
    image, gate = batch[0]["image"], module.branches[0].gate
    first = gate.encoder(image)
    second = gate.encoder2(first)
    third = gate.middle(second)

    _close(first, fixture["unet_x1"])
    _close(second, fixture["unet_x2"])
    _close(third, fixture["unet_x3"])
    weights = gate(image)
    _close(torch.logit(weights), fixture["unet_raw"])
    _close(weights, fixture["fi_map"])
    _close(torch.logit(weights[..., ::8, ::8]), fixture["unet_decoder"])


def test_encoder(fixture, module, batch):
    """Both stages of the CNN and its affine maps agree."""
    image, encoder = batch[0]["image"], module.branches[0].encoder
    gated = image * torch.tensor(fixture["fi_map"])

    _close(encoder.convolutions[:3](gated), fixture["cnn_pool1"])
    _close(encoder.convolutions(gated).sum(dim=(2, 3)), fixture["cnn_pool2_sum"])
    _close(encoder.affine[:3](encoder.convolutions(gated)), fixture["cnn_fc1"])
    _close(encoder(gated), fixture["cnn_out"])


def test_forward_pass_and_losses(fixture, module, batch):
    """Gates, representations, heads, fused vector, logits and every term of the loss agree."""
    inputs, present, y = batch
    output = module(inputs, present)

    for column, (name, branch) in enumerate(zip(SHAPES, module.branches, strict=True)):
        number = NUMBERS[name]
        gate, z = branch(inputs[name])
        _close(gate, fixture["fi_0" if name == "table" else "fi_map"])
        _close(z, fixture[f"feature_{number}"])
        _close(branch.classifier(z), fixture[f"tcp_logits_{number}"])
        _close(output.informativeness[""][:, column], fixture[f"tcp_confidence_{number}"])
        true = torch.exp(-_of_true_class(output.losses[f"classification/{name}"], y))
        _close(true, fixture[f"true_tcp_{number}"])
        _close(output.losses[f"gate/{name}"].mean(), fixture[f"loss_fi_{number}"])
        error = _of_true_class(output.losses[f"confidence/{name}"], y).mean()
        _close(error, fixture[f"loss_tcp_mse_{number}"])
        _close(
            _of_true_class(output.losses[f"classification/{name}"], y).mean(),
            fixture[f"loss_tcp_ce_{number}"],
        )
    _close(output.fused[:, :8], fixture["weighted_feature_1"])
    _close(output.fused[:, 8:], fixture["weighted_feature_0"])
    _close(output.fused.roll(6, dims=1), fixture["fused"])
    _close(output.logits, fixture["logits"])
    _close(torch.softmax(output.logits, dim=1), fixture["proba"])
    _close(_of_true_class(output.losses["classification"], y).mean(), fixture["loss_ce"])
    _close(FusionLoss()(output, y), fixture["loss_total"])
