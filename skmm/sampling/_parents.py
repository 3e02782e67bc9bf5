r"""Which two samples a synthetic one lies between, read off columns that were interpolated with the rest.

A sample i gets a number :math:`u_i` and the three columns :math:`(u_i, u_i^2, u_i^3)`, so small that they
change no distance. A sampler that makes :math:`x = (1 - t) x_i + t x_k` makes, of these, the first three
moments of a random number that is :math:`u_i` with probability 1 - t and :math:`u_k` with probability t,
and from three moments the two numbers and t follow. So samplers are used as they are, whatever they do.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

_TINY = 1e-8  # of the smallest spread of a column: squared, it is lost in the rounding of squared distances
_FLOOR = 1e-100  # that numbers still are numbers
_CLOSE = 1e-10  # moments that agree
_AT_A_SAMPLE = 1e-12  # a number that is that of a sample: nothing, or next to nothing, was added


class Parents(NamedTuple):
    """Where rows come from: ``(1 - step) * nearer + step * other``; the two are one for rows of before."""

    nearer: np.ndarray
    other: np.ndarray
    step: np.ndarray


def sample_numbers(n_samples):
    """A number from -1 to 1 for each sample, shuffled: numbers next to each other are hard to tell apart."""
    return np.random.default_rng(0).permutation(
        np.linspace(-1, 1, n_samples) if n_samples > 1 else np.ones(1)
    )


def code_scale(spreads):
    """How large the columns may be beside columns of given standard deviations."""
    spreads = spreads[spreads > 0]
    return max(_TINY * spreads.min(), _FLOOR) if len(spreads) else _TINY


def code_columns(n_samples, scale):
    """The three columns that tell samples apart, (n_samples, 3)."""
    return scale * sample_numbers(n_samples)[:, np.newaxis] ** np.arange(1, 4)


def find_parents(columns, n_samples, scale):
    """The parents of rows, from what became of the three columns.

    Parameters
    ----------
    columns : ndarray of shape (n_rows, 3)
        The columns, as a sampler returned them.
    n_samples : int
        How many samples the sampler got.
    scale : float
        How large the columns were.

    Returns
    -------
    Parents or None
        None where some row is not on a line through two samples.
    """
    numbers = sample_numbers(n_samples)
    order = np.argsort(numbers)
    first, second, third = (columns / scale).T
    # Differences of central moments: t (1 - t) d^2 and t (1 - t) (1 - 2 t) d^3, where d is the distance.
    variance = second - first**2
    skewness = third - 3 * first * second + 2 * first**3
    start = _nearest(numbers, order, first)
    is_sample = np.all(
        [
            np.abs(numbers[start] ** power - moment) < _AT_A_SAMPLE
            for power, moment in ((1, first), (2, second), (3, third))
        ],
        axis=0,
    )
    variance = np.where(is_sample, 1.0, variance)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.where(is_sample, 0.0, skewness / variance)  # (1 - 2 t) d
        distance = np.sqrt(np.maximum(slope**2 + 4 * variance, 0))
        low = np.nan_to_num(first - (distance - slope) / 2)
        high = np.nan_to_num(first + (distance + slope) / 2)
    low = np.where(is_sample, start, _nearest(numbers, order, low))
    high = np.where(is_sample, start, _nearest(numbers, order, high))
    gap = numbers[high] - numbers[low]
    step = np.divide(first - numbers[low], gap, out=np.zeros(len(first)), where=gap != 0)
    for power, moment in ((1, first), (2, second), (3, third)):
        expected = (1 - step) * numbers[low] ** power + step * numbers[high] ** power
        if not np.allclose(
            expected, moment, rtol=0, atol=_CLOSE * np.maximum(1, np.abs(step)).max(initial=1)
        ):
            return None
    turned = step > 0.5
    return Parents(np.where(turned, high, low), np.where(turned, low, high), np.where(turned, 1 - step, step))


def _nearest(numbers, order, values):
    """The sample whose number is nearest to each value."""
    ranks = np.rint((values + 1) / 2 * (len(numbers) - 1))
    return order[np.clip(ranks, 0, len(numbers) - 1).astype(np.intp)]


def join_groups(groups, parents):
    """Groups of rows, such that no group has a part of what a synthetic row was made of.

    Groups between which a row was made become one, under the name of the first of them.

    Parameters
    ----------
    groups : ndarray of shape (n_samples,)
        Groups of the samples.
    parents : Parents
        Where the rows come from.

    Returns
    -------
    ndarray of shape (n_rows,)
        Groups of the rows.
    """
    codes, names = pd.factorize(groups)
    edges = codes[parents.nearer], codes[parents.other]
    graph = csr_array((np.ones(len(edges[0])), edges), shape=(len(names), len(names)))
    _, parts = connected_components(graph, directed=False)
    first = np.full(parts.max() + 1, len(names))
    np.minimum.at(first, parts, np.arange(len(names)))
    return names[first[parts]][codes[parents.nearer]]
