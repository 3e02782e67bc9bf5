"""Where on a grid a token lies, as features that attention can compare."""

import math

import torch


def _features(positions, n_bands, max_frequency):
    """[sin(pi f p) for f, cos(pi f p) for f, p] of positions p, frequencies f from 1 to max_frequency / 2."""
    frequencies = torch.linspace(
        1, max_frequency / 2, n_bands, dtype=positions.dtype, device=positions.device
    )
    angles = positions[..., None] * frequencies * math.pi
    return torch.cat([angles.sin(), angles.cos(), positions[..., None]], dim=-1)


def fourier_positions(axes, n_bands, max_frequency):
    """Fourier features of the points of a grid, axis by axis.

    The features of a coordinate p are [sin(pi f p) for all f, cos(pi f p) for all f, p].

    Parameters
    ----------
    axes : sequence of int
        Number of points along each axis, evenly spaced from -1 to 1; a single one lies at -1.
    n_bands : int
        Number of frequencies.
    max_frequency : float
        Twice the highest frequency.

    Returns
    -------
    Tensor of float64 of shape (n_points, n_axes * (2 * n_bands + 1))
        Features of all points, the last axis running fastest.

    Examples
    --------
    >>> from skmm.nn import fourier_positions
    >>> fourier_positions((2, 3), 0, 10.0).tolist()
    [[-1.0, -1.0], [-1.0, 0.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 0.0], [1.0, 1.0]]
    """
    points = [
        _features(torch.linspace(-1, 1, size, dtype=torch.float64), n_bands, max_frequency) for size in axes
    ]
    shape = [*axes, 2 * n_bands + 1]
    spread = [
        features.reshape([-1 if axis == own else 1 for axis in range(len(axes))] + [shape[-1]]).expand(shape)
        for own, features in enumerate(points)
    ]
    return torch.cat(spread, dim=-1).flatten(0, -2)
