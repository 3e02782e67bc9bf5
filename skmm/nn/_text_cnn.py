"""A convolutional encoder of texts: vectors of words, and filters over neighbouring ones."""

import torch
from torch import nn

from skmm.nn._dropout import Dropout

_SPREAD = 0.1  # deviation of the numbers of a word's vector before any training


class TokenEmbedding(nn.Embedding):
    """Vectors of the ids of words; the vector of padding, id 0, is zero and stays so.

    Parameters
    ----------
    n_ids : int
        Number of ids, with that of padding.
    width : int
        Length of a vector.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import TokenEmbedding
    >>> with torch.random.fork_rng():
    ...     embedding = TokenEmbedding(5, 3)
    >>> vectors = embedding(torch.tensor([[2, 0]]))
    >>> vectors[0, 1].tolist()
    [0.0, 0.0, 0.0]
    >>> embedding(vectors) is vectors
    True
    """

    def __init__(self, n_ids, width):
        super().__init__(n_ids, width, padding_idx=0)

    def reset_parameters(self):
        """Draw the vectors: normal, of a small deviation."""
        nn.init.normal_(self.weight, std=_SPREAD)
        self._fill_padding_idx_with_zero()

    def forward(self, x):
        """Give the vectors of ids.

        Parameters
        ----------
        x : Tensor of int64 of shape (batch, length), or of floats of shape (batch, length, width)
            Ids; or vectors in their place, which are returned, for gradients with respect to them.

        Returns
        -------
        Tensor of shape (batch, length, width)
            The vectors.
        """
        return x if x.is_floating_point() else super().forward(x)


class TextCNN(nn.Module):
    r"""Representation of a text: answers of filters over neighbouring words.

    With vectors :math:`e_t` of the words t = 1..T, the answer of filter f with k taps at place t is

    .. math:: a_{ft} = \mathrm{ReLU}\Big(b_f + \sum_{j=1}^{k} w_{fj} \cdot e_{t+j-\lceil k/2 \rceil}\Big),

    with zeros beyond the ends, so that there are T answers. The representation holds
    :math:`\max_t a_{ft}` for each filter ("max"), or :math:`\max(a_{ft}, a_{f,t+1})` for each filter and
    place ("neighbours").

    Parameters
    ----------
    n_ids : int
        Number of ids, with that of padding, 0.
    length : int
        Number T of ids of a text.
    embedding_dim : int, default=100
        Length of a word's vector.
    n_filters : int, default=10
        Filters of each size.
    kernel_sizes : sequence of int, default=(3, 4, 5)
        Sizes k of filters, in words.
    pooling : {"max", "neighbours"}, default="max"
        What of the answers is kept.
    dropout : float, default=0.5
        Share of the numbers of the vectors that a training step drops, in [0, 1).

    Attributes
    ----------
    width : int
        Length of the representation.

    References
    ----------
    Kim: Convolutional neural networks for sentence classification. EMNLP 2014 ("max").

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import TextCNN
    >>> with torch.random.fork_rng():
    ...     encoder = TextCNN(20, 9, embedding_dim=6)
    >>> encoder.eval()(torch.tensor([[3, 1, 4, 1, 5, 9, 2, 6, 0]])).shape
    torch.Size([1, 30])
    """

    def __init__(
        self,
        n_ids,
        length,
        *,
        embedding_dim=100,
        n_filters=10,
        kernel_sizes=(3, 4, 5),
        pooling="max",
        dropout=0.5,
    ):
        super().__init__()
        self.embedding = TokenEmbedding(n_ids, embedding_dim)
        self.dropout = Dropout(dropout)
        self.convolutions = nn.ModuleList(nn.Conv1d(embedding_dim, n_filters, size) for size in kernel_sizes)
        # NOTE[DIFF] The published net keeps the answers of all places, so that a word means another thing
        # at each; "neighbours" does so.
        self._at_once = length if pooling == "max" else min(2, length)
        self.width = len(self.convolutions) * n_filters * (length - self._at_once + 1)

    def forward(self, x):
        """Representations.

        Parameters
        ----------
        x : Tensor of int64 of shape (batch, length), or of floats of shape (batch, length, embedding_dim)
            Ids of words, 0 where there is none, or their vectors.

        Returns
        -------
        Tensor of shape (batch, width)
            With "neighbours" the filters of one place lie beside each other, place after place.
        """
        vectors = self.dropout(self.embedding(x)).transpose(1, 2)  # (batch, embedding_dim, length)
        blocks = []
        for convolution in self.convolutions:
            (size,) = convolution.kernel_size
            padded = nn.functional.pad(vectors, ((size - 1) // 2, size // 2))
            answers = torch.relu(convolution(padded))
            strongest = nn.functional.max_pool1d(answers, self._at_once, stride=1)
            blocks.append(strongest.transpose(1, 2).flatten(1))
        return torch.cat(blocks, dim=1)

    def penalty(self):
        """Sum the squares of all filters, without their biases.

        Returns
        -------
        Tensor of shape ()
            The sum.
        """
        return sum(convolution.weight.square().sum() for convolution in self.convolutions)
