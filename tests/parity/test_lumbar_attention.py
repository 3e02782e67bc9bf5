"""Attention over slices gives the numbers of the notebooks in which it was published, in float64."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from skmm.nn import Bag, BagAttentionPooling, segment_sum


@pytest.fixture
def recorded():
    """Return the recorded numbers of the original system; skip where they are not at hand."""
    folder = os.environ.get("SKMM_TEST_DATA")
    path = None if folder is None else Path(folder).parent / "facts" / "parity" / "lumbar_fusion.npz"
    if path is None or not path.exists():
        pytest.skip("the recorded numbers of the original systems are not beside SKMM_TEST_DATA")
    with np.load(path) as file:
        return {name: torch.tensor(file[name], dtype=torch.float64) for name in file.files}


def _copied(weight):
    """Return pooling with a recorded score; its bias, which does not change a softmax, is left out."""
    with torch.random.fork_rng():
        pooling = BagAttentionPooling(weight.shape[1], None).double()
    with torch.no_grad():
        pooling.score.weight.copy_(weight)
    return pooling


@pytest.mark.parametrize("n_others", [0, 3])
def test_slice_attention(recorded, n_others):
    """Pooled vector and weights are the recorded ones, alone and behind another, longer bag."""
    (slices,) = recorded["slices"]
    other = torch.linspace(-1, 1, 7 * slices.shape[1], dtype=torch.float64).reshape(7, -1)
    values = torch.cat([*[other] * n_others, slices])
    offsets = torch.tensor([*range(0, 7 * n_others + 1, 7), len(values)])

    pooled, weights = _copied(recorded["slice_attention:attention_fc.weight"])(Bag(values, offsets))

    np.testing.assert_allclose(pooled[-1:].detach(), recorded["slice_attention_out"], rtol=0, atol=1e-10)
    expected = recorded["slice_attention_weights"][0]
    np.testing.assert_allclose(weights[-5:].detach(), expected, rtol=0, atol=1e-10)


def test_scores_without_a_softmax_are_not_weights(recorded):
    """The other notebook summed scores times slices; here the softmax of these scores averages the slices."""
    (slices,) = recorded["slices"]
    offsets = torch.tensor([0, len(slices)])
    (scores,) = recorded["medicalnet_attention_scores"]

    theirs = segment_sum(slices, offsets, scores[:, 0])
    pooled, weights = _copied(recorded["medicalnet_attention:attention_layer.weight"])(Bag(slices, offsets))

    np.testing.assert_allclose(theirs, recorded["medicalnet_attention_out"], rtol=0, atol=1e-10)
    np.testing.assert_allclose(weights.detach(), torch.softmax(scores, dim=0), rtol=0, atol=1e-10)
    assert (pooled >= slices.min(dim=0).values).all()
    assert (pooled <= slices.max(dim=0).values).all()
    assert not ((theirs >= slices.min(dim=0).values) & (theirs <= slices.max(dim=0).values)).all()
