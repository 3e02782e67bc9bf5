"""What attention looks at: tables, images, volumes and bags as sets of tokens."""

import math
from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import nn
from torch.nn.functional import pad

from skmm.nn._grouped import ColumnGroups, GroupedLinear
from skmm.nn._positions import fourier_positions


class Tokens(NamedTuple):
    """Tokens of a batch, padded to the largest number that a sample has.

    Parameters
    ----------
    values : Tensor of shape (batch, n_tokens, width)
        Tokens of each sample.
    mask : Tensor of bool of shape (batch, n_tokens), default=None
        True where a token is real; None where all are.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import Tokens
    >>> Tokens(torch.zeros(2, 3, 4)).mask is None
    True
    """

    values: torch.Tensor
    mask: torch.Tensor | None = None


class Tokenizer(nn.Module, ABC):
    """Base of the tokenizers: tokens with the Fourier features of their positions appended.

    Parameters
    ----------
    axes : tuple of int
        The grid on which the tokens lie.
    width : int
        Width of a token without its position.
    n_bands : int, default=None
        Frequencies of the Fourier features, see :func:`fourier_positions`; None for no positions.
    max_frequency : float, default=10.0
        Twice the highest frequency.

    Attributes
    ----------
    axes : tuple of int
        The grid; its size is the number of tokens.
    width : int
        Width of a token with its position.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import FeatureTokens
    >>> FeatureTokens(3, n_bands=0)(torch.tensor([[7.0, 8.0, 9.0]])).values
    tensor([[[ 7., -1.],
             [ 8.,  0.],
             [ 9.,  1.]]])
    """

    def __init__(self, axes, width, n_bands=None, max_frequency=10.0):
        super().__init__()
        self.axes = tuple(axes)
        positions = None
        if n_bands is not None:
            positions = fourier_positions(self.axes, n_bands, max_frequency)
            width += positions.shape[1]
        self.width = width
        self.register_buffer("positions", positions, persistent=False)

    @abstractmethod
    def _cut(self, x):
        """Values of the tokens without positions, of shape (batch, n_tokens, width)."""

    def forward(self, x):
        """The tokens of each sample.

        Parameters
        ----------
        x : Tensor of shape (batch, ...)
            A modality.

        Returns
        -------
        Tokens
            Its tokens.
        """
        values = self._cut(x)
        if self.positions is not None:
            values = torch.cat([values, self.positions.to(values.dtype).expand(len(values), -1, -1)], dim=2)
        return Tokens(values)


class VectorTokens(Tokenizer):
    """A whole row of a table as one token, at the only position there is.

    Parameters
    ----------
    n_features : int
        Number of columns.
    n_bands : int, default=None
        Frequencies of the positions, as in :class:`Tokenizer`.
    max_frequency : float, default=10.0
        Twice the highest frequency.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import VectorTokens
    >>> VectorTokens(3)(torch.tensor([[7.0, 8.0, 9.0]])).values
    tensor([[[7., 8., 9.]]])
    """

    def __init__(self, n_features, n_bands=None, max_frequency=10.0):
        super().__init__((1,), n_features, n_bands, max_frequency)

    def _cut(self, x):
        """The rows."""
        return x[:, None]


class FeatureTokens(Tokenizer):
    """Each feature of a table as a token of width 1, its column as position.

    Parameters
    ----------
    n_features : int
        Number of columns.
    n_bands : int, default=None
        Frequencies of the positions, as in :class:`Tokenizer`.
    max_frequency : float, default=10.0
        Twice the highest frequency.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import FeatureTokens
    >>> FeatureTokens(3)(torch.tensor([[7.0, 8.0, 9.0]])).values
    tensor([[[7.],
             [8.],
             [9.]]])
    """

    def __init__(self, n_features, n_bands=None, max_frequency=10.0):
        super().__init__((n_features,), 1, n_bands, max_frequency)

    def _cut(self, x):
        """The values."""
        return x[:, :, None]


class GroupTokens(Tokenizer):
    """Each group of columns as a token, by an affine map of its own.

    Parameters
    ----------
    groups : sequence of array of int
        Columns of each group, not empty; a column may be in several groups, or in none.
    width : int
        Width of a token.
    n_bands : int, default=None
        Frequencies of the positions, as in :class:`Tokenizer`.
    max_frequency : float, default=10.0
        Twice the highest frequency.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import GroupTokens
    >>> with torch.random.fork_rng():
    ...     tokenizer = GroupTokens([[0, 2], [1]], width=4)
    >>> tokenizer(torch.zeros(5, 3)).values.shape
    torch.Size([5, 2, 4])
    """

    def __init__(self, groups, width, n_bands=None, max_frequency=10.0):
        super().__init__((len(groups),), width, n_bands, max_frequency)
        self.columns = ColumnGroups(groups)
        self.embed = GroupedLinear(len(groups), max(self.columns.sizes), width, self.columns.sizes)

    def _cut(self, x):
        """The mapped groups."""
        return self.embed(self.columns(x))


class PatchTokens(Tokenizer):
    """The patches of an image or volume as tokens; zeros fill up those at the far edges.

    Parameters
    ----------
    shape : tuple of int
        (channels, height, width) or (channels, depth, height, width).
    patch_size : int
        Side of a patch; along an axis that is shorter than it, the patch has the size of the axis.
    n_bands : int, default=None
        Frequencies of the positions, as in :class:`Tokenizer`.
    max_frequency : float, default=10.0
        Twice the highest frequency.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import PatchTokens
    >>> tokenizer = PatchTokens((1, 2, 3), patch_size=2)
    >>> tokenizer(torch.arange(6.0).reshape(1, 1, 2, 3)).values
    tensor([[[0., 1., 3., 4.],
             [2., 0., 5., 0.]]])
    """

    def __init__(self, shape, patch_size, n_bands=None, max_frequency=10.0):
        n_channels, *axes = shape
        self.sides = [min(patch_size, size) for size in axes]
        counts = [math.ceil(size / side) for size, side in zip(axes, self.sides, strict=True)]
        super().__init__(counts, n_channels * math.prod(self.sides), n_bands, max_frequency)
        extra = [count * side - size for count, side, size in zip(counts, self.sides, axes, strict=True)]
        self.padding = [part for size in reversed(extra) for part in (0, size)]  # the last axis comes first

    def _cut(self, x):
        """The patches, channels first within each."""
        if any(self.padding):
            x = pad(x, self.padding)
        n_axes = len(self.axes)
        split = [part for pair in zip(self.axes, self.sides, strict=True) for part in pair]
        x = x.reshape(*x.shape[:2], *split)  # (batch, channels, count, side, count, side, ...)
        counts, sides = range(2, 2 + 2 * n_axes, 2), range(3, 3 + 2 * n_axes, 2)
        return x.permute(0, *counts, 1, *sides).flatten(1 + n_axes).flatten(1, n_axes)


class BagTokens(nn.Module):
    """The tokens of all instances of a bag as one set, in which the order of the instances does not count.

    Parameters
    ----------
    inner : Tokenizer
        For one instance.

    Attributes
    ----------
    axes : tuple of int
        The grid on which the tokens of one instance lie.
    width : int
        Width of a token with its position.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import Bag, BagTokens, VectorTokens
    >>> bag = Bag(torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([0, 1, 3]))
    >>> tokens = BagTokens(VectorTokens(1))(bag)
    >>> tokens.values[:, :, 0].tolist(), tokens.mask.tolist()
    ([[1.0, 0.0], [2.0, 3.0]], [[True, False], [True, True]])
    """

    def __init__(self, inner):
        super().__init__()
        self.inner = inner
        self.axes = inner.axes
        self.width = inner.width

    def forward(self, bag):
        """The tokens of each bag, padded to those of the largest.

        Parameters
        ----------
        bag : Bag
            Flat instances and offsets.

        Returns
        -------
        Tokens
            One token at least, masked where all bags are empty.
        """
        values = self.inner(bag.values).values  # (total_instances, n_tokens, width)
        lengths = bag.offsets.diff() * values.shape[1]
        n_tokens = max(1, int(lengths.max()))
        mask = torch.arange(n_tokens, device=lengths.device) < lengths[:, None]
        padded = values.new_zeros(len(lengths), n_tokens, self.width)
        padded[mask] = values.flatten(0, 1)
        return Tokens(padded, mask)
