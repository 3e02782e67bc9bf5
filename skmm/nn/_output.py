"""What goes into a fusion network and what comes out."""

from typing import NamedTuple

import torch


class Bag(NamedTuple):
    """Bags of a batch, stored flat: ``values[offsets[i]:offsets[i + 1]]`` are the instances of sample i.

    Parameters
    ----------
    values : Tensor of shape (total_instances, ...)
        Instances of all samples, one sample after the other.
    offsets : Tensor of int64 of shape (batch + 1,)
        Where each sample starts; a sample without instances has none.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import Bag
    >>> bag = Bag(torch.arange(6.0).reshape(3, 2), torch.tensor([0, 1, 3]))
    >>> bag.values[bag.offsets[1] : bag.offsets[2]]
    tensor([[2., 3.],
            [4., 5.]])
    """

    values: torch.Tensor
    offsets: torch.Tensor


class FusionOutput(NamedTuple):
    """What the ``forward(inputs, present)`` of a fusion network returns.

    Parameters
    ----------
    logits : Tensor of shape (batch, n_classes)
        Scores of the classes; their softmax is the prediction.
    losses : dict of str -> Tensor, default={}
        What is minimized besides the cross-entropy of the logits, already weighted: a tensor of shape
        (batch,), one of shape (batch, n_classes) with the loss that a sample has if that class is the true
        one, or a scalar. An entry "classification" takes the place of the cross-entropy of the logits.
    informativeness : dict of str -> Tensor, default={}
        Whatever tells what the network looked at, by name; the first axis is the batch.
    fused : Tensor of shape (batch, width), default=None
        The fused vector, what ``transform`` returns.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import FusionOutput
    >>> FusionOutput(torch.zeros(2, 3)).losses
    {}
    """

    logits: torch.Tensor
    losses: dict = {}
    informativeness: dict = {}
    fused: torch.Tensor | None = None
