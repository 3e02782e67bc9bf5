"""MCAT gives the numbers of the system in which it was published, from its weights, in float64."""

import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from skmm.fusion._mcat_network import CoAttention, MCATModule, QueryEmbedding
from skmm.nn import Attention, Bag, BagTokens, GatedAttentionPooling, GroupTokens, VectorTokens

SIZES = (7, 5, 4)  # features of the recorded signatures
WIDTH = 8
POOLING = {"content": "attention_a.0", "gate": "attention_b.0", "score": "attention_c"}


@pytest.fixture(autouse=True)
def keep_torch_state():
    """Give torch's global state back as it was: layers are made with it."""
    with torch.random.fork_rng():
        yield


def _fixture(name):
    """Return the recorded numbers of the original system as tensors; skip where they are not at hand."""
    folder = os.environ.get("SKMM_TEST_DATA")
    path = None if folder is None else Path(folder).parent / "facts" / "parity" / f"{name}.npz"
    if path is None or not path.exists():
        pytest.skip("the recorded numbers of the original systems are not beside SKMM_TEST_DATA")
    return {name: torch.tensor(value, dtype=torch.float64) for name, value in np.load(path).items()}


def _close(ours, theirs):
    """Assert equality to 1e-10."""
    np.testing.assert_allclose(ours.detach().reshape(theirs.shape), theirs, rtol=0, atol=1e-10)


def _copy(layer, weights, name):
    """Give an affine map recorded parameters."""
    layer.load_state_dict({part: weights[f"{name}.{part}"] for part in ("weight", "bias")})


def _copy_snn(embedding, weights, name):
    """Give self-normalizing nets recorded parameters; ``name`` has places for signature and layer."""
    for group, size in enumerate(SIZES[: len(embedding.second.weight)]):
        for layer, n_in in ((embedding.tokenizer.embed, size), (embedding.second, WIDTH)):
            place = name.format(group, int(layer is embedding.second))
            with torch.no_grad():
                layer.weight[group, :n_in] = weights[f"{place}.weight"].T
                layer.bias[group] = weights[f"{place}.bias"]


def _copy_pooling(pooling, weights, name=""):
    """Give gated attention pooling recorded parameters."""
    for ours, theirs in POOLING.items():
        layer = getattr(pooling, ours)
        place = name + theirs
        layer.load_state_dict({part: weights[f"{place}.{part}"] for part in layer.state_dict()})


def _thirds(weights, name):
    """Return the recorded weights and biases of queries, keys and values."""
    return zip(
        weights[f"{name}in_proj_weight"].chunk(3), weights[f"{name}in_proj_bias"].chunk(3), strict=True
    )


def _copy_co_attention(co_attention, weights, name):
    """Give co-attention recorded parameters; that of the keys' bias is left out, it changes no weight."""
    layers = (co_attention.to_query, co_attention.to_key, co_attention.to_value)
    for layer, (weight, bias) in zip(layers, _thirds(weights, name), strict=True):
        layer.load_state_dict({"weight": weight, **({} if layer.bias is None else {"bias": bias})})
    _copy(co_attention.to_out, weights, f"{name}out_proj")


def _copy_summary(summary, weights, name):
    """Give a set transformer, its pooling and the last layer recorded parameters."""
    for number, layer in enumerate(summary.transformer):
        place = f"{name}_transformer.layers.{number}."
        layer.to_query_key_value.load_state_dict(
            {part: weights[f"{place}self_attn.in_proj_{part}"] for part in ("weight", "bias")}
        )
        _copy(layer.to_out, weights, f"{place}self_attn.out_proj")
        _copy(layer.norm_attention, weights, f"{place}norm1")
        _copy(layer.widen, weights, f"{place}linear1")
        _copy(layer.narrow, weights, f"{place}linear2")
        _copy(layer.norm, weights, f"{place}norm2")
    _copy_pooling(summary.pooling, weights, f"{name}_attention_head.")
    _copy(summary.affine, weights, f"{name}_rho.0")


def _module(weights):
    """Return the network with the recorded weights, the signatures side by side in one table."""
    starts = np.cumsum((0, *SIZES))
    groups = [np.arange(*ends) for ends in pairwise(starts)]
    tokenizers = {"omic": GroupTokens(groups, WIDTH), "path": BagTokens(VectorTokens(6))}
    options = {
        "n_layers": 2,
        "n_heads": 2,
        "dropout": 0.25,
        "query_dropout": 0.25,
        "fusion": "concat",
        "missing": "zero",
    }
    module = MCATModule(tokenizers, "omic", 3, WIDTH, **options).double()
    _copy_snn(module.embed_query, weights, "sig_networks.{}.{}.0")
    _copy(module.embed[0].inner.affine, weights, "wsi_net.0")
    _copy_co_attention(module.co_attention[0], weights, "coattn.")
    _copy_summary(module.summarize_query, weights, "omic")
    _copy_summary(module.summarize[0], weights, "path")
    _copy(module.fuse.layers[0], weights, "mm.0")
    _copy(module.fuse.layers[2], weights, "mm.2")
    _copy(module.classifier, weights, "classifier")
    return module.eval()


@pytest.fixture
def small():
    """Recorded numbers of a whole forward pass, the network with its weights, and its inputs."""
    fixture = _fixture("mcat_small")
    module = _module({name.removeprefix("w:"): value for name, value in fixture.items() if name[:2] == "w:"})
    omic = torch.cat([fixture[f"x_omic_{number}"] for number in range(3)])[None]
    bag = Bag(fixture["x_path"], torch.tensor([0, 9]))
    return fixture, module, {"omic": omic, "path": bag}


def test_parts_of_the_forward_pass(small):
    """Embeddings, co-attention, set transformers and poolings agree one after the other."""
    fixture, module, inputs = small

    query, _ = module.embed_query(inputs["omic"])
    instances, mask = module.embed[0](inputs["path"])
    found, weights = module.co_attention[0](query, instances, mask)

    _close(query, fixture["h_omic_bag"])
    _close(instances, fixture["h_path_bag"])
    _close(found, fixture["h_coattn"])
    _close(weights, fixture["A_coattn_raw"].softmax(dim=3))
    for summary, tokens, name in (
        (module.summarize[0], found, "path"),
        (module.summarize_query, query, "omic"),
    ):
        vector, pooling = summary(tokens)
        first, second = summary.transformer
        seen = second(first(tokens))
        _close(seen, fixture[f"{name}_trans"])
        _close(summary.pooling(seen)[0], fixture[f"h_{name}_pooled"])
        _close(pooling, fixture[f"A_{name}"].softmax(dim=1))
        _close(vector, fixture[f"h_{name}"])


def test_whole_forward_pass(small):
    """Fused vector, logits, and weights of the instances agree."""
    fixture, module, inputs = small

    present = torch.ones(1, 2, dtype=torch.bool)
    output = module(inputs, present, attention="mean")
    by_token = module(inputs, present, attention="full").informativeness

    _close(output.fused, fixture["h_fused"])
    _close(output.logits, fixture["logits"])
    co_attention = fixture["A_coattn_raw"].softmax(dim=3)[0, 0]
    _close(by_token["path"], co_attention)
    _close(output.informativeness["path"], fixture["A_path"].softmax(dim=1) @ co_attention)
    for informativeness in (output.informativeness, by_token):
        _close(informativeness["omic"], fixture["A_omic"].softmax(dim=1))


def test_the_same_in_a_batch(small):
    """The recorded sample has its recorded answer among others with bags of other sizes, too."""
    fixture, module, inputs = small
    rng = torch.Generator().manual_seed(0)
    others = torch.randn(13, 6, dtype=torch.float64, generator=rng)
    bag = Bag(torch.cat([others[:11], inputs["path"].values, others[11:]]), torch.tensor([0, 11, 20, 22]))
    omic = torch.randn(3, sum(SIZES), dtype=torch.float64, generator=rng)
    omic[1] = inputs["omic"][0]

    output = module({"omic": omic, "path": bag}, torch.ones(3, 2, dtype=torch.bool))

    _close(output.logits[1], fixture["logits"])


def test_co_attention():
    """Co-attention in one head agrees in a batch, although it never makes the keys."""
    fixture = _fixture("mcat_blocks")
    co_attention = CoAttention(WIDTH).double()
    _copy_co_attention(co_attention, fixture, "coattn:")

    out, weights = co_attention(fixture["query"].transpose(0, 1), fixture["keyvalue"].transpose(0, 1))

    _close(out.transpose(0, 1), fixture["coattn_out"])
    _close(weights, fixture["coattn_weights"])
    _close(weights, fixture["coattn_raw_scores"][:, 0].softmax(dim=2))


def test_attention_in_two_heads():
    """The attention of the building blocks agrees in two heads."""
    fixture = _fixture("mcat_blocks")
    attention = Attention(WIDTH, WIDTH, n_heads=2, head_width=4).double()
    for layer, (weight, bias) in zip(
        (attention.to_query, attention.to_key, attention.to_value),
        _thirds(fixture, "coattn2heads:"),
        strict=True,
    ):
        layer.load_state_dict({"weight": weight, **({} if layer.bias is None else {"bias": bias})})
    _copy(attention.to_out, fixture, "coattn2heads:out_proj")

    out, weights = attention(fixture["query"].transpose(0, 1), fixture["keyvalue"].transpose(0, 1))

    _close(out.transpose(0, 1), fixture["coattn2heads_out"])
    _close(weights, fixture["coattn2heads_raw_scores"].softmax(dim=3))


def test_gated_attention_pooling():
    """Weights of the instances and what is pooled agree."""
    fixture = _fixture("mcat_blocks")
    pooling = GatedAttentionPooling(WIDTH, WIDTH).double()
    _copy_pooling(pooling, fixture, "gated:")

    pooled, weights = pooling(fixture["bag"][None])

    _close(weights, fixture["gated_scores"].softmax(dim=0))
    _close(pooled, fixture["gated_pooled"])


def test_self_normalizing_net():
    """The net of a signature agrees."""
    fixture = _fixture("mcat_blocks")
    embedding = QueryEmbedding(GroupTokens([range(7)], WIDTH), WIDTH, 0.25).double().eval()
    _copy_snn(embedding, {name.replace("snn:", "snn.0."): fixture[name] for name in fixture}, "snn.{}.{}.0")

    _close(embedding(fixture["snn_in"]).values, fixture["snn_out"])
