"""Sums, means and softmaxes over the instances of each bag, flat: nothing is padded to the largest bag."""

import torch
from torch.autograd.function import once_differentiable
from torch.nn.functional import embedding_bag

_PART = 256  # instances that are summed one after the other


def _owners(offsets, total):
    """The bag of each instance, as int64 of shape (total,)."""
    bags = torch.arange(len(offsets) - 1, device=offsets.device)
    return torch.repeat_interleave(bags, offsets.diff(), output_size=total)  # told, CUDA need not wait for it


def _wide(dtype):
    """The type to sum in: float32 for the half ones, whose sums of a bag lose most of their digits."""
    return torch.promote_types(dtype, torch.float32)


def _sum(values, offsets, weights=None):
    """Sums of the rows of each bag, of shape (batch, width): one pass, from which only weights learn."""
    # One addend after the other loses digits in a long bag: its sum is that of the sums of its parts.
    parts = offsets.diff().add_(_PART - 1).div_(_PART, rounding_mode="floor")
    if len(values) > _PART and int(parts.max()) > 1:
        outer = torch.cat([parts.new_zeros(1), parts.cumsum(0)])
        places = torch.arange(int(outer[-1]), device=offsets.device)
        owners = _owners(outer, len(places))
        starts = offsets.index_select(0, owners) + _PART * (places - outer.index_select(0, owners))
        values = _sum_rows(values, torch.cat([starts, offsets[-1:]]), weights)
        return _sum(values, outer)
    return _sum_rows(values, offsets, weights)


def _sum_rows(values, offsets, weights):
    """Sums of the rows of each bag, one after the other."""
    rows = torch.arange(len(values), device=values.device)
    return embedding_bag(
        rows, values, offsets, mode="sum", per_sample_weights=weights, include_last_offset=True
    )


class _Softmax(torch.autograd.Function):
    """Softmax over the rows of each bag, by column."""

    @staticmethod
    def forward(ctx, scores, offsets):
        """The weights."""
        owners = _owners(offsets, len(scores))
        top = scores.new_full((len(offsets) - 1, scores.shape[1]), -torch.inf)
        top.scatter_reduce_(0, owners[:, None].expand_as(scores), scores, "amax")
        weights = (scores - top.index_select(0, owners)).exp_()
        # Not index_add_, which on CUDA sums in another order each time.
        weights /= _sum(weights, offsets).index_select(0, owners)
        ctx.save_for_backward(weights, offsets, owners)
        return weights

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        """The gradient of the scores."""
        weights, offsets, owners = ctx.saved_tensors
        product = gradient * weights
        return product - weights * _sum(product, offsets).index_select(0, owners), None


class _LearnValues(torch.autograd.Function):
    """The sums as they are, through which the values learn too.

    The gradient that embedding_bag itself gives them goes through a sorted index, many times slower.
    """

    @staticmethod
    def forward(ctx, sums, values, weights, offsets):
        """The sums."""
        ctx.save_for_backward(weights, offsets)
        ctx.total = len(values)
        return sums.view_as(sums)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        """The gradients of the sums, and of the values."""
        weights, offsets = ctx.saved_tensors
        owners = _owners(offsets, ctx.total)
        if weights is None:
            return gradient, gradient.index_select(0, owners), None, None
        # A head at a time: all at once would take the memory of the values for each head.
        first, *others = (
            (head, weight[:, None])
            for head, weight in zip(gradient.chunk(weights.shape[1], dim=1), weights.unbind(1), strict=True)
        )
        found = first[0].index_select(0, owners).mul_(first[1])
        for head, weight in others:
            found.addcmul_(head.index_select(0, owners), weight)
        return gradient, found, None, None


def segment_softmax(scores, offsets):
    """Softmax of the scores within each bag, one for each of the further axes.

    Parameters
    ----------
    scores : Tensor of shape (total_instances, ...)
        Scores of the instances of all bags; those of one bag have no influence on another.
    offsets : Tensor of int64 of shape (batch + 1,)
        Where each bag starts, as in :class:`Bag`.

    Returns
    -------
    Tensor of the shape of ``scores``
        Weights, in float32 at least: they sum to 1 within each bag; a bag without instances has none.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import segment_softmax
    >>> segment_softmax(torch.zeros(3), torch.tensor([0, 1, 1, 3]))
    tensor([1.0000, 0.5000, 0.5000])
    """
    scores = scores.to(_wide(scores.dtype))
    if not len(scores):
        return scores
    return _Softmax.apply(scores.reshape(len(scores), -1), offsets).view(scores.shape)


def segment_sum(values, offsets, weights=None):
    """Sum of the instances of each bag, weighted where there are weights.

    Parameters
    ----------
    values : Tensor of shape (total_instances, ...)
        Instances of all bags.
    offsets : Tensor of int64 of shape (batch + 1,)
        Where each bag starts, as in :class:`Bag`.
    weights : Tensor of shape (total_instances,) or (total_instances, n_heads), default=None
        Weights of the instances, or several of each; None for 1.

    Returns
    -------
    Tensor of shape (batch, ...), or (batch, n_heads, ...)
        Sums, in float32 at least; zero for a bag without instances.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import segment_sum
    >>> offsets = torch.tensor([0, 1, 1, 3])
    >>> segment_sum(torch.tensor([1.0, 2.0, 3.0]), offsets)
    tensor([1., 0., 5.])
    >>> segment_sum(torch.tensor([1.0, 2.0, 3.0]), offsets, torch.tensor([1.0, 0.5, 0.5]))
    tensor([1.0000, 0.0000, 2.5000])
    """
    batch, shape = len(offsets) - 1, values.shape[1:]
    dtype = _wide(values.dtype if weights is None else torch.promote_types(values.dtype, weights.dtype))
    rows = values.to(dtype).reshape(len(values), shape.numel())
    if weights is None:
        sums = _sum(rows.detach(), offsets)
    else:
        shape = (*weights.shape[1:], *shape)
        weights = weights.to(dtype).reshape(len(values), weights.shape[1:].numel())
        fixed = rows.detach()
        sums = torch.cat([_sum(fixed, offsets, weight.contiguous()) for weight in weights.unbind(1)], dim=1)
        weights = weights.detach()
    if rows.requires_grad:
        sums = _LearnValues.apply(sums, rows, weights, offsets)
    return sums.view(batch, *shape)


def segment_mean(values, offsets):
    """Mean of the instances of each bag.

    Parameters
    ----------
    values : Tensor of shape (total_instances, ...)
        Instances of all bags.
    offsets : Tensor of int64 of shape (batch + 1,)
        Where each bag starts, as in :class:`Bag`.

    Returns
    -------
    Tensor of shape (batch, ...)
        Means, in float32 at least; zero for a bag without instances.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import segment_mean
    >>> segment_mean(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0, 1, 1, 3]))
    tensor([1.0000, 0.0000, 2.5000])
    """
    sums = segment_sum(values, offsets)
    lengths = offsets.diff().clamp(min=1).to(sums.dtype)
    return sums / lengths.view(-1, *[1] * (sums.ndim - 1))
