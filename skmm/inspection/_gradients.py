"""Integrated gradients of any function of tensors: rules of integration, and intervals that are halved."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch

RULES = ("gausslegendre", "riemann_left", "riemann_right", "riemann_middle", "riemann_trapezoid")
N_STEPS = 50  # of an interval
TOLERANCE = 0.01  # of the completeness error
_FLOOR = 0.1  # of the sum of the absolute attributions, where the function hardly changes
_NOTHING = 1e-4  # a change of a logit that is none: a 40,000th of a probability at most
# An interval may differ by so much of what a whole sample may. Most often the differences of intervals have
# both signs, and half is enough; where it is not, the next is tried.
_SHARES = (0.5, 0.1, 0.02)
_N_HALVINGS = 20  # of an interval, at most
_N_INTERVALS = 32  # of a sample, in which it is not exact, at most: more are those of a function that jumps


class Integral(NamedTuple):
    """Integrated gradients of some samples, and how they compare with the change of the function."""

    attributions: tuple  # of tensors of the shapes of the inputs
    difference: torch.Tensor  # (n,), f(x) - f(b)
    error: torch.Tensor  # (n,), of the completeness, relative


@lru_cache(maxsize=16)
def nodes(rule, n_steps):
    """Places in [0, 1] at which a rule evaluates, and their weights.

    NOTE[DIFF] Weights of the trapezoid rule sum to 1; those of captum to 1 - 1 / n_steps.

    Parameters
    ----------
    rule : str
        One of `RULES`.
    n_steps : int
        Number of places.

    Returns
    -------
    places, weights : ndarray of shape (n_steps,)
        In float64.
    """
    if rule == "gausslegendre":
        places, weights = np.polynomial.legendre.leggauss(n_steps)
        return (places + 1) / 2, weights / 2
    equal = np.full(n_steps, 1 / n_steps)
    if rule == "riemann_trapezoid":
        weights = np.full(n_steps, 1 / max(n_steps - 1, 1))
        weights[[0, -1]] /= 2
        return np.linspace(0, 1, n_steps), weights
    shift = {"riemann_left": 0.0, "riemann_middle": 0.5, "riemann_right": 1.0}[rule]
    return (np.arange(n_steps) + shift) / n_steps, equal


def absolute_sums(parts):
    """Sums over the absolute values of each sample."""
    return _sums([part.abs() for part in parts])


def completeness_error(attributions, difference, size_of=absolute_sums):
    """How far the sums of attributions are from the change of a function.

    Relative to the larger of it and a tenth of the sum of their absolute values.

    Parameters
    ----------
    attributions : sequence of Tensor of shape (n, ...)
        Attributions of n samples.
    difference : Tensor of shape (n,)
        Change of the function.
    size_of : callable, default=absolute_sums
        From the attributions to the sums of their absolute values, (n,).

    Returns
    -------
    Tensor of shape (n,)
        At least 0; 0 where both are.
    """
    error = (_sums(attributions) - difference).abs()
    return error / _scale(difference, size_of(attributions))


def _scale(difference, size):
    """What the error of the completeness is relative to."""
    return torch.maximum(difference.abs(), _FLOOR * size).clamp(min=_NOTHING)


def integrate(function, inputs, baselines, places, weights, *, at_once, rows=None):
    """Integrals of the gradient along straight lines, times the differences of their ends.

    Parameters
    ----------
    function : callable
        From tensors of shape (k, ...), and a tensor of k numbers of samples, to a tensor of shape (k,).
    inputs, baselines : tuple of Tensor of shape (n, ...)
        Ends and starts of the lines.
    places, weights : ndarray of shape (n_steps,)
        A rule of integration on [0, 1].
    at_once : int
        How many evaluations at a time, at most; one of each sample at least.
    rows : Tensor of int64 of shape (n,), default=None
        Numbers of the samples; None for 0 to n - 1.

    Returns
    -------
    tuple of Tensor of shape (n, ...)
        Attributions.
    """
    n = len(inputs[0])
    rows = torch.arange(n, device=inputs[0].device) if rows is None else rows
    directions = [end - start for end, start in zip(inputs, baselines, strict=True)]
    places, weights = (
        torch.as_tensor(part, dtype=inputs[0].dtype, device=rows.device) for part in (places, weights)
    )
    sums = [torch.zeros_like(part) for part in directions]
    n_steps = max(1, at_once // n)
    for part, weight in zip(places.split(n_steps), weights.split(n_steps), strict=True):
        points = tuple(
            torch.addcmul(start, direction, part.reshape(-1, *[1] * direction.ndim))
            .flatten(0, 1)
            .requires_grad_()
            for start, direction in zip(baselines, directions, strict=True)
        )
        with torch.enable_grad():
            values = function(*points, rows.repeat(len(part)))
            gradients = torch.autograd.grad(values, points, weight.repeat_interleave(n), allow_unused=True)
        for total, gradient in zip(sums, gradients, strict=True):
            if gradient is not None:  # that of an input which the function ignores
                total.add_(gradient.view(len(part), *total.shape).sum(dim=0))
    return tuple(total * direction for total, direction in zip(sums, directions, strict=True))


def integrated_gradients(
    function,
    inputs,
    baselines,
    *,
    n_steps=None,
    rule="gausslegendre",
    at_once=1024,
    size_of=absolute_sums,
):
    """Integrated gradients, with as many steps as they need where no number is given.

    All samples begin with one interval, of `N_STEPS` steps. Where their sum differs from the change of the
    function by more than `TOLERANCE`, the intervals that differ most are halved, again and again.

    Parameters
    ----------
    function : callable
        From tensors of shape (k, ...), and a tensor of k numbers of samples, to a tensor of shape (k,).
    inputs, baselines : tuple of Tensor of shape (n, ...)
        Samples, and where the lines to them start.
    n_steps : int, default=None
        Steps of a single interval; None for as many as needed.
    rule : str, default="gausslegendre"
        One of `RULES`.
    at_once : int, default=1024
        How many evaluations at a time, at most; one of each sample at least.
    size_of : callable, default=absolute_sums
        From attributions of k samples to the sums of their absolute values, (k,).

    Returns
    -------
    Integral
        Of the n samples.
    """
    rows = torch.arange(len(inputs[0]), device=inputs[0].device)
    places, weights = nodes(rule, n_steps or N_STEPS)
    ends, starts = _at_both_ends(function, inputs, baselines, rows, at_once)
    difference = ends - starts
    found = integrate(function, inputs, baselines, places, weights, at_once=at_once)
    error = completeness_error(found, difference, size_of)
    for share in _SHARES if n_steps is None else ():
        far = torch.nonzero(error > TOLERANCE)[:, 0]
        if not len(far):
            break
        chosen = [tuple(part[far] for part in group) for group in (inputs, baselines, found)]
        values = torch.stack([starts[far], ends[far]])
        allowed = share * TOLERANCE * _scale(values[1] - values[0], size_of(chosen[2]))
        better = _refined(function, *chosen, values, (places, weights), allowed, at_once=at_once, rows=far)
        for whole, part in zip(found, better, strict=True):
            whole[far] = part
        error = completeness_error(found, difference, size_of)
    return Integral(found, difference, error)


def _refined(function, inputs, baselines, found, values, rule, allowed, *, at_once, rows):
    """Attributions of some samples by intervals, each halved where its sum is not near its change.

    ``values`` are those of the function at the starts and the ends, (2, n); an interval may differ from its
    change by as much as is ``allowed``, (n,).
    """
    done = tuple(torch.zeros_like(part) for part in found)
    owner = torch.arange(len(rows), device=rows.device)
    bounds = torch.stack([torch.zeros_like(allowed), torch.ones_like(allowed)])
    for level in range(_N_HALVINGS):
        middle = bounds.mean(dim=0)
        there = [
            _values(
                function, _points(inputs, baselines, owner[part], middle[part]), rows[owner[part]], at_once
            )
            for part in _parts(owner, at_once)
        ]
        owner, bounds, values = owner.repeat(2), _halves(bounds, middle), _halves(values, torch.cat(there))
        is_last = (level == _N_HALVINGS - 1) | (torch.bincount(owner)[owner] > _N_INTERVALS)
        bad = torch.zeros_like(is_last)
        for part in _parts(owner, at_once):
            own = owner[part]
            starts, ends = (_points(inputs, baselines, own, bound[part]) for bound in bounds)
            sums = integrate(function, ends, starts, *rule, at_once=at_once, rows=rows[own])
            error = (_sums(sums) - values[1, part] + values[0, part]).abs()
            bad[part] = (error > allowed[own]) & ~is_last[part]
            for total, one in zip(done, sums, strict=True):
                total.index_add_(0, own[~bad[part]], one[~bad[part]])
        if not bad.any():
            break
        owner, bounds, values = owner[bad], bounds[:, bad], values[:, bad]
    return done


def _parts(owner, at_once):
    """Numbers of intervals, so many at a time."""
    return torch.arange(len(owner), device=owner.device).split(at_once)


def _halves(ends, middle):
    """The two ends of both halves of intervals, (2, 2 n)."""
    return torch.stack([torch.cat([ends[0], middle]), torch.cat([middle, ends[1]])])


def _points(inputs, baselines, owner, places):
    """Points of the lines of some samples, one at each place."""
    return tuple(
        torch.addcmul(start[owner], end[owner] - start[owner], places.reshape(-1, *[1] * (start.ndim - 1)))
        for end, start in zip(inputs, baselines, strict=True)
    )


def _at_both_ends(function, inputs, baselines, rows, at_once):
    """Values of a function at the ends and the starts of the lines, (2, n)."""
    points = [torch.cat(pair) for pair in zip(inputs, baselines, strict=True)]
    return _values(function, points, rows.repeat(2), at_once).view(2, -1)


def _values(function, points, rows, at_once):
    """Values of a function, so many at a time."""
    with torch.no_grad():
        parts = zip(*(part.split(at_once) for part in (*points, rows)), strict=True)
        return torch.cat([function(*part) for part in parts])


def _sums(parts):
    """Sums over all values of each sample."""
    return sum(part.flatten(1).sum(dim=1) for part in parts)
