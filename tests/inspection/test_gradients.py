"""Integrated gradients of functions whose integrals are known."""

import numpy as np
import pytest
import torch

from skmm.inspection._gradients import RULES, TOLERANCE, completeness_error, integrated_gradients, nodes


def _samples(n_samples, width, seed=0):
    """Points and baselines from a normal distribution."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, n_samples, width, generator=generator, dtype=torch.float64)


def _kinks(z, rows):
    """Twenty ReLUs, whose kinks lie anywhere on the way; most samples need more than 50 steps."""
    return torch.relu(z[:, :1] * torch.linspace(1, 40, 20, dtype=z.dtype) - 7).sum(dim=1) / 100


@pytest.mark.parametrize("rule", RULES)
def test_a_linear_function_is_attributed_exactly(rule):
    """By every rule and with few steps each value gets its weight times its distance from the baseline."""
    x, baseline = _samples(4, 3)
    weights = torch.tensor([2.0, -1.0, 0.5], dtype=torch.float64)

    found = integrated_gradients(lambda z, rows: z @ weights, (x,), (baseline,), n_steps=3, rule=rule)

    np.testing.assert_allclose(found.attributions[0], (x - baseline) * weights, rtol=1e-12)
    np.testing.assert_allclose(found.difference, (x - baseline) @ weights, rtol=1e-12)
    assert float(found.error.max()) < 1e-12


@pytest.mark.parametrize(
    ("rule", "total"),
    [("riemann_left", 0.5), ("riemann_middle", 1), ("riemann_right", 1.5), ("riemann_trapezoid", 1)],
)
def test_rules_evaluate_where_they_say(rule, total):
    """Of x squared, with two steps from 0 to 1: the mean of 2 x at (0, 1/2), (1/4, 3/4), (1/2, 1), (0, 1)."""
    one = torch.ones(1, 1, dtype=torch.float64)

    found = integrated_gradients(lambda z, rows: z[:, 0] ** 2, (one,), (0 * one,), n_steps=2, rule=rule)

    assert float(found.attributions[0]) == pytest.approx(total)
    assert float(found.error) == pytest.approx(abs(total - 1))


def test_gauss_legendre_is_exact_for_polynomials():
    """Three steps integrate a gradient of degree 5."""
    places, weights = nodes("gausslegendre", 3)

    for degree in range(6):
        assert (weights * places**degree).sum() == pytest.approx(1 / (degree + 1), rel=1e-12)


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule != "riemann_trapezoid"])
def test_captum_gives_the_same(rule):
    """Captum's integrated gradients are the same, to the float32 in which it keeps its weights."""
    from captum.attr import IntegratedGradients

    x, baseline = _samples(5, 4)

    def function(z, rows):
        return torch.sin(z).prod(dim=1) + torch.tanh(z[:, 0])

    found = integrated_gradients(function, (x,), (baseline,), n_steps=20, rule=rule)
    captum = IntegratedGradients(function).attribute(
        x, baseline, additional_forward_args=torch.arange(5), n_steps=20, method=rule
    )

    np.testing.assert_allclose(found.attributions[0], captum, atol=1e-6)


def test_the_way_is_halved_where_there_are_kinks():
    """Without a number of steps the sums are within 1 % of the change; with 50 they are not."""
    x, baseline = (part.clone() for part in _samples(30, 2))
    x[:, 0], baseline[:, 0] = torch.linspace(0.18, 3, 30), -2

    fixed = integrated_gradients(_kinks, (x,), (baseline,), n_steps=50)
    found = integrated_gradients(_kinks, (x,), (baseline,))

    assert float(fixed.error.max()) > TOLERANCE
    assert float(found.error.max()) <= TOLERANCE
    np.testing.assert_allclose(found.attributions[0][:, 0], found.difference, rtol=TOLERANCE)
    assert not found.attributions[0][:, 1].any()


def test_a_jump_ends_with_an_error():
    """A function that jumps has no gradient to sum: the halving ends, and the error tells."""
    x, baseline = torch.ones(2, 1, dtype=torch.float64), torch.zeros(2, 1, dtype=torch.float64)

    found = integrated_gradients(lambda z, rows: (z[:, 0] > 0.3) + z[:, 0], (x,), (baseline,))

    np.testing.assert_allclose(found.difference, 2)
    np.testing.assert_allclose(found.error, 0.5, atol=1e-9)


def test_inputs_that_are_ignored_have_no_attribution():
    """What a function does not look at is zero, in a tuple of inputs of different shapes."""
    x, baseline = _samples(3, 2)
    image = torch.ones(3, 2, 4, dtype=torch.float64)

    found = integrated_gradients(lambda z, other, rows: z.sum(dim=1), (x, image), (baseline, 0 * image))

    assert found.attributions[1].shape == image.shape
    assert not found.attributions[1].any()


@pytest.mark.parametrize("at_once", [1, 7, 64])
def test_the_number_at_a_time_changes_nothing(at_once):
    """However few evaluations are made at a time, the attributions are the same, those of halves too."""
    x, baseline = _samples(6, 2)
    x[:, 0], baseline[:, 0] = torch.linspace(0.18, 3, 6), -2

    expected = integrated_gradients(_kinks, (x,), (baseline,))
    found = integrated_gradients(_kinks, (x,), (baseline,), at_once=at_once)

    np.testing.assert_allclose(found.attributions[0], expected.attributions[0], rtol=1e-10)


def test_samples_know_their_numbers():
    """A function may treat each sample in its own way."""
    x, baseline = _samples(4, 1)
    factors = torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64)

    found = integrated_gradients(lambda z, rows: z[:, 0] * factors[rows], (x,), (baseline,))

    np.testing.assert_allclose(found.attributions[0][:, 0], (x - baseline)[:, 0] * factors, rtol=1e-12)


def test_the_error_is_relative_to_the_change_or_to_the_attributions():
    """It is divided by the change, or by a tenth of the sum of absolute attributions where that is more."""
    parts = [torch.tensor([[1.0, 0.5], [10.0, -10.0], [0.0, 0.0]], dtype=torch.float64)]
    difference = torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64)

    np.testing.assert_allclose(completeness_error(parts, difference), [0.5, 0.5, 0.0])
