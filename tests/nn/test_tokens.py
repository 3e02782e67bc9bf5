"""Tokens of tables, images, volumes and bags, their positions, and maps of groups."""

import math

import pytest
import torch
from torch import nn

from skmm.nn import (
    AlphaDropout,
    Bag,
    BagTokens,
    FeatureTokens,
    GroupedLinear,
    GroupTokens,
    NoiseSource,
    PatchTokens,
    VectorTokens,
    fourier_positions,
)


@pytest.fixture(autouse=True)
def _forked():
    """Draw weights from a state of their own."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def test_fourier_features_by_hand():
    """Sines of all frequencies come first, then cosines, then the position itself."""
    p = -0.5  # the second of five points from -1 to 1
    angles = [math.pi * p, 5 * math.pi * p]
    expected = [*map(math.sin, angles), *map(math.cos, angles), p]

    found = fourier_positions((5,), 2, 10.0)[1]

    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64))


def test_fourier_positions_go_axis_by_axis():
    """Each point has the features of its first coordinate, then those of its second."""
    grid = fourier_positions((2, 3), 2, 10.0).reshape(2, 3, 10)

    torch.testing.assert_close(grid[1, 0, :5], fourier_positions((2,), 2, 10.0)[1])
    torch.testing.assert_close(grid[1, 2, 5:], fourier_positions((3,), 2, 10.0)[2])
    assert (grid[0, :, :5] == grid[0, :1, :5]).all()


def test_one_point_lies_at_the_start():
    """The single point of an axis is at -1."""
    assert fourier_positions((1,), 0, 10.0).tolist() == [[-1.0]]


def test_patches_hold_every_pixel_once():
    """Patches put back together are the image, with zeros beyond its far edges."""
    image = torch.arange(2 * 5 * 7.0).reshape(1, 2, 5, 7) + 1
    tokenizer = PatchTokens((2, 5, 7), 3)

    values = tokenizer(image).values
    back = values.reshape(1, *tokenizer.axes, 2, 3, 3).permute(0, 3, 1, 4, 2, 5).reshape(1, 2, 6, 9)

    assert tokenizer.axes == (2, 3)
    assert torch.equal(back[:, :, :5, :7], image)
    assert back.sum() == image.sum()


def test_patches_of_a_volume():
    """A volume that is thinner than a patch is cut along its other axes only."""
    volume = torch.arange(2 * 4 * 4.0).reshape(1, 1, 2, 4, 4)
    tokenizer = PatchTokens((1, 2, 4, 4), 3)

    values = tokenizer(volume).values

    assert tokenizer.axes == (1, 2, 2)
    assert values.shape == (1, 4, 18)
    assert values[0, 0].tolist() == volume[0, 0, :, :3, :3].flatten().tolist()


def test_patch_of_one_pixel_is_the_papers():
    """With patches of one pixel a token holds the channels of the pixel, row by row."""
    image = torch.rand(2, 3, 4, 4)

    assert torch.equal(PatchTokens((3, 4, 4), 1)(image).values, image.permute(0, 2, 3, 1).flatten(1, 2))


def test_groups_have_maps_of_their_own():
    """Each token is the affine map of its own columns; the others have no influence on it."""
    tokenizer = GroupTokens([[3, 0], [1], [0, 1, 2]], 4)
    x = torch.randn(5, 6)
    weight, bias = tokenizer.embed.weight, tokenizer.embed.bias

    tokens = tokenizer(x).values

    torch.testing.assert_close(tokens[:, 0], x[:, [3, 0]] @ weight[0, :2] + bias[0])
    torch.testing.assert_close(tokens[:, 1], x[:, [1]] @ weight[1, :1] + bias[1])
    torch.testing.assert_close(tokens[:, 2], x[:, :3] @ weight[2] + bias[2])


def test_grouped_weights_have_the_spread_of_linear():
    """Initial weights of a group lie within 1 / sqrt of its own size, and are zero beyond it."""
    maps = GroupedLinear(2, 100, 50, sizes=[100, 4])

    assert 0.09 < maps.weight[0].abs().max() <= 0.1
    assert 0.45 < maps.weight[1, :4].abs().max() <= 0.5
    assert not maps.weight[1, 4:].any()
    assert maps.bias[0].abs().max() <= 0.1


@pytest.mark.parametrize(
    "tokenizer", [VectorTokens(6, 1), FeatureTokens(6, 1), GroupTokens([[0], [1, 5]], 3, 1)]
)
def test_positions_are_appended(tokenizer):
    """A token of a table ends with the Fourier features of its place among the tokens."""
    tokens = tokenizer(torch.randn(4, 6)).values

    expected = fourier_positions((tokens.shape[1],), 1, 10.0).float().expand(4, -1, -1)
    assert torch.equal(tokens[:, :, -3:], expected)
    assert tokens.shape[2] == tokenizer.width


def test_bag_tokens_keep_bags_apart():
    """Each sample has the tokens of its own instances, in order; an empty bag has none."""
    values = torch.arange(5 * 2.0).reshape(5, 2) + 1
    tokens = BagTokens(VectorTokens(2))(Bag(values, torch.tensor([0, 2, 2, 5])))

    assert torch.equal(tokens.values[0, :2], values[:2])
    assert torch.equal(tokens.values[2], values[2:])
    assert tokens.mask.tolist() == [[True, True, False], [False] * 3, [True] * 3]
    assert not tokens.values[~tokens.mask].any()


def test_bags_of_nothing():
    """A batch of empty bags has one token, which is masked."""
    tokens = BagTokens(VectorTokens(2))(Bag(torch.zeros(0, 2), torch.tensor([0, 0, 0])))

    assert tokens.values.shape == (2, 1, 2)
    assert not tokens.mask.any()


def test_bag_of_images_is_cut_into_patches():
    """The tokens of a bag of images are the patches of its first image, then of its second."""
    images = torch.rand(3, 1, 4, 4)
    inner = PatchTokens((1, 4, 4), 2, n_bands=0)

    tokens = BagTokens(inner)(Bag(images, torch.tensor([0, 1, 3])))

    assert tokens.mask.sum(dim=1).tolist() == [4, 8]
    assert torch.equal(tokens.values[1, 4:], inner(images[2:]).values[0])


def test_alpha_dropout_in_evaluation():
    """Outside training, and with p = 0, it returns what comes."""
    x = torch.randn(3, 4)

    assert AlphaDropout(0.25).eval()(x) is x
    assert AlphaDropout(0.0)(x) is x


def test_alpha_dropout_sets_entries_to_the_floor():
    """In training a share p of the entries is one value, the mapped floor; the others are mapped affinely."""
    dropout = AlphaDropout(0.25)
    dropout.noise = NoiseSource(torch.Generator().manual_seed(0))
    x = torch.linspace(1, 2, 10_000, dtype=torch.float64)
    floor = -nn.SELU()(torch.tensor(-1e9, dtype=torch.float64)).item()
    scale = (0.75 + floor**2 * 0.75 * 0.25) ** -0.5

    out = dropout(x)
    low = out == out.min()

    assert abs(low.double().mean().item() - 0.25) < 0.02
    torch.testing.assert_close(out[low], torch.full_like(out[low], scale * (-floor + 0.25 * floor)))
    torch.testing.assert_close(out[~low], scale * (x[~low] + 0.25 * floor))
