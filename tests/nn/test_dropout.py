"""Dropout from a generator of one's own."""

import copy
import pickle

import pytest
import torch

from skmm.nn import Dropout, NoiseSource


def _noise(seed=0, groups=None):
    """Return noise from a fresh generator."""
    return NoiseSource(torch.Generator().manual_seed(seed), groups)


def _dropout(p, seed=0, groups=None):
    """Return dropout with noise of its own."""
    dropout = Dropout(p)
    dropout.noise = _noise(seed, groups)
    return dropout


@pytest.mark.parametrize("p", [0.001, 0.1, 0.5, 0.9, 0.999])
def test_the_share_kept_is_a_256th_and_the_scale_its_inverse(p):
    """Entries become 0 or exactly 256 / k with k the nearest share, between 1 and 255; their mean stays 1."""
    k = min(max(round((1 - p) * 256), 1), 255)
    x = _dropout(p)(torch.ones(1000, 512, dtype=torch.float64))

    assert set(x.unique().tolist()) == {0.0, 256 / k}
    standard_error = ((256 / k - 1) / x.numel()) ** 0.5
    assert abs(x.mean().item() - 1) < 5 * standard_error


def test_every_byte_of_a_word_is_uniform():
    """Each of the eight bytes of a word takes all 256 values equally often: no bit is stuck."""
    bytes_ = _noise().bytes((40_000, 8))
    for column in bytes_.T:
        counts = torch.bincount(column.long(), minlength=256).double()
        expected = 40_000 / 256
        chi_squared = ((counts - expected) ** 2 / expected).sum().item()
        assert 150 < chi_squared < 380  # 255 degrees of freedom


def test_sizes_that_are_no_multiple_of_eight():
    """Any number of entries gets its bytes, none too."""
    assert _noise().bytes((3, 5)).shape == (3, 5)
    assert _noise().bytes((0, 5)).shape == (0, 5)
    assert torch.equal(_noise().bytes((15,)), _noise().bytes((16,))[:15])


def test_evaluation_and_p_0_change_nothing():
    """In evaluation, and with p = 0, the very tensor comes back."""
    x = torch.ones(3)

    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.0)(x) is x


@pytest.mark.parametrize("p", [-0.1, 1.0, 1.5])
def test_p_outside_of_its_range(p):
    """p = 1 and beyond, and negative p, are refused."""
    with pytest.raises(ValueError, match=r"p must be in \[0, 1\)"):
        Dropout(p)


def test_the_gradient_is_the_mask():
    """The gradient passes where the entry was kept, with the same scale."""
    x = torch.ones(64, 8, requires_grad=True)
    out = _dropout(0.5)(x)
    out.sum().backward()

    assert torch.equal(x.grad, out.detach())


def test_a_seed_gives_its_masks_again():
    """Equal generators give equal masks, others different ones; torch's global state is not drawn from."""
    x = torch.ones(8, 8)
    state = torch.get_rng_state()

    assert torch.equal(_dropout(0.5)(x), _dropout(0.5)(x))
    assert not torch.equal(_dropout(0.5)(x), _dropout(0.5, seed=1)(x))
    assert torch.equal(torch.get_rng_state(), state)


def test_grouped_rows_share_their_noise():
    """Samples with one number have one mask, in whatever order; tensors of another length have their own."""
    groups = torch.tensor([0, 1, 0, 2, 1])
    out = _dropout(0.5, groups=groups)(torch.ones(5, 64))
    single = _dropout(0.5)(torch.ones(3, 64))

    assert torch.equal(out, single[groups])
    assert torch.equal(_dropout(0.5, groups=groups)(torch.ones(6, 8)), _dropout(0.5)(torch.ones(6, 8)))
    uniform = _noise(groups=groups).uniform((5, 2))
    assert torch.equal(uniform[0], uniform[2])
    assert not torch.equal(uniform[0], uniform[1])


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))])
def test_copies_and_pickles_leave_the_generator_behind(copied):
    """A module with a generator can be copied and pickled; the copy has torch's own generator."""
    module = torch.nn.Sequential(torch.nn.Identity(), _dropout(0.25))

    twin = copied(module)

    assert twin[1].p == 0.25
    assert twin[1].noise.generator is None
    assert module[1].noise.generator is not None


def test_repr_shows_p():
    """The repr of a module names p."""
    assert repr(Dropout(0.25)) == "Dropout(p=0.25)"


def test_normal_noise_is_normal_and_shared_by_groups():
    """Normal numbers have mean 0 and variance 1; samples of one group share theirs."""
    groups = torch.tensor([0, 1, 0])
    noise = NoiseSource(torch.Generator().manual_seed(0), groups)
    drawn = noise.normal((3, 20_000))

    assert abs(drawn.mean().item()) < 0.02
    assert abs(drawn.var().item() - 1) < 0.02
    assert torch.equal(drawn[0], drawn[2])
    assert not torch.equal(drawn[0], drawn[1])
