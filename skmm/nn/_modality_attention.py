"""From one vector a modality to one vector a sample, by weights that look at the vectors."""

import torch
from torch import nn

from skmm.nn._masking import masked_softmax


class ModalityAttention(nn.Module):
    r"""Weighted mean of the vectors of the modalities that a sample has.

    The weight of modality m is

    .. math:: w_m = \frac{r_m \exp(a^\top v_m)}{\sum_k r_k \exp(a^\top v_k)}

    with its vector v, its presence r (1 or 0), and a learned direction a that all modalities share.

    Parameters
    ----------
    width : int
        Length of the vectors.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import ModalityAttention
    >>> attention = ModalityAttention(2)
    >>> vectors = torch.tensor([[[1.0, 0.0], [3.0, 0.0], [9.0, 9.0]]])
    >>> fused, weights = attention(vectors, torch.tensor([[True, True, False]]))
    >>> fused.tolist(), weights.tolist()
    ([[2.0, 0.0]], [[0.5, 0.5, 0.0]])
    """

    def __init__(self, width):
        super().__init__()
        # NOTE[DIFF] The original begins with ones, which on wide vectors picks one modality before anything
        # is learned; zeros begin with the mean.
        self.direction = nn.Parameter(torch.zeros(width))

    def forward(self, vectors, present=None):
        """Fuse the vectors.

        Parameters
        ----------
        vectors : Tensor of shape (batch, n_modalities, width)
            One vector a modality; finite where it is missing.
        present : Tensor of bool of shape (batch, n_modalities), default=None
            True where a modality was observed; None where all are.

        Returns
        -------
        fused : Tensor of shape (batch, width)
            Weighted means; zero for a sample without any modality.
        weights : Tensor of shape (batch, n_modalities)
            They sum to 1, or to 0 for a sample without any modality.
        """
        scores = vectors @ self.direction  # (batch, n_modalities)
        weights = torch.softmax(scores, dim=1) if present is None else masked_softmax(scores, present)
        return (weights[:, None] @ vectors).squeeze(1), weights
