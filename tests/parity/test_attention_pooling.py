"""Attention over modalities gives the numbers of the system in which it was published, in float64."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from skmm.nn import ModalityAttention


def test_attention_over_modalities():
    """The softmax over modalities of (m . a), and the vectors weighted by it, are those of the original."""
    folder = os.environ.get("SKMM_TEST_DATA")
    path = None if folder is None else Path(folder).parent / "facts" / "parity" / "lumbar_fusion.npz"
    if path is None or not path.exists():
        pytest.skip("the recorded numbers of the original systems are not beside SKMM_TEST_DATA")
    recorded = {name: torch.tensor(value, dtype=torch.float64) for name, value in np.load(path).items()}
    vectors, direction = recorded["modalities"], recorded["fusion_attention"].flatten()
    attention = ModalityAttention(len(direction)).double()
    with torch.no_grad():
        attention.direction.copy_(direction)

    fused, weights = attention(vectors[None], torch.ones(1, len(vectors), dtype=torch.bool))

    np.testing.assert_allclose(fused.detach()[0], recorded["fused"], rtol=0, atol=1e-10)
    assert abs(weights.sum().item() - 1) < 1e-12
