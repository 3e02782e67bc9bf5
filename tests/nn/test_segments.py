"""Sums, means and softmaxes over bags that are stored flat."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skmm.nn import segment_mean, segment_softmax, segment_sum

OFFSETS = torch.tensor([0, 0, 3, 4, 4, 9, 9])  # empty bags first, within and last


def _numbers(*shape, seed=0, dtype=torch.float64):
    """Return numbers from a normal distribution."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def _bags(values, offsets):
    """Return the instances of each bag."""
    return [values[start:stop] for start, stop in pairwise(offsets)]


def _gradients(function, *inputs):
    """Return gradients of a fixed combination of the result's entries."""
    inputs = [value.clone().requires_grad_() for value in inputs]
    out = function(*inputs)
    return torch.autograd.grad((out * _numbers(*out.shape, seed=9)).sum(), inputs)


@pytest.mark.parametrize("shape", [(), (1,), (2,), (2, 3)])
def test_softmax_equals_that_of_each_bag_alone(shape):
    """Values and gradients are those of a softmax over each bag's instances, whatever axes follow."""
    scores = _numbers(9, *shape)

    def alone(scores):
        return torch.cat([torch.softmax(bag, dim=0) for bag in _bags(scores, OFFSETS)])

    torch.testing.assert_close(segment_softmax(scores, OFFSETS), alone(scores), rtol=0, atol=1e-14)
    (ours,), (theirs,) = (
        _gradients(function, scores) for function in (lambda x: segment_softmax(x, OFFSETS), alone)
    )
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-14)


@pytest.mark.parametrize("heads", [None, (), (1,), (2,)])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_sums_equal_those_of_each_bag_alone(shape, heads):
    """Weighted sums, and gradients of values and weights, are those of a loop over the bags."""
    values = _numbers(9, *shape)

    def alone(values, *weights):
        if heads is None:
            return torch.stack([bag.sum(dim=0) for bag in _bags(values, OFFSETS)])
        parts = zip(_bags(weights[0], OFFSETS), _bags(values, OFFSETS), strict=True)
        return torch.stack([torch.tensordot(weight, bag, ([0], [0])) for weight, bag in parts])

    def ours(values, *weights):
        return segment_sum(values, OFFSETS, *weights)

    inputs = [values] if heads is None else [values, _numbers(9, *heads, seed=1)]
    torch.testing.assert_close(ours(*inputs), alone(*inputs), rtol=0, atol=1e-13)
    for own, expected in zip(_gradients(ours, *inputs), _gradients(alone, *inputs), strict=True):
        torch.testing.assert_close(own, expected, rtol=0, atol=1e-13)


def test_mean_by_value():
    """Means are those of the instances, zero for a bag without any, and so are their gradients."""
    values = torch.tensor([[1.0], [2.0], [6.0], [5.0]], requires_grad=True)

    means = segment_mean(values, torch.tensor([0, 3, 3, 4]))
    means.sum().backward()

    assert means.tolist() == [[3.0], [0.0], [5.0]]
    np.testing.assert_allclose(values.grad[:, 0], [1 / 3, 1 / 3, 1 / 3, 1])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 6), max_size=6), st.integers(1, 3))
def test_weights_sum_to_one(lengths, n_heads):
    """Weights are finite and sum to 1 within every bag that has instances, to 0 in the others."""
    offsets = torch.tensor([0, *np.cumsum(lengths, dtype=int)])
    weights = segment_softmax(100 * _numbers(sum(lengths), n_heads), offsets)

    assert weights.shape == (sum(lengths), n_heads)
    expected = (offsets.diff() > 0).double()[:, None].expand(len(lengths), n_heads)
    torch.testing.assert_close(segment_sum(weights, offsets), expected)
    assert segment_sum(weights, offsets, weights).isfinite().all()


def test_softmax_is_stable():
    """Scores far beyond what exp can take give the weights of their differences."""
    weights = segment_softmax(torch.tensor([1e4, 1e4, -1e4, 1e4 - 1]), torch.tensor([0, 2, 4]))

    np.testing.assert_allclose(weights, [0.5, 0.5, 0.0, 1.0], atol=1e-7)


def test_bags_do_not_touch_one_another():
    """NaN in one bag stays in it; the others have the same result to the last bit, alone and in company."""
    values, scores = _numbers(9, 5, dtype=torch.float32), _numbers(9, 2, dtype=torch.float32)
    values[3], scores[3] = torch.nan, torch.nan
    weights = segment_softmax(scores, OFFSETS)
    sums = segment_sum(values, OFFSETS, weights)

    assert sums.isnan().flatten(1).any(dim=1).tolist() == [False, False, True, False, False, False]
    alone = segment_softmax(scores[4:], torch.tensor([0, 5]))
    assert torch.equal(alone, weights[4:])
    assert torch.equal(segment_sum(values[4:], torch.tensor([0, 5]), alone)[0], sums[4])


def test_nothing_at_all():
    """Batches of empty bags, and batches of none, have zeros, and gradients of no entries."""
    for batch in (0, 2):
        offsets, values = torch.zeros(batch + 1, dtype=torch.int64), torch.zeros(0, 3, requires_grad=True)
        weights = segment_softmax(torch.zeros(0, 2, requires_grad=True), offsets)
        sums = segment_sum(values, offsets, weights)
        sums.sum().backward()

        assert weights.shape == (0, 2)
        assert sums.tolist() == [[[0.0] * 3] * 2] * batch
        assert segment_mean(values, offsets).tolist() == [[0.0] * 3] * batch
        assert values.grad.shape == (0, 3)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_types_are_summed_in_float32(dtype):
    """A long bag of half floats has the mean of its instances, not that of a sum which lost its digits."""
    values = torch.ones(5000, 1, dtype=dtype)
    offsets = torch.tensor([0, 5000])

    weights = segment_softmax(torch.zeros(5000, 1, dtype=dtype), offsets)

    assert segment_sum(values, offsets).tolist() == [[5000.0]]
    assert segment_mean(values, offsets).tolist() == [[1.0]]
    np.testing.assert_allclose(segment_sum(values, offsets, weights), [[[1.0]]], rtol=1e-5)
    assert weights.dtype == torch.float32


def test_long_bags_keep_their_digits():
    """A bag of 100,000 instances among short ones is summed as exactly as in pairs, gradients included."""
    lengths = [300, 0, 100_000, 3]
    offsets = torch.tensor([0, *np.cumsum(lengths)])
    values = _numbers(sum(lengths), 2, dtype=torch.float32).add_(1)
    scores = _numbers(sum(lengths), seed=1, dtype=torch.float32)

    weights = segment_softmax(scores, offsets).requires_grad_()
    sums = segment_sum(values, offsets, weights)
    sums[2].sum().backward()

    exact = torch.softmax(scores[300:-3].double(), dim=0) @ values[300:-3].double()
    np.testing.assert_allclose(sums[2].detach(), exact, rtol=1e-6)
    np.testing.assert_allclose(segment_sum(weights.detach(), offsets), [1, 0, 1, 1], rtol=1e-6)
    np.testing.assert_allclose(segment_sum(values, offsets)[0], values[:300].double().sum(dim=0), rtol=1e-6)
    expected = values.sum(dim=1)
    expected[:300] = expected[-3:] = 0
    torch.testing.assert_close(weights.grad, expected)


def test_inference_mode_and_slices_of_other_tensors():
    """Results are the same under inference_mode, and for values and weights that do not lie side by side."""
    values, weights = _numbers(9, 6)[:, ::2], _numbers(2, 9).T

    with torch.inference_mode():
        found = segment_sum(values, OFFSETS, segment_softmax(weights, OFFSETS))

    assert torch.equal(
        found, segment_sum(values.contiguous(), OFFSETS, segment_softmax(weights.contiguous(), OFFSETS))
    )


def test_inputs_stay_as_they_are():
    """Neither values, scores nor weights are changed in place, forward or backward."""
    values, scores = _numbers(9, 2).requires_grad_(), _numbers(9, 2).requires_grad_()
    before = values.detach().clone(), scores.detach().clone()

    weights = segment_softmax(scores, OFFSETS)
    kept = weights.detach().clone()
    segment_sum(values, OFFSETS, weights).square().sum().backward()

    assert torch.equal(values, before[0])
    assert torch.equal(scores, before[1])
    assert torch.equal(weights, kept)
