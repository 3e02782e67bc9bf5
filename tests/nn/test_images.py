"""Blocks for images: patches of the gate, sizes of the encoder, flips."""

import pytest
import torch
from torch import nn
from torch.nn.functional import interpolate, max_pool2d, relu

from skmm.nn import ImageEncoder, NoiseSource, RandomFlips, UNetGate

SIZES = [(16, 16), (17, 30), (33, 20), (64, 64), (90, 16)]


@pytest.fixture(autouse=True)
def seeded():
    """Seed torch's global state, and give it back as it was."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def _gate(n_channels=3, patch_size=4):
    """Return a gate none of whose units is dead: weights and biases are positive."""
    gate = UNetGate(n_channels, patch_size)
    for parameter in gate.parameters():
        nn.init.uniform_(parameter, 0, 1.5 / parameter[0].numel())
    return gate.double()


def _patches(weights, side):
    """Return, by patch, the least and the largest value, and the values in the corners of patches."""
    low = -max_pool2d(-weights, side, ceil_mode=True)
    return low, max_pool2d(weights, side, ceil_mode=True), weights[..., ::side, ::side]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("patch_size", [4, 8])
@pytest.mark.parametrize("n_channels", [1, 4])
def test_the_gate_is_a_map_of_patches(size, patch_size, n_channels):
    """It has the size of the image, values in (0, 1), one on each square of 4 or 8 pixels, several in all."""
    weights = _gate(n_channels, patch_size)(torch.rand(2, n_channels, *size, dtype=torch.float64))
    low, high, corners = _patches(weights, patch_size)

    assert weights.shape == (2, 1, *size)
    assert ((weights > 0) & (weights < 1)).all()
    assert torch.equal(low, high)
    assert torch.equal(low, corners)
    assert len(corners.unique()) > corners.numel() / 4
    assert (corners[..., 1:, :] != corners[..., :-1, :]).any()


@pytest.mark.parametrize("patch_size", [4, 8])
@pytest.mark.parametrize("size", SIZES)
def test_every_pixel_counts(size, patch_size):
    """Also those of the patches that are cut off at the far edges, where 4 does not divide the size."""
    gate = _gate(1, patch_size)
    image = torch.rand(1, 1, *size, dtype=torch.float64)
    before = gate(image)
    for row in (0, size[0] - 1):
        for column in (0, size[1] - 1):
            changed = image.clone()
            changed[..., row, column] += 50
            assert gate(changed)[..., row, column] != before[..., row, column]


def test_the_gate_in_plain_words():
    """At 64 x 64 it is the published net: ReLU before pooling, sigmoid at the end, one padded column more."""
    gate, image = _gate(), torch.rand(2, 3, 64, 64, dtype=torch.float64)

    def double(block, x):
        return relu(block[2](relu(block[0](x))))

    first = max_pool2d(double(gate.encoder, image), 4)
    third = double(gate.middle, max_pool2d(double(gate.encoder2, first), 4))
    both = torch.cat([first, interpolate(third, size=(16, 16), mode="nearest")], dim=1)
    layers = gate.decoder
    x = layers[0](nn.functional.pad(both, (0, 1, 0, 1)))
    scores = layers[5](relu(layers[3](relu(layers[1](x)))))
    expected = torch.sigmoid(interpolate(scores, size=(64, 64), mode="nearest"))

    torch.testing.assert_close(gate(image), expected, rtol=0, atol=1e-12)


def test_samples_of_the_gate_are_independent():
    """The map of an image does not depend on its batch."""
    gate, images = _gate(), torch.rand(5, 3, 20, 24, dtype=torch.float64)

    torch.testing.assert_close(gate(images)[3:4], gate(images[3:4]), rtol=0, atol=1e-12)


@pytest.mark.parametrize("patch_size", [0, 3, 16])
def test_other_patches_are_refused(patch_size):
    """The net has cells of 4 and of 8 pixels, and no others."""
    with pytest.raises(ValueError, match=r"patch_size must be one of \(4, 8\)"):
        UNetGate(3, patch_size)


@pytest.mark.parametrize("make", [lambda: UNetGate(3), lambda: ImageEncoder((3, 16, 16), 8)])
def test_layers_begin_as_torch_has_them(make):
    """Weights and biases are uniform within 1 / sqrt(fan_in), as in the published code."""
    layers = [module for module in make().modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
    for layer in layers:
        bound = layer.weight[0].numel() ** -0.5
        assert 0.5 * bound < layer.weight.abs().max() <= bound
        assert layer.bias.abs().max() <= bound
        assert layer.bias.any()


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 64, 64), (4, 17, 30)])
def test_encoder_of_small_images(shape):
    """Up to 64 x 64 it is convolution, ReLU and pooling twice, all of it flattened, and two affine maps."""
    encoder, image = ImageEncoder(shape, 5).double(), torch.rand(3, *shape, dtype=torch.float64)
    x = max_pool2d(relu(encoder.convolutions[0](image)), 2)
    x = max_pool2d(relu(encoder.convolutions[3](x)), 2).flatten(start_dim=1)
    expected = encoder.affine[3](relu(encoder.affine[1](x)))

    assert encoder.affine[1].in_features == 32 * (shape[1] // 4) * (shape[2] // 4)
    torch.testing.assert_close(encoder(image), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("shape", "n_features"), [((3, 512, 512), 8192), ((1, 16, 400), 32 * 4 * 16)])
def test_large_images_have_no_more_parameters(shape, n_features):
    """Feature maps are pooled to 16 x 16 at most, and all of the image still counts."""
    encoder = ImageEncoder(shape, 5)
    image = torch.rand(1, *shape, requires_grad=True)
    encoder(image).sum().backward()

    assert encoder.affine[1].in_features == n_features
    touched = image.grad.abs().sum(dim=1)[0] > 0
    assert touched[: shape[1] // 4].any()
    assert touched[:, -8:].any()
    assert touched[-8:].any()


def _flips(direction, groups=None):
    """Return flips in training, with a generator of their own."""
    flips = RandomFlips(direction)
    flips.noise = NoiseSource(torch.Generator().manual_seed(0), groups)
    return flips


@pytest.mark.parametrize(
    ("direction", "versions"),
    [
        ("horizontal", [(0, 1, 2, 3), (1, 0, 3, 2)]),
        ("vertical", [(0, 1, 2, 3), (2, 3, 0, 1)]),
        ("both", [(0, 1, 2, 3), (1, 0, 3, 2), (2, 3, 0, 1), (3, 2, 1, 0)]),
    ],
)
def test_flips_mirror_each_image_by_itself(direction, versions):
    """Each image becomes one of its mirrored versions, all of them equally often, channels alike."""
    image = torch.arange(4.0).reshape(1, 1, 2, 2) + torch.tensor([0.0, 10.0]).reshape(1, 2, 1, 1)
    images = image.expand(4000, 2, 2, 2)
    out = _flips(direction)(images)
    seen = out[:, 0].flatten(start_dim=1).long()

    assert torch.equal(out[:, 1], out[:, 0] + 10)
    shares = [(seen == torch.tensor(version)).all(dim=1).float().mean().item() for version in versions]
    assert sum(shares) == pytest.approx(1)
    assert shares == pytest.approx([1 / len(versions)] * len(versions), abs=0.05)


def test_flips_are_for_training_only():
    """In evaluation the images themselves come back; in training they are not written to."""
    images = torch.rand(50, 3, 4, 4)
    before = images.clone()
    flips = _flips("both")

    assert not torch.equal(flips(images), images)
    assert torch.equal(images, before)
    assert flips.eval()(images) is images


def test_equal_samples_are_mirrored_alike():
    """Samples that are declared equal stay equal."""
    groups = torch.tensor([0, 1, 0, 2] * 20)
    images = torch.rand(3, 1, 4, 4)[groups]
    out = _flips("both", groups)(images)

    for number in range(3):
        assert len(out[groups == number].unique(dim=0)) == 1


def test_unknown_directions_are_refused():
    """The message names those there are."""
    with pytest.raises(ValueError, match="direction must be one of .*'both'"):
        RandomFlips("diagonal")
