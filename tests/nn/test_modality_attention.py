"""Weights that look at the vectors of modalities, and share what is there."""

import numpy as np
import pytest
import torch

from skmm.nn import ModalityAttention


@pytest.fixture
def attention():
    """Return an attention with a direction that prefers the first entry of a vector."""
    attention = ModalityAttention(2).double()
    with torch.no_grad():
        attention.direction.copy_(torch.tensor([np.log(2.0), 0.0]))
    return attention


VECTORS = torch.tensor([[[1.0, 4.0], [2.0, 0.0], [0.0, 7.0]]], dtype=torch.float64)


def test_weights_are_shared_among_what_is_present(attention):
    """They are r exp(a v) over the sum of these: 2, 4 and 1 of 7, and without the first 4 and 1 of 5."""
    _, weights = attention(VECTORS)
    np.testing.assert_allclose(weights.tolist(), [[2 / 7, 4 / 7, 1 / 7]])
    fused, weights = attention(VECTORS, torch.tensor([[False, True, True]]))
    np.testing.assert_allclose(weights.tolist(), [[0, 4 / 5, 1 / 5]])
    np.testing.assert_allclose(fused.tolist(), [[8 / 5, 7 / 5]])


def test_what_is_missing_has_no_influence(attention):
    """Another vector in its place changes neither weights nor what is fused."""
    present = torch.tensor([[True, False, True]])
    other = VECTORS.clone()
    other[0, 1] = 1e6

    for before, after in zip(attention(VECTORS, present), attention(other, present), strict=True):
        assert torch.equal(before, after)


def test_nothing_at_all(attention):
    """A sample without any modality has weights and a vector of zeros, and harmless gradients."""
    fused, weights = attention(VECTORS, torch.zeros(1, 3, dtype=torch.bool))
    fused.sum().backward()

    assert not fused.any()
    assert not weights.any()
    assert attention.direction.grad.isfinite().all()


def test_begins_with_the_mean():
    """Before any training all modalities weigh the same."""
    fused, _ = ModalityAttention(2).double()(VECTORS)

    torch.testing.assert_close(fused, VECTORS.mean(dim=1))
