"""Gates: one weight in (0, 1) for each feature of each sample."""

import torch
from torch import nn

from skmm.nn._linear import xavier_linear


class FeatureGate(nn.Module):
    """Informativeness of each feature, g = sigmoid(A x + a) in (0, 1).

    Parameters
    ----------
    n_features : int
        Number of features d.
    form : {"dense", "low_rank", "diagonal"}, default="dense"
        Form of the matrix A: d x d, the product of d x r and r x d, or a diagonal. A dense one has
        d (d + 1) parameters: 400 million for 20,000 genes.
    rank : int, default=32
        The r of "low_rank"; no more than d is used.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import FeatureGate
    >>> with torch.random.fork_rng():
    ...     gate = FeatureGate(1000, form="low_rank", rank=8)
    >>> sum(parameter.numel() for parameter in gate.parameters())
    17000
    >>> gate(torch.zeros(1, 1000)).unique()
    tensor([0.5000], grad_fn=<Unique2Backward0>)
    """

    def __init__(self, n_features, form="dense", rank=32):
        super().__init__()
        self.form = form
        if form == "dense":
            self.affine = xavier_linear(n_features, n_features)
        elif form == "low_rank":
            rank = min(rank, n_features)
            self.reduce = nn.Linear(n_features, rank, bias=False)
            nn.init.xavier_normal_(self.reduce.weight)
            self.expand = xavier_linear(rank, n_features)
        elif form == "diagonal":
            # The spread of a dense gate's pre-activations on standardized features: 1.
            self.weight = nn.Parameter(torch.randn(n_features))
            self.bias = nn.Parameter(torch.zeros(n_features))
        else:
            raise ValueError(f"form must be 'dense', 'low_rank' or 'diagonal'. Got {form!r} instead.")

    def forward(self, x):
        """Informativeness of the features.

        Parameters
        ----------
        x : Tensor of shape (batch, n_features)
            The features.

        Returns
        -------
        Tensor of shape (batch, n_features)
            The gate, in (0, 1).
        """
        if self.form == "dense":
            scores = self.affine(x)
        elif self.form == "low_rank":
            scores = self.expand(self.reduce(x))
        else:
            scores = self.weight * x + self.bias
        return torch.sigmoid(scores)
