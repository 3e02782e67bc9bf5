"""The network of MCAT: the query guides the attention, pooling counts, samples are independent."""

from collections import Counter

import numpy as np
import pytest
import torch

from skmm._training._net import FusionLoss
from skmm.fusion._mcat_network import BilinearFusion, CoAttention, EncoderLayer, MCATModule, SetSummary
from skmm.nn import (
    AlphaDropout,
    Bag,
    BagTokens,
    Dropout,
    FusionOutput,
    GroupTokens,
    PatchTokens,
    VectorTokens,
)

OPTIONS = {
    "n_layers": 2,
    "n_heads": 2,
    "dropout": 0.0,
    "query_dropout": 0.0,
    "fusion": "concat",
    "missing": "neutral",
}
ALL = torch.ones(4, 3, dtype=torch.bool)


@pytest.fixture(autouse=True)
def keep_torch_state():
    """Give torch's global state back as it was: layers are made with it."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def _tokenizers():
    """Return tokenizers of a bag, an image and a table in three signatures, two of which share a column."""
    return {
        "bag": BagTokens(VectorTokens(3)),
        "image": PatchTokens((1, 4, 4), 2),
        "rna": GroupTokens([[0, 1], [1, 2, 3], [4]], 8),
    }


def _module(query="rna", tokenizers=None, **params):
    """Return a network in evaluation with random parameters, biases and neutral vectors too."""
    tokenizers = _tokenizers() if tokenizers is None else tokenizers
    module = MCATModule(tokenizers, query, 3, 8, **{**OPTIONS, **params}).double().eval()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return module


def _without_gradient(module, inputs, present):
    """Return the names of parameters that the loss of a batch does not depend on."""
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim == 1:
                parameter.abs_()  # some of the ReLUs after biases that are positive let something through
    FusionLoss()(module(inputs, present), torch.arange(len(present)) % 3).backward()
    return [name for name, p in module.named_parameters() if p.grad is None or p.grad.abs().max() < 1e-12]


def _bag(lengths, seed=0):
    """Return bags of some lengths."""
    rng = np.random.default_rng(seed)
    offsets = torch.tensor([0, *np.cumsum(lengths)])
    return Bag(torch.tensor(rng.normal(size=(int(offsets[-1]), 3))), offsets)


def _inputs(lengths=(2, 5, 1, 3), seed=0):
    """Return a batch of bags, images and tables."""
    rng = np.random.default_rng(seed)
    n_samples = len(lengths)
    return {
        "bag": _bag(lengths, seed),
        "image": torch.tensor(rng.random((n_samples, 1, 4, 4))),
        "rna": torch.tensor(rng.normal(size=(n_samples, 5))),
    }


def _rows(inputs, rows):
    """Return some samples of a batch."""
    bag = inputs["bag"]
    pieces = [bag.values[bag.offsets[row] : bag.offsets[row + 1]] for row in rows]
    offsets = torch.tensor([0, *np.cumsum([len(piece) for piece in pieces])])
    rest = {name: inputs[name][rows] for name in ("image", "rna")}
    return {"bag": Bag(torch.cat(pieces), offsets), **rest}


def _close(first, second):
    """Assert equality to rounding."""
    torch.testing.assert_close(first, second, rtol=0, atol=1e-12)


def test_co_attention_is_that_of_the_formula():
    """Without keys of instances it gives softmax((Q q) (K h) / sqrt(E)) and O of the averaged values."""
    layer = CoAttention(4).double()
    query, instances = (
        torch.randn(1, 2, 4, dtype=torch.float64),
        torch.randn(1, 3, 4, dtype=torch.float64),
    )

    found, weights = layer(query, instances)

    scores = layer.to_query(query) @ layer.to_key(instances).transpose(1, 2) / 2
    _close(weights, scores.softmax(dim=2))
    _close(found, layer.to_out(scores.softmax(dim=2) @ layer.to_value(instances)))


def test_encoder_layer_is_that_of_torch():
    """A layer of the set transformer gives what torch's own gives with the same weights, masked or not."""
    ours = EncoderLayer(8, 2, 0.0, lone=False).double()
    theirs = torch.nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True, dtype=torch.float64)
    pairs = {
        "self_attn.in_proj_": ours.to_query_key_value,
        "self_attn.out_proj.": ours.to_out,
        "linear1.": ours.widen,
        "linear2.": ours.narrow,
        "norm1.": ours.norm_attention,
        "norm2.": ours.norm,
    }
    state = {
        f"{name}{part}": getattr(layer, part) for name, layer in pairs.items() for part in ("weight", "bias")
    }
    theirs.load_state_dict(state)
    x = torch.randn(2, 4, 8, dtype=torch.float64)
    mask = torch.tensor([[True, True, True, True], [True, True, False, False]])

    _close(ours(x), theirs(x))
    _close(ours(x, mask)[mask], theirs(x, src_key_padding_mask=~mask)[mask])


def test_bilinear_fusion_is_that_of_the_formula():
    """Gated vectors with a 1 appended are multiplied pairwise with that of the query."""
    fuse = BilinearFusion(3, 8, 0.0).double().eval()
    query, *others = torch.randn(3, 2, 8, dtype=torch.float64)

    def narrow(gate, x, other):
        """Return a gated vector."""
        z = torch.sigmoid(gate.gate(torch.cat([other, query], dim=1)))
        mixed = torch.relu(gate.mix(z * torch.relu(gate.reduce(x))))
        return torch.cat([mixed, torch.ones(2, 1, dtype=torch.float64)], dim=1)

    products = [
        torch.einsum(
            "bi,bj->bij", narrow(fuse.other_gates[k], other, other), narrow(fuse.query_gates[k], query, other)
        )
        for k, other in enumerate(others)
    ]
    expected = fuse.layers(torch.cat([product.flatten(1) for product in products], dim=1))

    _close(fuse(query, others), expected)
    assert products[0].shape == (2, 5, 5)


@pytest.mark.parametrize("query", ["rna", "bag", "image"])
def test_a_sample_does_not_depend_on_its_batch(query):
    """Other samples of a batch change nothing, be their bags larger or smaller; nor does being alone."""
    module, inputs = _module(query), _inputs()
    output = module(inputs, ALL, attention="mean")
    changed = _rows({**_inputs(seed=1), "bag": _bag((9, 1, 2, 30), seed=1)}, [0, 1, 2, 3])
    mixed = {
        "bag": Bag(
            torch.cat([inputs["bag"].values[:8], changed["bag"].values[-30:]]), torch.tensor([0, 2, 7, 8, 38])
        ),
        **{name: torch.cat([inputs[name][:3], changed[name][3:]]) for name in ("image", "rna")},
    }

    among_others = module(mixed, ALL, attention="mean")

    _close(among_others.logits[:3], output.logits[:3])
    assert (among_others.logits[3] - output.logits[3]).abs().max() > 1e-3
    for row in range(4):
        alone = module(_rows(inputs, [row]), ALL[:1], attention="mean")
        _close(alone.logits[0], output.logits[row])
        for name, weights in alone.informativeness.items():
            _close(weights[0], output.informativeness[name][row, : weights.shape[1]])


def test_the_query_guides_the_co_attention():
    """Another query changes where the others are looked at; its own pooling follows it alone."""
    module, inputs = _module(), _inputs()
    before = module(inputs, ALL, attention="full").informativeness
    shuffled = {**inputs, "rna": inputs["rna"].roll(1, dims=0)}

    after = module(shuffled, ALL, attention="full").informativeness

    for name in ("bag", "image"):
        assert (before[name] - after[name]).abs().amax(dim=(1, 2))[[0, 1, 3]].min() > 1e-4
    _close(after["rna"], before["rna"].roll(1, dims=0))


def test_tokens_of_the_query_look_at_different_instances():
    """Each signature has weights of its own, which depend on its columns alone."""
    module, inputs = _module(), _inputs()
    changed = {**inputs, "rna": inputs["rna"] + torch.tensor([0.0, 0.0, 0.0, 0.0, 2.0])}

    before = module(inputs, ALL, attention="full").informativeness["image"]
    after = module(changed, ALL, attention="full").informativeness["image"]

    _close(after[:, :2], before[:, :2])  # the last column is in the third signature only
    assert (after[:, 2] - before[:, 2]).abs().max() > 1e-3
    assert (before[:, 0] - before[:, 1]).abs().max() > 1e-3


def test_order_of_instances_and_of_batches_of_bags():
    """Instances of a bag in another order give the same answer, and their weights in that order."""
    module, inputs = _module(), _inputs((5, 5, 5, 5))
    order = torch.tensor([3, 1, 4, 0, 2])
    values = inputs["bag"].values.unflatten(0, (4, 5))[:, order].flatten(0, 1)

    before = module(inputs, ALL, attention="mean")
    after = module({**inputs, "bag": Bag(values, inputs["bag"].offsets)}, ALL, attention="mean")

    _close(after.logits, before.logits)
    _close(after.informativeness["bag"], before.informativeness["bag"][:, order])


def test_pooling_is_used():
    """The scores of the pooling change the answer, and weigh the tokens in it."""
    summary = SetSummary(4, 1, 2, 0.0, lone=False).double().eval()
    tokens = torch.randn(2, 3, 4, dtype=torch.float64)
    before, _ = summary(tokens)
    with torch.no_grad():
        summary.pooling.score.weight.mul_(50)

    after, weights = summary(tokens)

    assert (after - before).abs().max() > 1e-3
    _close(
        after, torch.relu(summary.affine((weights[:, :, None] * summary.transformer[0](tokens)).sum(dim=1)))
    )


LONE = {
    "bag": BagTokens(VectorTokens(3)),
    "image": PatchTokens((1, 4, 4), 8),
    "rna": GroupTokens([[0, 1, 2, 3, 4]], 8),
}


@pytest.mark.parametrize("fusion", ["concat", "bilinear"])
@pytest.mark.parametrize("missing", ["neutral", "zero"])
@pytest.mark.parametrize(
    ("query", "lone"), [("rna", False), ("bag", False), ("image", False), ("rna", True), ("bag", True)]
)
def test_every_parameter_has_a_gradient(query, lone, fusion, missing):
    """Nothing is computed in vain, with lone tokens neither: where modalities are missing, all learn."""
    module = _module(query, LONE if lone else None, fusion=fusion, missing=missing)
    present = [[True, True, True], [False, True, True], [True, False, True], [True, True, False]]

    assert not _without_gradient(module, _inputs((2, 0, 4, 3) * 6), torch.tensor(present * 6))


def test_one_modality_alone():
    """Its tokens go through a set transformer and the pooling; every parameter has a gradient."""
    tokenizers = {"bag": BagTokens(VectorTokens(3))}
    module = _module("bag", tokenizers)
    inputs = {"bag": _bag((2, 5, 1, 3))}
    output = module(inputs, ALL[:, :1], attention="mean")

    assert not _without_gradient(module, inputs, ALL[:, :1])
    _close(output.informativeness["bag"].sum(dim=1), torch.ones(4, dtype=torch.float64))


@pytest.mark.parametrize("missing", ["neutral", "zero"])
@pytest.mark.parametrize("name", ["bag", "image", "rna"])
def test_what_is_missing_has_no_influence(name, missing):
    """Whatever stands in the place of a missing modality, query or not, the answer is the same and finite."""
    module, inputs = _module(missing=missing), _inputs()
    present = ALL.clone()
    present[[1, 2], list(inputs).index(name)] = False
    other = _inputs(seed=5)
    replaced = {**inputs, name: other[name]}
    before, after = (module(x, present, attention="full") for x in (inputs, replaced))

    _close(after.logits[1:3], before.logits[1:3])
    assert (after.logits[0] - before.logits[0]).abs().max() > 1e-4
    assert not before.informativeness[name][1:3].any()
    others = [weights for key, weights in before.informativeness.items() if key not in {name, "rna"}]
    for weights in others:
        _close(weights.sum(dim=2), torch.ones(4, 3, dtype=torch.float64))


def test_a_missing_query_is_asked_for_by_one_learned_token():
    """Where the query is missing, what is asked depends on a learned token, and not on its nets."""
    module, inputs = _module(), _inputs()
    present = ALL.clone()
    present[0, 2] = False

    def look():
        """Return the weights of the image's patches."""
        return module(inputs, present, attention="full").informativeness["image"]

    before = look()
    with torch.no_grad():
        module.neutral_token.add_(1.0)
    token_changed = look()
    with torch.no_grad():
        module.embed_query.second.weight.mul_(2)
    net_changed = look()

    assert (token_changed[0] - before[0]).abs().max() > 1e-4
    _close(token_changed[1:], before[1:])
    _close(net_changed[0], token_changed[0])
    assert (net_changed[1:] - token_changed[1:]).abs().max() > 1e-4
    _close(before[0], before[0, :1].expand(3, -1))


@pytest.mark.parametrize("query", ["rna", "bag"])
def test_batches_without_any_modality_or_instance(query):
    """Samples that have nothing, a batch of empty bags among them, give finite answers."""
    module = _module(query)
    inputs = {
        **_inputs(),
        "bag": Bag(torch.zeros(0, 3, dtype=torch.float64), torch.zeros(5, dtype=torch.int64)),
    }

    output = module(inputs, torch.zeros(4, 3, dtype=torch.bool), attention="full")

    assert output.logits.isfinite().all()
    assert not any(weights.any() for weights in output.informativeness.values())


def test_dropout_is_what_was_asked_for():
    """Every dropout has the share that was asked for, those of the query their own; without it none draws."""
    module = _module(dropout=0.5, query_dropout=0.125, fusion="bilinear")
    dropouts = [layer for layer in module.modules() if isinstance(layer, Dropout)]
    alpha = [layer for layer in dropouts if isinstance(layer, AlphaDropout)]

    assert [layer.p for layer in alpha] == [0.125]
    assert {layer.p for layer in dropouts if layer not in alpha} == {0.5}
    assert not any(type(layer).__module__ == "torch.nn.modules.dropout" for layer in module.modules())
    inputs, quiet = _inputs(), _module().train()
    _close(quiet(inputs, ALL).logits, quiet(inputs, ALL).logits)
    noisy = module.train()
    assert (noisy(inputs, ALL).logits - noisy(inputs, ALL).logits).abs().max() > 1e-3


def test_dropout_is_where_the_docstring_says():
    """In training it follows each embedding, all parts of the transformers, the poolings, bilinear fusion."""
    module = _module(dropout=0.5, query_dropout=0.5, fusion="bilinear").train()
    calls = Counter()
    for name, layer in module.named_modules():
        if isinstance(layer, Dropout):
            owner = type(module.get_submodule(name.rpartition(".")[0])).__name__
            layer.register_forward_hook(lambda *_, owner=owner: calls.update([owner]))

    module(_inputs(), ALL)

    assert calls == {
        "QueryEmbedding": 2,
        "InstanceEmbedding": 2,
        "EncoderLayer": 3 * 2 * 4,  # weights and result of the attention, and both layers after it
        "GatedAttentionPooling": 3 * 2,
        "SetSummary": 3,
        "GatedVector": 2 * 2,
        "BilinearFusion": 1,
        "Sequential": 2,
    }


def test_forward_returns_what_the_base_wants():
    """In training nothing is kept of the attention; the fused vector has the width asked for."""
    output = _module().train()(_inputs(), ALL)

    assert isinstance(output, FusionOutput)
    assert output.informativeness == {}
    assert output.fused.shape == (4, 8)


def test_only_instances_that_are_there_are_embedded():
    """Small bags are not filled up before the embedding: a large one costs no more than its own instances."""
    for query, embedding in (("rna", "embed.0.inner.affine"), ("bag", "embed_query.inner.first")):
        seen = []
        module = _module(query)
        module.get_submodule(embedding).register_forward_hook(
            lambda *run, seen=seen: seen.append(run[2].numel())
        )

        module(_inputs((1, 0, 50, 2)), ALL)

        assert seen == [53 * 8]
