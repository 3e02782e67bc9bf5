"""HEALNet gives the numbers of the systems in which it was published, from their weights, in float64."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from skmm._training._net import FusionLoss
from skmm.fusion._healnet_network import FeedForward, LatentFusion, SingleTokenAttention
from skmm.nn import Attention, FusionOutput, PatchTokens, Tokens, fourier_positions

UPSTREAM = {
    "n_latents": 4,
    "latent_dim": 6,
    "n_cross_heads": 2,
    "cross_head_dim": 3,
    "n_latent_heads": 2,
    "latent_head_dim": 4,
    "self_attention": "modality",
    "activation": "selu",
    "attention_temperature": 0.5,
    "attention_dropout": 0.0,
    "dropout": 0.0,
}
SYSTEMS = {
    "healnet_untied": {"depth": 2, "weight_tying": None},
    "healnet_tied": {"depth": 3, "weight_tying": "layers_and_modalities"},
}
PARTS = {
    "fn.to_q": "attention.to_query",
    "fn.to_k": "attention.to_key",
    "fn.to_v": "attention.to_value",
    "fn.to_out.0": "attention.to_out",
    "fn.net.0": "expand",
    "fn.net.2": "reduce",
    "norm_context": "norm_context",
    "norm": "norm",
}


def _fixture(name):
    """Return the recorded numbers of an original system; skip where they are not at hand."""
    folder = os.environ.get("SKMM_TEST_DATA")
    path = None if folder is None else Path(folder).parent / "facts" / "parity" / f"{name}.npz"
    if path is None or not path.exists():
        pytest.skip("the recorded numbers of the original systems are not beside SKMM_TEST_DATA")
    return np.load(path)


def _tensor(array):
    """Return recorded numbers as a tensor."""
    return torch.tensor(np.asarray(array), dtype=torch.float64)


def _split(weights):
    """Return weights with joint maps to keys and values as two."""
    halves = {}
    for name, value in weights.items():
        if "to_kv" in name:
            key, value_part = value.chunk(2)
            halves[name.replace("to_kv", "to_k")] = key
            halves[name.replace("to_kv", "to_v")] = value_part
        else:
            halves[name] = value
    return halves


def _our_name(name):
    """Return the name of a parameter here from its name in the original with two modalities."""
    if name == "latents":
        return name
    if name.startswith("to_logits"):
        return name.replace("to_logits.1", "norm").replace("to_logits.2", "classifier")
    layer, block, rest = re.fullmatch(r"layers\.(\d+)\.(4\.[01]|\d)\.(.+)", name).groups()
    part, leaf = rest.rsplit(".", 1)
    place = {
        "0": "cross.0",
        "1": "feed_forwards.0",
        "2": "cross.1",
        "3": "feed_forwards.1",
        "4.0": "latent_attention",
        "4.1": "latent_feed_forward",
    }[block]
    return f"layers.{layer}.{place}.{PARTS[part]}.{leaf}"


def _state(fixture, module):
    """Return the recorded weights by their names here, without those of layers that are others' twins."""
    weights = {key.removeprefix("w:"): _tensor(fixture[key]) for key in fixture.files if key[:2] == "w:"}
    state = {_our_name(name): value for name, value in _split(weights).items()}
    for number, layer in enumerate(module.layers):
        for column, cross in enumerate(layer.cross):
            if isinstance(cross, SingleTokenAttention):
                prefix = f"layers.{number}.cross.{column}."
                for part in ("to_query.weight", "to_key.weight"):
                    del state[f"{prefix}attention.{part}"]
                for leaf in ("weight", "bias"):
                    del state[f"{prefix}norm.{leaf}"]
                for part in ("to_value.weight", "to_out.weight", "to_out.bias"):
                    state[prefix + part] = state.pop(f"{prefix}attention.{part}")
    return state


def _load(module, fixture):
    """Put all recorded weights into a network; in tied ones, twins have the same."""
    state = _state(fixture, module)
    ours = set(module.state_dict())
    for name in set(state) - ours:  # weights that the original's state repeats under other names
        layer, rest = re.fullmatch(r"layers\.(\d)\.(.+)", name).groups()
        twin = f"layers.{min(int(layer), 1)}.{rest.replace('feed_forwards.1', 'feed_forwards.0')}"
        assert twin in ours
        assert torch.equal(state[name], state[twin])
        del state[name]
    module.load_state_dict(state)
    return module.eval()


def _upstream(name):
    """Return the fixture of an upstream system, the network with its weights, and its tokens."""
    fixture = _fixture(name)
    module = LatentFusion([10, 13], [2, 16], 3, **UPSTREAM, **SYSTEMS[name]).double()
    tokens = []
    for key in ("tab", "img"):
        x = _tensor(fixture[f"x_{key}"])
        axes = x.shape[1:-1]
        positions = fourier_positions(axes, 2, 10.0)
        _close(positions.reshape(*axes, -1), fixture[f"fourier_{key}"])
        values = torch.cat([x.flatten(1, -2), positions.expand(len(x), -1, -1)], dim=2)
        tokens.append(Tokens(values))
    # The second modality is an image of 4 x 4 pixels: patches of one pixel are the original's tokens.
    pixels = PatchTokens((3, 4, 4), 1, 2, 10.0).double()(_tensor(fixture["x_img"]).movedim(-1, 1))
    _close(pixels.values, tokens[1].values)
    tokens[1] = pixels
    return fixture, _load(module, fixture), tokens


def _close(ours, theirs):
    """Assert equality to 1e-10."""
    ours = ours.detach().numpy() if isinstance(ours, torch.Tensor) else ours
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-10)


@pytest.fixture(autouse=True)
def keep_torch_state():
    """Give torch's global state back as it was: layers are made with it."""
    with torch.random.fork_rng():
        yield


@pytest.mark.parametrize("name", SYSTEMS)
def test_forward_pass_of_the_original(name):
    """Latents, logits and the attention of every layer agree, with weights tied as the original ties them."""
    fixture, module, tokens = _upstream(name)
    present = torch.ones(3, 2, dtype=torch.bool)

    latents, maps = module.run(tokens, present, "full")

    _close(latents, fixture["latents_out"])
    _close(module(tokens, present).logits, fixture["logits"])
    for column, block in enumerate((0, 2)):
        layers = [0, -1] if name == "healnet_tied" else [0, 1]  # tied modules recorded their last call
        for recorded, layer in enumerate(layers):
            _close(maps[column][:, layer].flatten(0, 1), fixture[f"attn:layers.{recorded}.{block}.fn"])


@pytest.mark.parametrize("name", SYSTEMS)
@pytest.mark.parametrize(("missing", "column"), [("tab", 0), ("image", 1)])
@pytest.mark.parametrize("way", ["absent for all", "for one of several"])
def test_a_missing_modality_is_skipped_as_documented(name, missing, column, way):
    """The answer is that of the documented rule, not of the original's default, which mixes latents again."""
    fixture, module, tokens = _upstream(name)
    present = torch.ones(3, 2, dtype=torch.bool)
    expected = fixture[f"missing_{missing}:logits_skip"]
    if way == "absent for all":
        present[:, column] = False
        tokens[column] = None
        ours = module(tokens, present).logits
    else:
        rows = []
        for row in range(3):
            here = present.clone()
            here[row, column] = False
            answer = module(tokens, here).logits
            others = [other for other in range(3) if other != row]
            _close(answer[others], fixture["logits"][others])
            rows.append(answer[row])
        ours = torch.stack(rows)

    _close(ours, expected)
    assert np.abs(ours.detach().numpy() - fixture[f"missing_{missing}:logits_verbose_false"]).max() > 1e-3


def test_blocks():
    """Attention, with and without a mask, and both feed-forward networks agree."""
    fixture = _fixture("healnet_blocks")
    x, context, mask = _tensor(fixture["x"]), _tensor(fixture["context"]), torch.tensor(fixture["mask"])
    recorded = {key: _tensor(fixture[key]) for key in fixture.files if ":" in key}
    attention = Attention(6, 10, 2, 3, bias=False, temperature=0.5).double()
    names = {"to_q": "to_query", "to_k": "to_key", "to_v": "to_value", "to_out.0": "to_out"}
    weights = _split({k.removeprefix("attention:"): v for k, v in recorded.items() if "attention:" in k})
    attention.load_state_dict(
        {f"{names[k.rsplit('.', 1)[0]]}.{k.rsplit('.', 1)[1]}": v for k, v in weights.items()}
    )

    out, maps = attention(x, context)
    masked, _ = attention(x, context, mask)

    _close(torch.nn.functional.leaky_relu(out), fixture["attention_out"])
    _close(maps.flatten(0, 1), fixture["attention_weights"])
    _close(torch.nn.functional.leaky_relu(masked), fixture["attention_out_masked"])
    for prefix, activation in (("ff", "selu"), ("ffg", "gelu")):
        block = FeedForward(6, activation, 0.0).double()
        block.norm = torch.nn.Identity()  # recorded without the normalization before it
        block.load_state_dict(
            {
                f"{name}.{leaf}": recorded[f"{prefix}:net.{number}.{leaf}"]
                for name, number in (("expand", 0), ("reduce", 2))
                for leaf in ("weight", "bias")
            }
        )
        _close(block(x), fixture[f"ff_{activation}"])


def test_vectors_as_single_tokens():
    """With vectors as single tokens: logits, latents, weights of 1 and the weighted loss agree."""
    fixture = _fixture("healnet_wenderoth")
    options = {
        **UPSTREAM,
        "n_cross_heads": 1,
        "depth": 2,
        "weight_tying": None,
        "self_attention": "layer",
    }
    module = _load(LatentFusion([12, 10], [1, 1], 3, **options).double(), fixture)
    present = torch.ones(8, 2, dtype=torch.bool)
    # That system puts a single position at 0, where upstream, like the tokenizers here, has -1.
    position = fourier_positions((3,), 2, 2.0)[1].expand(8, 1, -1)  # of the middle one, at 0
    tokens = [
        Tokens(torch.cat([_tensor(fixture[f"x_{column}"])[:, None], position], dim=2)) for column in (0, 1)
    ]

    latents, maps = module.run(tokens, present, "full")
    output = module(tokens, present)

    _close(latents, fixture["latents_out"])
    _close(output.logits, fixture["logits"])
    for layer in (0, 1):
        for column in (0, 1):
            _close(maps[column][:, layer].flatten(0, 1), fixture[f"attn:layers.{layer}.{2 * column}.fn"])
    y = torch.tensor(fixture["y"])
    loss = FusionLoss()(FusionOutput(output.logits), y, _tensor(fixture["class_weights"])[y])
    _close(loss, fixture["loss_total"])
