"""Operations over the real instances of padded bags, defined where there are none."""

import torch


def masked_softmax(scores, mask, dim=-1):
    """Softmax over the entries where ``mask`` is True; zeros where none is.

    Parameters
    ----------
    scores : Tensor
        Scores; those under a False mask have no influence, be they NaN.
    mask : Tensor of bool, of a shape that broadcasts with ``scores``
        True where an entry is real.
    dim : int, default=-1
        Axis to normalize over.

    Returns
    -------
    Tensor of the shape of ``scores``
        Weights: zero under a False mask; they sum to 1, or to 0 where the whole axis is masked.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import masked_softmax
    >>> masked_softmax(torch.zeros(2, 3), torch.tensor([[True, True, False], [False, False, False]]))
    tensor([[0.5000, 0.5000, 0.0000],
            [0.0000, 0.0000, 0.0000]])
    """
    # The lowest finite number, not -inf: a softmax over nothing but -inf is NaN, and so is its gradient.
    lowest = torch.finfo(scores.dtype).min
    return torch.softmax(scores.masked_fill(~mask, lowest), dim=dim) * mask
