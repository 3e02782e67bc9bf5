"""The imputers' networks give the numbers of the lumbar-spine study, from its weights, in float64."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from skmm.nn import DenoisingAutoencoder, ModalityAttention, VariationalAutoencoder

CLOSE = {"rtol": 0, "atol": 1e-10}
DENOISING = {
    "encoder.0": "encoder.0",
    "encoder.3": "encoder.2",
    "decoder.0": "decoder.0",
    "decoder.3": "decoder.2",
}
VARIATIONAL = {
    "encoder.0": "fc1",
    "mean": "fc21",
    "log_variance": "fc22",
    "decoder.0": "fc3",
    "decoder.3": "fc4",
}


class _GivenNoise:
    """A source whose normal numbers are given."""

    def __init__(self, numbers):
        self.numbers = numbers

    def normal(self, shape, device=None):
        """Return the numbers."""
        assert self.numbers.shape == shape
        return self.numbers


@pytest.fixture(scope="module")
def fixture():
    """Return the recorded numbers of the original; skip where they are not at hand."""
    folder = os.environ.get("SKMM_TEST_DATA")
    path = None if folder is None else Path(folder).parent / "facts" / "parity" / "lumbar_fusion.npz"
    if path is None or not path.exists():
        pytest.skip("the recorded numbers of the original systems are not beside SKMM_TEST_DATA")
    with np.load(path) as file:
        return {name: torch.tensor(file[name], dtype=torch.float64) for name in file.files}


def _loaded(module, fixture, prefix, names):
    """Return a network with the recorded weights, in evaluation."""
    state = {
        f"{ours}.{part}": fixture[f"{prefix}:{theirs}.{part}"]
        for ours, theirs in names.items()
        for part in ("weight", "bias")
    }
    module = module.double().eval()
    module.load_state_dict(state)
    return module


def test_denoising_autoencoder(fixture):
    """The denoising network of one modality gives the original's reconstruction."""
    with torch.random.fork_rng():
        module = DenoisingAutoencoder(12, hidden=6, latent=6, output="tanh")
    module = _loaded(module, fixture, "dae", DENOISING)

    np.testing.assert_allclose(module(fixture["x"]).detach(), fixture["dae_out"], **CLOSE)


def test_variational_autoencoder(fixture):
    """Mean, variance, reconstruction from the recorded noise, and loss of the variational network agree."""
    with torch.random.fork_rng():
        module = VariationalAutoencoder(12, hidden=256, latent=3, output="tanh")
    module = _loaded(module, fixture, "vae", VARIATIONAL).train()
    module.noise = _GivenNoise(fixture["vae_eps"])

    reconstruction, mean, log_variance = (part.detach() for part in module(fixture["x"]))
    squares = ((reconstruction - fixture["x"]) ** 2).sum()
    loss = squares + VariationalAutoencoder.divergence(mean, log_variance).sum()

    np.testing.assert_allclose(mean, fixture["vae_mu"], **CLOSE)
    np.testing.assert_allclose(log_variance, fixture["vae_logvar"], **CLOSE)
    np.testing.assert_allclose(reconstruction, fixture["vae_recon"], **CLOSE)
    np.testing.assert_allclose(loss, fixture["vae_loss"], rtol=1e-12)


def test_fusion_by_attention(fixture):
    """Modalities fused by the softmax of their scores give the original's vector."""
    attention = ModalityAttention(12).double()
    attention.load_state_dict({"direction": fixture["fusion_attention"][0]})
    fused, weights = attention(fixture["modalities"][None])

    np.testing.assert_allclose(fused[0].detach(), fixture["fused"], **CLOSE)
    np.testing.assert_allclose(weights.detach().sum(), 1.0, **CLOSE)
