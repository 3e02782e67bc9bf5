"""Attention and gated attention pooling: values, masks, and that of torch."""

import math

import pytest
import torch
from torch import nn

from skmm.nn import Attention, GatedAttentionPooling, attend


@pytest.fixture(autouse=True)
def _forked():
    """Draw weights from a state of their own."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def test_attend_by_hand():
    """One query over two keys averages the values by the softmax of the scaled products."""
    query, keys = torch.tensor([[[2.0, 0.0]]]), torch.tensor([[[1.0, 5.0], [0.0, 5.0]]])
    values = torch.tensor([[[10.0], [20.0]]])
    first = 1 / (1 + math.exp(-2 / math.sqrt(2)))

    out, weights = attend(query, keys, values, n_heads=1)

    torch.testing.assert_close(weights, torch.tensor([[[[first, 1 - first]]]]))
    torch.testing.assert_close(out, torch.tensor([[[10 * first + 20 * (1 - first)]]]))


def test_attend_temperature():
    """A temperature of a half doubles the scores."""
    q, k = torch.randn(2, 3, 4), torch.randn(2, 5, 4)

    _, sharp = attend(q, k, k, n_heads=2, temperature=0.5)
    _, doubled = attend(2 * q, k, k, n_heads=2)

    torch.testing.assert_close(sharp, doubled)


@pytest.mark.parametrize("n_heads", [1, 2])
def test_attention_equals_torch(n_heads):
    """With the same weights it gives what torch's own multi-head attention gives."""
    theirs = nn.MultiheadAttention(8, n_heads, batch_first=True, dtype=torch.float64)
    ours = Attention(8, 8, n_heads, 8 // n_heads).double()
    with torch.no_grad():
        nn.init.normal_(theirs.in_proj_bias)
        for part, weight, bias in zip(
            (ours.to_query, ours.to_key, ours.to_value),
            theirs.in_proj_weight.chunk(3),
            theirs.in_proj_bias.chunk(3),
            strict=True,
        ):
            part.weight.copy_(weight)
            part.bias.copy_(bias)
        ours.to_out.load_state_dict(theirs.out_proj.state_dict())
    x, context = torch.randn(3, 4, 8).double(), torch.randn(3, 6, 8).double()
    mask = torch.rand(3, 6) < 0.6
    mask[:, 0] = True

    expected, expected_weights = theirs(
        x, context, context, key_padding_mask=~mask, average_attn_weights=False
    )
    out, weights = ours(x, context, mask)

    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(weights, expected_weights)


@pytest.mark.parametrize("need_weights", [True, False])
def test_masked_keys_have_no_influence(need_weights):
    """What stands under a False mask changes neither results nor gradients, however large it is."""
    attention = Attention(4, 5, 2, 3)
    x, context = torch.randn(2, 3, 4), torch.randn(2, 6, 5)
    mask = torch.tensor([[True] * 4 + [False] * 2, [True] * 2 + [False] * 4])
    other = context.clone()
    other[~mask] = 1e6

    first = attention(x, context, mask, need_weights=need_weights)[0]
    second = attention(x, other, mask, need_weights=need_weights)[0]

    assert torch.equal(first, second)
    torch.testing.assert_close(first[1:], attention(x[1:], context[1:, :2])[0])
    parameters = tuple(attention.parameters())
    gradients = torch.autograd.grad(first.square().sum(), parameters)
    for ours, theirs in zip(torch.autograd.grad(second.square().sum(), parameters), gradients, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_nothing_to_look_at():
    """A sample without a real key finds zeros, and its gradient is finite."""
    context = torch.randn(1, 2, 4, requires_grad=True)
    out, weights = attend(torch.randn(1, 3, 4), context, context, n_heads=2, mask=torch.zeros(1, 2).bool())
    out.sum().backward()

    assert not out.any()
    assert not weights.any()
    assert torch.isfinite(context.grad).all()


def test_attention_dropout_in_training_only():
    """Dropout changes what is averaged in training, and neither the returned weights nor the prediction."""
    attention = Attention(4, 4, 1, 4, dropout=0.5)
    x = torch.randn(1, 8, 4)

    dropped, weights = attention(x, x)
    whole, same = attention.eval()(x, x)

    assert not torch.allclose(dropped, whole)
    torch.testing.assert_close(weights, same)
    torch.testing.assert_close(whole, attention(x, x)[0])


def test_pooling_by_hand():
    """Weights are the softmax of c (tanh(A x) sigmoid(B x)), and the pooled vector is the weighted mean."""
    pooling = GatedAttentionPooling(1, 1)
    with torch.no_grad():
        for parameter, value in zip(pooling.parameters(), (1, 0.5, 2, -1, 3), strict=True):
            parameter.fill_(value)
    tokens = [0.3, -1.2, 2.0]
    scores = [3 * math.tanh(x + 0.5) / (1 + math.exp(-(2 * x - 1))) for x in tokens]
    expected = torch.tensor(scores).softmax(dim=0)

    pooled, weights = pooling(torch.tensor(tokens)[None, :, None])

    torch.testing.assert_close(weights[0], expected)
    torch.testing.assert_close(pooled[0, 0], (expected * torch.tensor(tokens)).sum())


def test_pooling_of_masked_tokens():
    """Masked tokens weigh nothing, and a sample with nothing but them pools to zero with finite gradients."""
    pooling = GatedAttentionPooling(2, 3)
    tokens = torch.randn(2, 4, 2)
    mask = torch.tensor([[True, True, False, False], [False] * 4])

    pooled, weights = pooling(tokens, mask)
    pooled.sum().backward()

    torch.testing.assert_close(pooled[0], pooling(tokens[:1, :2])[0][0])
    assert not weights[~mask].any()
    assert not pooled[1].any()
    assert all(torch.isfinite(parameter.grad).all() for parameter in pooling.parameters())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_same_without_the_weights(dtype):
    """The kernel that returns no weights gives the same results and gradients, without any key too."""
    generator = torch.Generator().manual_seed(0)
    parts = [torch.randn(3, n, 8, generator=generator, dtype=dtype, requires_grad=True) for n in (5, 7, 7)]
    mask = torch.arange(7) < torch.tensor([7, 4, 0])[:, None]

    expected, _ = attend(*parts, n_heads=2, mask=mask, temperature=0.5)
    found, weights = attend(*parts, n_heads=2, mask=mask, temperature=0.5, need_weights=False)

    assert weights is None
    assert not found[2].any()
    torch.testing.assert_close(found, expected)
    gradients = torch.autograd.grad(expected.square().sum(), parts)
    for ours, theirs in zip(torch.autograd.grad(found.square().sum(), parts), gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
