"""The text submodel of the chest X-ray work, layer by layer, against the published code's own numbers."""

import numpy as np
import pytest
import torch

from skmm.nn import TextCNN


@pytest.fixture(scope="module")
def original(real_data):
    """Return the recorded numbers of the original; skip where they are not at hand."""
    path = real_data.parent / "facts" / "parity" / "chestxray_text_cnn.npz"
    if not path.exists():
        pytest.skip("the recorded numbers of the original systems are not beside SKMM_TEST_DATA")
    return dict(np.load(path))


@pytest.fixture(scope="module")
def outputs(original):
    """Return what our encoder, with the original's weights, says, and the encoder."""
    tokens = torch.from_numpy(original["tokens"].astype(np.int64))
    layers = ["conv1d", "conv1d_1", "conv1d_2"]
    kernels = [original[f"w:{name}/kernel"] for name in layers]  # (k, in, out)
    found = []
    with torch.random.fork_rng():
        for name, kernel in zip(layers, kernels, strict=True):  # the original has other numbers of filters
            encoder = TextCNN(
                20,
                9,
                embedding_dim=6,
                n_filters=kernel.shape[2],
                kernel_sizes=(len(kernel),),
                pooling="neighbours",
            ).double()
            with torch.no_grad():
                encoder.embedding.weight.copy_(torch.from_numpy(original["w:e/embeddings"]))
                encoder.convolutions[0].weight.copy_(torch.from_numpy(kernel).permute(2, 1, 0))
                encoder.convolutions[0].bias.copy_(torch.from_numpy(original[f"w:{name}/bias"]))
            found.append(encoder.eval())
    with torch.no_grad():
        return [encoder(tokens).numpy() for encoder in found], found


def test_features(original, outputs):
    """Filters, pooling of neighbours and the order of places and filters are the original's."""
    features = np.hstack(outputs[0])

    assert features.shape == (4, 56)
    np.testing.assert_allclose(features, original["out:concatenate"], rtol=1e-5, atol=1e-6)


def test_probability(original, outputs):
    """A ReLU, an affine map and a sigmoid of the features give the original's probability."""
    logits = np.maximum(np.hstack(outputs[0]), 0) @ original["w:dense/kernel"] + original["w:dense/bias"]

    np.testing.assert_allclose(1 / (1 + np.exp(-logits)), original["proba"], rtol=1e-5)


def test_penalty(original, outputs):
    """0.03 times the sum of the squares of the filters is the original's penalty."""
    total = 0.03 * sum(encoder.penalty().item() for encoder in outputs[1])

    assert total == pytest.approx(float(original["l2_penalty"]), rel=1e-5)
