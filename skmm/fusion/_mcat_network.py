"""The network of MCAT: co-attention guided by one modality, set transformers, gated attention pooling."""

import math

import torch
from torch import nn

from skmm.nn import (
    AlphaDropout,
    BagTokens,
    Dropout,
    FusionOutput,
    GatedAttentionPooling,
    GroupedLinear,
    GroupTokens,
    NeutralVector,
    Tokens,
    attend,
    masked_softmax,
)


def is_lone(tokenizer):
    """Whether a tokenizer makes one token of every sample, so that attention has nothing to choose."""
    return not isinstance(tokenizer, BagTokens) and math.prod(tokenizer.axes) == 1


class QueryEmbedding(nn.Module):
    """Tokens of the query, by self-normalizing nets of two layers: one a group of columns, or one for all."""

    def __init__(self, tokenizer, width, dropout):
        super().__init__()
        self.tokenizer = tokenizer
        self.axes, self.width = tokenizer.axes, width
        if isinstance(tokenizer, GroupTokens):  # it is the first layer itself
            self.first = nn.Identity()
            self.second = GroupedLinear(len(tokenizer.columns.sizes), width, width)
        else:
            self.first, self.second = nn.Linear(tokenizer.width, width), nn.Linear(width, width)
        self.dropout = AlphaDropout(dropout)

    def forward(self, x):
        """The tokens (batch, n_tokens, width)."""
        values = self.dropout(nn.functional.elu(self.first(self.tokenizer(x).values)))
        return Tokens(self.dropout(nn.functional.elu(self.second(values))))


class InstanceEmbedding(nn.Module):
    """Instances of a modality that is looked at, by one layer."""

    def __init__(self, tokenizer, width, dropout):
        super().__init__()
        self.tokenizer = tokenizer
        self.axes, self.width = tokenizer.axes, width
        grouped = isinstance(tokenizer, GroupTokens)
        self.affine = nn.Identity() if grouped else nn.Linear(tokenizer.width, width)
        self.dropout = Dropout(dropout)

    def forward(self, x):
        """The instances (batch, n_instances, width)."""
        return Tokens(self.dropout(torch.relu(self.affine(self.tokenizer(x).values))))


def embedded(embedding, tokenizer, width, dropout):
    """A modality's tokens, embedded; those of bags before all bags are filled up to the largest."""
    if isinstance(tokenizer, BagTokens):
        return BagTokens(embedding(tokenizer.inner, width, dropout))
    return embedding(tokenizer, width, dropout)


class CoAttention(nn.Module):
    """Attention of query tokens over instances, in one head.

    The key of an instance is never made: q' (K x) = (K' q)' x takes a product a query token, of which there
    are few, instead of one an instance; and averages of instances are mapped to values instead of instances.
    A bias of the keys would change no weight, so there is none.

    NOTE[DIFF] Here and in the set transformers initial weights are those of torch.nn.Linear. The paper's are
    Xavier's in the maps to queries, keys and values, with biases of zero.
    """

    def __init__(self, width):
        super().__init__()
        self.to_query = nn.Linear(width, width)
        self.to_key = nn.Linear(width, width, bias=False)
        self.to_value = nn.Linear(width, width)
        self.to_out = nn.Linear(width, width)

    def forward(self, query, instances, mask=None):
        """What each token finds (batch, n_query, width), and where: weights (batch, n_query, n_instances)."""
        directions = self.to_query(query) @ self.to_key.weight * query.shape[2] ** -0.5
        scores = directions @ instances.transpose(1, 2)
        weights = torch.softmax(scores, dim=2) if mask is None else masked_softmax(scores, mask[:, None])
        return self.to_out(self.to_value(weights @ instances)), weights


class LoneInstance(nn.Module):
    """Co-attention over a single instance, which has all the weight, whatever asks.

    NOTE[DIFF] The second system had queries and keys here as well, which no gradient ever reached.
    """

    def __init__(self, width):
        super().__init__()
        self.to_value = nn.Linear(width, width)
        self.to_out = nn.Linear(width, width)

    def forward(self, query, instances, mask=None):
        """What every token finds (batch, 1, width), and weights of 1 (batch, 1, 1)."""
        del query, mask
        return self.to_out(self.to_value(instances)), instances.new_ones(len(instances), 1, 1)


class EncoderLayer(nn.Module):
    """A layer of a set transformer: self-attention and two layers, normalized after each sum.

    A ``lone`` token sees itself alone: there are no queries and keys.
    """

    def __init__(self, width, n_heads, dropout, *, lone):
        super().__init__()
        self.n_heads = n_heads
        self.lone = lone
        inner = n_heads * max(1, width // n_heads)
        self.to_query_key_value = nn.Linear(width, inner if lone else 3 * inner)
        self.to_out = nn.Linear(inner, width)
        self.norm_attention = nn.LayerNorm(width)
        self.widen = nn.Linear(width, 2 * width)
        self.narrow = nn.Linear(2 * width, width)
        self.norm = nn.LayerNorm(width)
        self.dropout = Dropout(dropout)

    def forward(self, x, mask=None):
        """Tokens (batch, n_tokens, width) that have seen one another."""
        found = self.to_query_key_value(x)
        if not self.lone:
            parts = found.chunk(3, dim=2)
            dropout = self.dropout if self.training and self.dropout.p else None
            found, _ = attend(*parts, n_heads=self.n_heads, mask=mask, dropout=dropout, need_weights=False)
        x = self.norm_attention(x + self.dropout(self.to_out(found)))
        wide = self.dropout(torch.relu(self.widen(x)))
        return self.norm(x + self.dropout(self.narrow(wide)))


class SetSummary(nn.Module):
    """A set of tokens as one vector: set transformer, gated attention pooling, one layer."""

    def __init__(self, width, n_layers, n_heads, dropout, *, lone):
        super().__init__()
        layers = (EncoderLayer(width, n_heads, dropout, lone=lone) for _ in range(n_layers))
        self.transformer = nn.ModuleList(layers)
        self.pooling = None if lone else GatedAttentionPooling(width, width, dropout)
        self.affine = nn.Linear(width, width)
        self.dropout = Dropout(dropout)

    def forward(self, tokens, mask=None):
        """The vector (batch, width), and the weights of the tokens (batch, n_tokens)."""
        for layer in self.transformer:
            tokens = layer(tokens, mask)
        if self.pooling is None:
            pooled, weights = tokens[:, 0], tokens.new_ones(tokens.shape[:2])
        else:
            pooled, weights = self.pooling(tokens, mask)
        return self.dropout(torch.relu(self.affine(pooled))), weights


class ConcatFusion(nn.Module):
    """Two layers on all vectors side by side."""

    def __init__(self, n_vectors, width):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(n_vectors * width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()
        )

    def forward(self, query, others):
        """The fused vector (batch, width) of the query's vector and a list of the others'."""
        return self.layers(torch.cat([*others, query], dim=1))


class GatedVector(nn.Module):
    """A vector made narrow, gated by a pair of vectors, with a 1 appended."""

    def __init__(self, width, narrow, dropout):
        super().__init__()
        self.reduce = nn.Linear(width, narrow)
        self.gate = nn.Linear(2 * width, narrow)
        self.mix = nn.Linear(narrow, narrow)
        self.dropout = Dropout(dropout)

    def forward(self, x, pair):
        """The vector (batch, narrow + 1)."""
        gated = torch.sigmoid(self.gate(pair)) * torch.relu(self.reduce(x))
        mixed = self.dropout(torch.relu(self.mix(gated)))
        return torch.cat([mixed, mixed.new_ones(len(mixed), 1)], dim=1)


class BilinearFusion(nn.Module):
    """Two layers on the outer product of each other vector with that of the query, all gated."""

    def __init__(self, n_vectors, width, dropout):
        super().__init__()
        narrow = max(4, width // 8)
        gates = [GatedVector(width, narrow, dropout) for _ in range(2 * (n_vectors - 1))]
        self.other_gates, self.query_gates = nn.ModuleList(gates[::2]), nn.ModuleList(gates[1::2])
        self.layers = nn.Sequential(
            nn.Linear((n_vectors - 1) * (narrow + 1) ** 2, width),
            nn.ReLU(),
            Dropout(dropout),
            nn.Linear(width, width),
            nn.ReLU(),
            Dropout(dropout),
        )
        self.dropout = Dropout(dropout)

    def forward(self, query, others):
        """The fused vector (batch, width) of the query's vector and a list of the others'."""
        products = []
        for other, other_gate, query_gate in zip(others, self.other_gates, self.query_gates, strict=True):
            pair = torch.cat([other, query], dim=1)
            first, second = other_gate(other, pair), query_gate(query, pair)
            products.append((first[:, :, None] * second[:, None]).flatten(1))
        return self.layers(self.dropout(torch.cat(products, dim=1)))


class MCATModule(nn.Module):
    """The network of MCAT; ``tokenizers`` by modality in the order of ``present``, ``query`` among them.

    NOTE[DIFF] The paper has two modalities, none of them missing: here each further one has co-attention,
    set transformer, and, in bilinear fusion, gates of its own.

    With ``attention="mean"`` its ``informativeness`` has, by modality, the weight of each instance in what is
    pooled; with "full" that of each instance for each query token.
    """

    def __init__(
        self,
        tokenizers,
        query,
        n_classes,
        width,
        *,
        n_layers,
        n_heads,
        dropout,
        query_dropout,
        fusion,
        missing,
    ):
        super().__init__()
        self.modalities = tuple(tokenizers)
        self.query = query
        self.others = tuple(name for name in tokenizers if name != query)
        lone_query = is_lone(tokenizers[query])
        lone = [is_lone(tokenizers[name]) for name in self.others]
        options = (width, n_layers, n_heads, dropout)
        self.embed_query = embedded(QueryEmbedding, tokenizers[query], width, query_dropout)
        self.embed = nn.ModuleList(
            embedded(InstanceEmbedding, tokenizers[name], width, dropout) for name in self.others
        )
        self.co_attention = nn.ModuleList((LoneInstance if one else CoAttention)(width) for one in lone)
        # NOTE[DIFF] The second system ran both modalities through one transformer, and pooled without the
        # attention that it computed.
        self.summarize_query = SetSummary(*options, lone=lone_query)
        self.summarize = nn.ModuleList(SetSummary(*options, lone=lone_query or one) for one in lone)
        n_vectors = len(tokenizers)
        self.fuse = (
            ConcatFusion(n_vectors, width)
            if fusion == "concat"
            else BilinearFusion(n_vectors, width, dropout)
        )
        self.classifier = nn.Linear(width, n_classes)
        # With one modality alone nothing is ever missing.
        learned = missing == "neutral" and n_vectors > 1
        self.neutral = nn.ModuleList(NeutralVector(width) for _ in tokenizers) if learned else None
        asks = learned and not all(lone)
        self.neutral_token = nn.Parameter(torch.zeros(width)) if asks else None

    def forward(self, inputs, present, attention=None):
        """Logits, where the network looked if ``attention`` asks for it, and the fused vector."""
        here = None if bool(present.all()) else dict(zip(self.modalities, present.unbind(dim=1), strict=True))
        query, query_mask = self._query_tokens(inputs[self.query], here)
        vector, pooled = self.summarize_query(query, query_mask)
        query_vector = self._or_neutral(vector, self.query, here)
        seen = {} if attention is None else {self.query: _or_zero(pooled, self.query, here)}
        others = []
        parts = zip(self.others, self.embed, self.co_attention, self.summarize, strict=True)
        for name, embed, co_attention, summarize in parts:
            instances, mask = embed(inputs[name])
            found, weights = co_attention(query, instances, mask)  # (batch, n_query or 1, ...)
            vector, pooled = summarize(found, query_mask)
            others.append(self._or_neutral(vector, name, here))
            if attention == "mean":
                seen[name] = _or_zero((pooled[:, None] @ weights).squeeze(1), name, here)
            elif attention == "full":
                seen[name] = _or_zero(weights.expand(-1, query.shape[1], -1), name, here)
        fused = self.fuse(query_vector, others)  # (batch, width)
        return FusionOutput(self.classifier(fused), informativeness=seen, fused=fused)

    def grids(self):
        """How the tokens of each modality lie, for a bag those of an instance: a tuple of sizes."""
        embeddings = zip((self.query, *self.others), (self.embed_query, *self.embed), strict=True)
        return {name: embed.axes for name, embed in embeddings}

    def _query_tokens(self, x, here):
        """Tokens of the query and their mask; where it is missing, all are the one that stands for it.

        The mask leaves the first of them, also of a bag, which has none without.
        """
        tokens, mask = self.embed_query(x)
        if here is None:
            return tokens, mask
        known = here[self.query][:, None]  # (batch, 1)
        if self.neutral_token is None:
            tokens = tokens * known[:, :, None]
        else:
            tokens = torch.where(known[:, :, None], tokens, self.neutral_token.to(tokens.dtype))
        first = torch.arange(tokens.shape[1], device=tokens.device) == 0
        return tokens, torch.where(known, True if mask is None else mask, first)

    def _or_neutral(self, vector, name, here):
        """A modality's vector; the neutral one, or zero, where it is missing."""
        if here is None:
            return vector
        if self.neutral is None:
            return vector * here[name][:, None]
        return self.neutral[self.modalities.index(name)](vector, here[name])


def _or_zero(weights, name, here):
    """Weights of a modality, zero where it is missing."""
    return weights if here is None else weights * here[name].reshape(-1, *[1] * (weights.ndim - 1))
