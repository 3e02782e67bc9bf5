"""Groups of columns, each with an affine map of its own, in one batched product."""

import math

import torch
from torch import nn


class GroupedLinear(nn.Module):
    """One affine map for each group: y_g = W_g x_g + b_g.

    Parameters
    ----------
    n_groups : int
        Number of groups g.
    n_in : int
        Size of a group's input; of the largest one where sizes differ.
    n_out : int
        Size of a group's output.
    sizes : sequence of int of length n_groups, default=None
        Sizes of the inputs of groups; what is beyond them must be zero. None where all are ``n_in``. They set
        the spread of the initial weights, which is that of ``torch.nn.Linear``.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import GroupedLinear
    >>> with torch.random.fork_rng():
    ...     maps = GroupedLinear(3, 4, 2)
    >>> maps(torch.zeros(5, 3, 4)).shape
    torch.Size([5, 3, 2])
    """

    def __init__(self, n_groups, n_in, n_out, sizes=None):
        super().__init__()
        weight = torch.zeros(n_groups, n_in, n_out)
        bias = torch.empty(n_groups, n_out)
        for group, size in enumerate([n_in] * n_groups if sizes is None else sizes):
            bound = 1 / math.sqrt(size)
            weight[group, :size].uniform_(-bound, bound)
            bias[group].uniform_(-bound, bound)
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(bias)

    def forward(self, x):
        """Map each group.

        Parameters
        ----------
        x : Tensor of shape (batch, n_groups, n_in)
            Groups of inputs.

        Returns
        -------
        Tensor of shape (batch, n_groups, n_out)
            Groups of outputs.
        """
        return torch.baddbmm(self.bias[:, None], x.transpose(0, 1), self.weight).transpose(0, 1)


class ColumnGroups(nn.Module):
    """Groups of columns of a table, side by side: zeros fill up those that are smaller than the largest.

    Parameters
    ----------
    groups : sequence of array of int
        Columns of each group, not empty; a column may be in several groups, or in none.

    Attributes
    ----------
    sizes : list of int
        Number of columns of each group.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import ColumnGroups
    >>> ColumnGroups([[0, 2], [1]])(torch.tensor([[10.0, 20.0, 30.0]]))
    tensor([[[10., 30.],
             [20.,  0.]]])
    """

    def __init__(self, groups):
        super().__init__()
        self.sizes = [len(group) for group in groups]
        columns = torch.zeros(len(groups), max(self.sizes), dtype=torch.int64)
        real = torch.zeros(columns.shape, dtype=torch.bool)
        for row, group in enumerate(groups):
            columns[row, : len(group)] = torch.as_tensor(group)
            real[row, : len(group)] = True
        self.register_buffer("columns", columns)
        self.register_buffer("real", None if bool(real.all()) else real)

    def forward(self, x):
        """The groups of each row.

        Parameters
        ----------
        x : Tensor of shape (batch, n_features)
            Rows of a table.

        Returns
        -------
        Tensor of shape (batch, n_groups, largest size)
            Values by group.
        """
        grouped = x.index_select(1, self.columns.flatten()).unflatten(1, self.columns.shape)
        return grouped if self.real is None else grouped * self.real
