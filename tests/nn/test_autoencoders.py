"""Autoencoders: noise in training only, conditions without noise, and the range of what comes out."""

import pytest
import torch

from skmm.nn import DenoisingAutoencoder, NoiseSource, VariationalAutoencoder

CLASSES = (DenoisingAutoencoder, VariationalAutoencoder)


def _make(cls, **options):
    """Return a seeded network for vectors of length 4, and the generator of its noise."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = cls(4, hidden=8, latent=3, **options)
    network.noise = NoiseSource(torch.Generator().manual_seed(0))
    return network


def _told(network, *args, **options):
    """Return the reconstruction."""
    told = network(*args, **options)
    return told[0] if isinstance(told, tuple) else told


@pytest.mark.parametrize("cls", CLASSES)
def test_noise_in_training_only(cls):
    """Two passes differ in training, and are the same in evaluation."""
    network, x = _make(cls, noise=0.5), torch.ones(2, 4)

    assert not torch.equal(_told(network, x), _told(network, x))
    network.eval()
    assert torch.equal(_told(network, x), _told(network, x))


def test_denoising_without_noise_is_a_function():
    """Without noise and dropout, training and evaluation give the same."""
    network, x = _make(DenoisingAutoencoder), torch.ones(2, 4)

    assert torch.equal(network(x), network.eval()(x))


@pytest.mark.parametrize("cls", CLASSES)
def test_what_the_mask_hides_has_no_influence(cls):
    """Entries that are not there are taken as zero, and get no noise."""
    network = _make(cls, noise=0.5, n_conditions=1)
    mask, conditions = torch.tensor([[True, True, False, False]]), torch.ones(1, 1)
    told = []
    for hidden in (0.0, 9.0):
        network.noise = NoiseSource(torch.Generator().manual_seed(0))
        told.append(_told(network, torch.tensor([[1.0, 2.0, hidden, hidden]]), conditions, mask))

    assert torch.equal(*told)
    assert not torch.equal(told[0], _told(network, torch.ones(1, 4), 0 * conditions, mask))


@pytest.mark.parametrize("cls", CLASSES)
def test_range_of_the_output(cls):
    """A linear output reaches beyond 1, that of tanh does not."""
    x = 100 * torch.ones(1, 4)

    assert _told(_make(cls).eval(), x).abs().max() > 1
    assert _told(_make(cls, output="tanh").eval(), x).abs().max() <= 1
    with pytest.raises(ValueError, match="output must be one of"):
        _make(cls, output="relu")


def test_divergence_of_two_normal_distributions():
    """The divergence is that of torch's distributions, and zero for N(0, I)."""
    mean, log_variance = torch.tensor([[0.5, -1.0]]), torch.tensor([[0.3, -0.7]])
    first = torch.distributions.Normal(mean, torch.exp(0.5 * log_variance))
    expected = torch.distributions.kl_divergence(first, torch.distributions.Normal(0.0, 1.0)).sum(dim=1)

    torch.testing.assert_close(VariationalAutoencoder.divergence(mean, log_variance), expected)
    assert VariationalAutoencoder.divergence(0 * mean, 0 * mean).item() == 0.0
