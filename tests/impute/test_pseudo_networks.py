"""What the networks of pseudo-modality learning are shown: never what they have to tell."""

import numpy as np
import pytest
import torch

from skmm.impute._pseudo_networks import NETWORKS, PseudoModalityModule, random_masks
from skmm.nn import NoiseSource


@pytest.mark.parametrize("strategy", NETWORKS)
def test_what_is_hidden_is_not_seen(strategy):
    """The values that a network has to tell never reach it: input is not target."""
    varies = {"a": np.ones(2, bool), "b": np.ones(3, bool)}
    with torch.random.fork_rng():
        module = PseudoModalityModule(varies, strategy, 8, 4, noise=0.0, dropout=0.0, kl_weight=0.0).eval()
    inputs = {"a": torch.ones(1, 2), "b": torch.ones(1, 3)}
    present = torch.tensor([[True, False]])
    told = module(inputs, present, predict=True).logits
    other = module({**inputs, "b": torch.full((1, 3), 9.0)}, present, predict=True).logits

    assert torch.equal(told, other)


def test_samples_with_two_modalities_train():
    """A sample with two modalities is trained on as well as one with three."""
    masks = torch.tensor([[True, True, False]] * 400 + [[True, True, True]] * 400 + [[False, False, True]])
    kept = random_masks(masks, NoiseSource(torch.Generator().manual_seed(0)))
    n_kept = kept.sum(dim=1)

    assert not (kept & ~masks).any()
    assert (n_kept[:400] == 1).all()
    assert set(n_kept[400:800].tolist()) == {1, 2}
    assert 150 < (n_kept[400:800] == 1).sum() < 250  # each number is as likely as another
    assert n_kept[800] == 1
    assert {tuple(row) for row in kept[400:800].int().tolist()} == {
        (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, 0, 1), (0, 1, 1),
    }  # fmt: skip
