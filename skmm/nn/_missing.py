"""What a network does where a modality is missing."""

import torch
from torch import nn


def renormalize(weights, present, reference=None):
    """Weights of the modalities that are there, raised so as to make up for those that are not.

    With presence r, weights c and reference shares w, the weight of modality m becomes

        c_m r_m * (sum_k w_k) / (sum_k w_k r_k).

    With every modality present the weights are returned as they are. With equal shares the total of the
    weights stays what it would be if each missing one had the mean of those present.

    Parameters
    ----------
    weights : Tensor of shape (batch, n_modalities) or (n_modalities,)
        Weights c of the modalities, of any sign.
    present : Tensor of bool of shape (batch, n_modalities)
        True where a modality was observed (r).
    reference : Tensor of shape (n_modalities,), default=None
        Non-negative shares w of the modalities; None for equal ones.

    Returns
    -------
    Tensor of shape (batch, n_modalities)
        Zero where a modality is missing; all zero where nothing with a positive share is there.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import renormalize
    >>> renormalize(torch.tensor([0.5, 0.25]), torch.tensor([[True, True], [True, False]]))
    tensor([[0.5000, 0.2500],
            [1.0000, 0.0000]])
    """
    here = present.to(weights.dtype)
    shares = torch.ones_like(here[0]) if reference is None else reference
    total = (here * shares).sum(dim=1, keepdim=True)
    factor = torch.where(total > 0, shares.sum() / total, torch.zeros_like(total))
    return weights * here * factor


def drop_modalities(present, p, noise):
    """Leave out modalities at random, never the last one of a sample.

    Parameters
    ----------
    present : Tensor of bool of shape (batch, n_modalities)
        True where a modality was observed.
    p : float
        Probability that a modality is dropped, before the rule that one is kept.
    noise : NoiseSource
        Where randomness comes from.

    Returns
    -------
    Tensor of bool of shape (batch, n_modalities)
        A subset of ``present`` with at least one modality wherever there was one.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import NoiseSource, drop_modalities
    >>> present = torch.tensor([[True, True], [True, False]])
    >>> drop_modalities(present, 0.99, NoiseSource(torch.Generator().manual_seed(0))).sum(dim=1)
    tensor([1, 1])
    """
    luck = noise.uniform(present.shape, present.device).masked_fill(~present, -1.0)
    keep = luck >= p
    luckiest = luck.argmax(dim=1, keepdim=True)  # if any modality is kept, this one is
    return keep.scatter(1, luckiest, value=True) & present


class NeutralVector(nn.Module):
    """A learned vector in place of a modality that is missing; zero before any training.

    Parameters
    ----------
    width : int
        Length of the vector.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import NeutralVector
    >>> neutral = NeutralVector(2)
    >>> torch.nn.init.constant_(neutral.vector, 7.0)
    Parameter containing:
    tensor([7., 7.], requires_grad=True)
    >>> neutral(torch.ones(2, 2), torch.tensor([True, False])).tolist()
    [[1.0, 1.0], [7.0, 7.0]]
    """

    def __init__(self, width):
        super().__init__()
        self.vector = nn.Parameter(torch.zeros(width))

    def forward(self, x, present):
        """Put the neutral vector in the rows that are missing.

        Parameters
        ----------
        x : Tensor of shape (batch, width)
            Representations.
        present : Tensor of bool of shape (batch,)
            True where the modality was observed.

        Returns
        -------
        Tensor of shape (batch, width)
            With the vector in the rows that are not present.
        """
        return torch.where(present[:, None], x, self.vector.to(x.dtype))
