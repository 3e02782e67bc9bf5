"""From the instances of a bag to one vector, flat: memory goes by instances, not by the largest bag."""

import torch
from torch import nn

from skmm.nn._attention import Attention
from skmm.nn._dropout import Dropout
from skmm.nn._segments import segment_mean, segment_softmax, segment_sum


class BagAttentionPooling(nn.Module):
    """Weighted means of a bag's instances, with weights that are learned, in several heads.

    The weights of a head are the softmax, over the instances of the bag, of their scores s(x):

    - "softmax": s = c x, the attention over slices of a scan;
    - "gated": s = c (tanh(A x + a) * sigmoid(B x + b)), that of Ilse et al. (2018), as in
      :class:`GatedAttentionPooling`.

    Heads share A and B, and each has a c of its own. A bias of the scores would not change the weights:
    there is none.

    Parameters
    ----------
    width : int
        Width of an instance.
    hidden : int
        Width of the two branches A and B of "gated".
    attention : {"softmax", "gated"}, default="softmax"
        How scores are computed.
    n_heads : int, default=1
        Number of weighted means.
    dropout : float, default=0.0
        Share of the entries that a training step drops from what the scores look at: the branches of
        "gated", the instances of "softmax". What is averaged keeps all entries.

    Attributes
    ----------
    out_width : int
        Width of a pooled vector, ``n_heads * width``.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import Bag, BagAttentionPooling
    >>> with torch.random.fork_rng():
    ...     pooling = BagAttentionPooling(2, 3, attention="gated")
    >>> pooled, weights = pooling(Bag(torch.ones(3, 2), torch.tensor([0, 2, 2, 3])))
    >>> pooled.tolist(), weights.tolist()
    ([[1.0, 1.0], [0.0, 0.0], [1.0, 1.0]], [[0.5], [0.5], [1.0]])
    """

    def __init__(self, width, hidden, *, attention="softmax", n_heads=1, dropout=0.0):
        super().__init__()
        if attention not in {"softmax", "gated"}:
            raise ValueError(f"attention must be 'softmax' or 'gated'. Got {attention!r} instead.")
        self.gated = attention == "gated"
        if self.gated:
            self.content = nn.Linear(width, hidden)
            self.gate = nn.Linear(width, hidden)
        self.score = nn.Linear(hidden if self.gated else width, n_heads, bias=False)
        self.dropout = Dropout(dropout)
        self.out_width = n_heads * width

    def forward(self, bag):
        """Pool the instances.

        Parameters
        ----------
        bag : Bag
            Flat instances (total_instances, width) and offsets.

        Returns
        -------
        pooled : Tensor of shape (batch, n_heads * width)
            Weighted means, one head beside the other; zero for a bag without instances.
        weights : Tensor of shape (total_instances, n_heads)
            They sum to 1 over the instances of each bag.
        """
        if self.gated:
            content = self.dropout(torch.tanh(self.content(bag.values)))
            seen = content * self.dropout(torch.sigmoid(self.gate(bag.values)))
        else:
            seen = self.dropout(bag.values)
        weights = segment_softmax(self.score(seen), bag.offsets)
        return segment_sum(bag.values, bag.offsets, weights).flatten(1), weights


class AttendedAverage(nn.Module):
    """Mean of a bag's instances after each has looked at the others.

    The mean over i of x_i + attention(x_i; x_1, ..., x_n), with :class:`Attention` from each instance to all
    of its bag. The order of the instances does not count.

    NOTE[DIFF] The published diagrams draw an attention layer between the slices and their average, and say no
    more. Weights of a softmax that are averaged are nothing but attention pooling, which stands beside it
    there as another architecture; so it is self-attention here, with a residual.

    Parameters
    ----------
    width : int
        Width of an instance, and of a pooled vector.
    hidden : int
        Width of all heads together, rounded up to a multiple of their number.
    n_heads : int, default=1
        Number of heads.
    dropout : float, default=0.0
        Share of the attention weights that a training step drops.

    Attributes
    ----------
    out_width : int
        Width of a pooled vector, ``width``.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import AttendedAverage, Bag
    >>> with torch.random.fork_rng():
    ...     pooling = AttendedAverage(2, 4)
    >>> pooled, weights = pooling(Bag(torch.ones(3, 2), torch.tensor([0, 2, 2, 3])))
    >>> pooled[1].tolist(), weights.tolist()
    ([0.0, 0.0], [[0.5], [0.5], [1.0]])
    """

    def __init__(self, width, hidden, *, n_heads=1, dropout=0.0):
        super().__init__()
        self.attention = Attention(width, width, n_heads, -(-hidden // n_heads), dropout=dropout)
        self.out_width = width

    def forward(self, bag, *, need_weights=True):
        """Pool the instances.

        Parameters
        ----------
        bag : Bag
            Flat instances (total_instances, width) and offsets.
        need_weights : bool, default=True
            Whether to return the weights: they take the square of the largest bag's size in memory.

        Returns
        -------
        pooled : Tensor of shape (batch, width)
            Means; zero for a bag without instances.
        weights : Tensor of shape (total_instances, n_heads) or None
            How much each instance is looked at, averaged over those of its bag: they sum to 1 within it.
        """
        values, offsets = bag
        lengths = offsets.diff()
        places, found, looks = [], [], []
        # Bags of one size make a dense batch: nothing is padded, and nothing masked.
        for size in lengths[lengths > 0].unique().tolist():
            starts = offsets[:-1][lengths == size]
            rows = starts[:, None] + torch.arange(size, device=starts.device)  # (n_bags, size)
            instances = values[rows]
            out, weights = self.attention(instances, instances, need_weights=need_weights)
            places.append(rows.flatten())
            found.append(out.flatten(0, 1))
            if need_weights:
                looks.append(weights.mean(dim=2).transpose(1, 2).flatten(0, 1))
        if not places:
            looks = values.new_zeros(0, self.attention.n_heads) if need_weights else None
            return segment_mean(values, offsets), looks
        back = torch.cat(places).argsort()
        pooled = segment_mean(values + torch.cat(found).index_select(0, back), offsets)
        return pooled, torch.cat(looks).index_select(0, back) if need_weights else None
