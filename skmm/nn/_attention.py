"""Scaled dot-product attention in several heads, with the weights that it gives."""

import math

import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

from skmm.nn._dropout import Dropout
from skmm.nn._masking import masked_softmax


def _split_heads(x, n_heads):
    """(batch, n, n_heads * head_width) as (batch, n_heads, n, head_width)."""
    return x.unflatten(-1, (n_heads, -1)).transpose(1, 2)


def attend(query, key, value, *, n_heads, mask=None, temperature=1.0, dropout=None, need_weights=True):
    """Attention of queries over keys: softmax(q k' / (sqrt(head_width) * temperature)) v, for each head.

    Parameters
    ----------
    query : Tensor of shape (batch, n_query, n_heads * head_width)
        Queries q, one head beside the other.
    key : Tensor of shape (batch, n_key, n_heads * head_width)
        Keys k.
    value : Tensor of shape (batch, n_key, n_heads * value_width)
        Values v.
    n_heads : int
        Number of heads.
    mask : Tensor of bool of shape (batch, n_key), default=None
        True where a key is real; None where all are.
    temperature : float, default=1.0
        Below 1 the weights are sharper.
    dropout : callable, default=None
        Applied to the weights that average the values, not to those returned.
    need_weights : bool, default=True
        Whether to return the weights; it is faster without them, and without dropout.

    Returns
    -------
    out : Tensor of shape (batch, n_query, n_heads * value_width)
        Averages of the values; zero for a sample without a real key.
    weights : Tensor of shape (batch, n_heads, n_query, n_key) or None
        They sum to 1 over the keys, or to 0 for a sample without a real key.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import attend
    >>> keys = torch.tensor([[[1.0], [3.0], [9.0]]])
    >>> mask = torch.tensor([[True, True, False]])
    >>> out, weights = attend(torch.zeros(1, 1, 1), keys, keys, n_heads=1, mask=mask)
    >>> out.item(), weights.tolist()
    (2.0, [[[[0.5, 0.5, 0.0]]]])
    """
    q, k, v = (_split_heads(x, n_heads) for x in (query, key, value))
    scale = 1 / (math.sqrt(q.shape[-1]) * temperature)
    mask = None if mask is None else mask[:, None, None]
    if dropout is None and not need_weights:  # one kernel; zero where a sample has no real key, as below
        found = scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=scale)
        return found.transpose(1, 2).flatten(2), None
    scores = q @ k.transpose(2, 3) * scale
    weights = torch.softmax(scores, dim=-1) if mask is None else masked_softmax(scores, mask)
    used = weights if dropout is None else dropout(weights)
    return (used @ v).transpose(1, 2).flatten(2), weights


class Attention(nn.Module):
    """Attention with learned maps to queries, keys, values, and from the heads to the result.

    Parameters
    ----------
    query_width : int
        Width of what asks, and of the result.
    context_width : int
        Width of what is looked at.
    n_heads : int
        Number of heads.
    head_width : int
        Width of each head.
    bias : bool, default=True
        Whether queries, keys and values have a bias; the result always has one.
    temperature : float, default=1.0
        As in :func:`attend`.
    dropout : float, default=0.0
        Share of the weights that a training step drops.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import Attention
    >>> with torch.random.fork_rng():
    ...     attention = Attention(4, 7, n_heads=2, head_width=3)
    >>> out, weights = attention(torch.zeros(5, 1, 4), torch.ones(5, 6, 7))
    >>> out.shape, weights.shape
    (torch.Size([5, 1, 4]), torch.Size([5, 2, 1, 6]))
    """

    def __init__(
        self, query_width, context_width, n_heads, head_width, *, bias=True, temperature=1.0, dropout=0.0
    ):
        super().__init__()
        self.n_heads = n_heads
        self.temperature = temperature
        width = n_heads * head_width
        self.to_query = nn.Linear(query_width, width, bias=bias)
        self.to_key = nn.Linear(context_width, width, bias=bias)
        self.to_value = nn.Linear(context_width, width, bias=bias)
        self.to_out = nn.Linear(width, query_width)
        self.dropout = Dropout(dropout)

    def forward(self, x, context, mask=None, *, need_weights=True):
        """What each query finds, and where it looks.

        Parameters
        ----------
        x : Tensor of shape (batch, n_query, query_width)
            What asks.
        context : Tensor of shape (batch, n_key, context_width)
            What is looked at.
        mask : Tensor of bool of shape (batch, n_key), default=None
            True where an entry of ``context`` is real; None where all are.
        need_weights : bool, default=True
            As in :func:`attend`.

        Returns
        -------
        out : Tensor of shape (batch, n_query, query_width)
            Results; the bias of the last map for a sample without a real entry.
        weights : Tensor of shape (batch, n_heads, n_query, n_key) or None
            Where each query of each head looks.
        """
        return self.look(x, self.to_key(context), self.to_value(context), mask, need_weights=need_weights)

    def look(self, x, key, value, mask=None, *, need_weights=True):
        """The same, from keys and values that were computed before.

        Parameters
        ----------
        x : Tensor of shape (batch, n_query, query_width)
            What asks.
        key, value : Tensor of shape (batch, n_key, n_heads * head_width)
            ``to_key(context)`` and ``to_value(context)``.
        mask : Tensor of bool of shape (batch, n_key), default=None
            True where a key is real; None where all are.
        need_weights : bool, default=True
            As in :func:`attend`.

        Returns
        -------
        out : Tensor of shape (batch, n_query, query_width)
            Results; the bias of the last map for a sample without a real entry.
        weights : Tensor of shape (batch, n_heads, n_query, n_key) or None
            Where each query of each head looks.
        """
        found, weights = attend(
            self.to_query(x),
            key,
            value,
            n_heads=self.n_heads,
            mask=mask,
            temperature=self.temperature,
            dropout=self.dropout if self.training and self.dropout.p else None,
            need_weights=need_weights,
        )
        return self.to_out(found), weights
