"""From the tokens of a sample to one vector."""

import torch
from torch import nn

from skmm.nn._dropout import Dropout
from skmm.nn._masking import masked_softmax


class GatedAttentionPooling(nn.Module):
    """Weighted mean of a sample's tokens, with the weights of gated attention (Ilse et al. 2018).

    The score of token x is s = c (tanh(A x + a) * sigmoid(B x + b)), the weights are the softmax of the
    scores over the sample's tokens, which a bias would not change.

    Parameters
    ----------
    width : int
        Width of a token.
    hidden : int
        Width of the two branches A and B.
    dropout : float, default=0.0
        Share of each branch's entries that a training step drops.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import GatedAttentionPooling
    >>> with torch.random.fork_rng():
    ...     pooling = GatedAttentionPooling(2, 3)
    >>> pooled, weights = pooling(torch.ones(1, 4, 2))
    >>> pooled.tolist(), weights.tolist()
    ([[1.0, 1.0]], [[0.25, 0.25, 0.25, 0.25]])
    """

    def __init__(self, width, hidden, dropout=0.0):
        super().__init__()
        self.content = nn.Linear(width, hidden)
        self.gate = nn.Linear(width, hidden)
        self.score = nn.Linear(hidden, 1, bias=False)
        self.dropout = Dropout(dropout)

    def forward(self, tokens, mask=None):
        """Pool the tokens.

        Parameters
        ----------
        tokens : Tensor of shape (batch, n_tokens, width)
            Tokens of each sample.
        mask : Tensor of bool of shape (batch, n_tokens), default=None
            True where a token is real; None where all are.

        Returns
        -------
        pooled : Tensor of shape (batch, width)
            Weighted means; zero for a sample without a real token.
        weights : Tensor of shape (batch, n_tokens)
            They sum to 1, or to 0 for a sample without a real token.
        """
        content = self.dropout(torch.tanh(self.content(tokens)))
        gate = self.dropout(torch.sigmoid(self.gate(tokens)))
        scores = self.score(content * gate).squeeze(2)  # (batch, n_tokens)
        weights = torch.softmax(scores, dim=1) if mask is None else masked_softmax(scores, mask)
        return (weights[:, None] @ tokens).squeeze(1), weights
