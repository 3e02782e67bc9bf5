"""The network of HEALNet: a latent array that looks at one modality after the other, layer after layer."""

import torch
from torch import nn
from torch.nn.functional import gelu, leaky_relu, selu

from skmm.nn import Attention, Dropout, FusionOutput

_GATES = {"selu": selu, "gelu": gelu}


class FeedForward(nn.Module):
    """Two affine maps around a gate: W (a * gate(g)) + w, where [a, g] = V LN(x) + v."""

    def __init__(self, width, activation, dropout):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, 8 * width)
        self.reduce = nn.Linear(4 * width, width)
        self.gate = _GATES[activation]
        self.dropout = Dropout(dropout)

    def forward(self, x):
        """What is added to the latents."""
        values, gates = self.expand(self.norm(x)).chunk(2, dim=-1)
        return self.dropout(self.reduce(values * self.gate(gates)))


class LatentAttention(nn.Module):
    """Attention of the latents over themselves."""

    def __init__(self, width, n_heads, head_dim, **options):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = Attention(width, width, n_heads, head_dim, bias=False, **options)

    def forward(self, latents):
        """What is added to the latents."""
        x = self.norm(latents)
        return leaky_relu(self.attention(x, x, need_weights=False)[0])


class CrossAttention(nn.Module):
    """Attention of the latents over the tokens of one modality."""

    def __init__(self, width, token_width, n_heads, head_dim, **options):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.norm_context = nn.LayerNorm(token_width)
        self.attention = Attention(width, token_width, n_heads, head_dim, bias=False, **options)

    def read(self, tokens):
        """What of the tokens does not depend on the latents: keys, values, and which are real."""
        context = self.norm_context(tokens.values)
        return self.attention.to_key(context), self.attention.to_value(context), tokens.mask

    def forward(self, latents, found, *, need_weights):
        """What is added to the latents, and the weights of the tokens (batch, heads, latents, tokens)."""
        out, weights = self.attention.look(self.norm(latents), *found, need_weights=need_weights)
        return leaky_relu(out), weights


class SingleTokenAttention(nn.Module):
    """The same where there is never more than one token: it has all the weight, whatever is asked.

    NOTE[DIFF] The original has queries and keys here as well, which no gradient ever reaches.
    """

    def __init__(self, width, token_width, n_heads, head_dim, *, dropout):
        super().__init__()
        self.norm_context = nn.LayerNorm(token_width)
        self.to_value = nn.Linear(token_width, n_heads * head_dim, bias=False)
        self.to_out = nn.Linear(n_heads * head_dim, width)
        self.n_heads = n_heads
        self.dropout = Dropout(dropout)

    def read(self, tokens):
        """The value of the token, by head."""
        return self.to_value(self.norm_context(tokens.values)).unflatten(2, (self.n_heads, -1))

    def forward(self, latents, found, *, need_weights):
        """What is added to the latents, and weights of 1."""
        del need_weights
        weights = found.new_ones(len(latents), latents.shape[1], self.n_heads, 1)
        out = (self.dropout(weights) * found).flatten(2)  # (batch, latents, heads * head_dim)
        return leaky_relu(self.to_out(out)), weights.transpose(1, 2)


class FusionLayer(nn.Module):
    """One look at every modality; parameters as in `LatentFusion`."""

    def __init__(
        self,
        token_widths,
        n_tokens,
        latent_dim,
        *,
        n_cross_heads,
        cross_head_dim,
        n_latent_heads,
        latent_head_dim,
        self_attention,
        one_feed_forward,
        activation,
        attention_temperature,
        attention_dropout,
        dropout,
    ):
        super().__init__()
        self.cross = nn.ModuleList(
            SingleTokenAttention(latent_dim, width, n_cross_heads, cross_head_dim, dropout=attention_dropout)
            if count == 1
            else CrossAttention(
                latent_dim,
                width,
                n_cross_heads,
                cross_head_dim,
                temperature=attention_temperature,
                dropout=attention_dropout,
            )
            for width, count in zip(token_widths, n_tokens, strict=True)
        )
        self.feed_forwards = nn.ModuleList(
            FeedForward(latent_dim, activation, dropout)
            for _ in (token_widths[:1] if one_feed_forward else token_widths)
        )
        self.self_attention = self_attention
        if self_attention is not None:
            self.latent_attention = LatentAttention(
                latent_dim,
                n_latent_heads,
                latent_head_dim,
                temperature=attention_temperature,
                dropout=attention_dropout,
            )
            self.latent_feed_forward = FeedForward(latent_dim, activation, dropout)

    def update(self, number, latents, found, *, need_weights):
        """The latents after a look at modality ``number``, and the weights of its tokens."""
        out, weights = self.cross[number](latents, found, need_weights=need_weights)
        latents = latents + out
        latents = latents + self.feed_forwards[number % len(self.feed_forwards)](latents)
        return self._mix(latents) if self.self_attention == "modality" else latents, weights

    def finish(self, latents):
        """The latents after all modalities."""
        return self._mix(latents) if self.self_attention == "layer" else latents

    def _mix(self, latents):
        """The latents after they looked at one another."""
        latents = latents + self.latent_attention(latents)
        return latents + self.latent_feed_forward(latents)


class LatentFusion(nn.Module):
    """HEALNet on tokens; parameters as in its classifier.

    ``token_widths`` and ``n_tokens`` are those of the modalities, in the order in which the latents look at
    them; the number is None where samples differ in it.
    """

    def __init__(
        self, token_widths, n_tokens, n_classes, *, n_latents, latent_dim, depth, weight_tying, **options
    ):
        super().__init__()
        self.n_tokens = n_tokens
        self.map_shape = (depth, options["n_cross_heads"], n_latents)
        self.latents = nn.Parameter(torch.randn(n_latents, latent_dim))
        # How often each layer is used: where weights are tied, the second stands for all that follow.
        self.repeats = [1] * depth if weight_tying is None or depth == 1 else [1, depth - 1]
        self.layers = nn.ModuleList(
            FusionLayer(
                token_widths,
                n_tokens,
                latent_dim,
                one_feed_forward=weight_tying == "layers_and_modalities" and number > 0,
                **options,
            )
            for number in range(len(self.repeats))
        )
        self.norm = nn.LayerNorm(latent_dim)
        self.classifier = nn.Linear(latent_dim, n_classes)

    def forward(self, tokens, present, attention=None):
        """Logits, fused vector and, if asked for, the weights of the tokens of each modality.

        ``tokens`` has None for a modality that the whole batch lacks. ``attention`` is "mean" for weights
        averaged over layers, heads and latents, "full" for all of them.
        """
        latents, weights = self.run(tokens, present, attention)
        fused = self.norm(latents.mean(dim=1))  # (batch, latent_dim)
        return FusionOutput(self.classifier(fused), informativeness=weights, fused=fused)

    def run(self, tokens, present, attention=None):
        """The latents in the end (batch, n_latents, latent_dim), and weights by number of modality."""
        latents = self.latents.expand(len(present), -1, -1)
        # NOTE[DIFF] A sample that lacks a modality skips its whole update. The original's rule, but for the
        # attention among the latents, which it applies all the same unless it is verbose. Its update is
        # computed beside those of others and thrown away; nothing of it reaches the answer or a gradient.
        complete = present.all(dim=0).tolist()
        here = [None if full else row[:, None, None] for full, row in zip(complete, present.T, strict=True)]
        maps = {number: [] for number, value in enumerate(tokens) if value is not None}
        for layer, repeats in zip(self.layers, self.repeats, strict=True):
            found = {number: layer.cross[number].read(tokens[number]) for number in maps}
            for _ in range(repeats):
                for number, parts in maps.items():
                    updated, weights = layer.update(
                        number, latents, found[number], need_weights=attention is not None
                    )
                    latents = updated if here[number] is None else torch.where(here[number], updated, latents)
                    if attention is not None:
                        parts.append(weights.mean(dim=(1, 2)) if attention == "mean" else weights)
                latents = layer.finish(latents)
        if attention is None:
            return latents, {}
        return latents, self._weights(maps, present, latents, average=attention == "mean")

    def _weights(self, maps, present, latents, *, average):
        """Weights of each modality's tokens from those of each layer, zero for samples that lack it."""
        weights = {}
        for number, count in enumerate(self.n_tokens):
            if number in maps:
                value = torch.stack(maps[number], dim=1)
                value = value.mean(dim=1) if average else value
                here = present[:, number].reshape(-1, *[1] * (value.ndim - 1))
                weights[number] = value * here
            else:
                shape = () if average else self.map_shape
                weights[number] = latents.new_zeros(len(present), *shape, count or 0)
        return weights


class HEALNetModule(nn.Module):
    """Tokens of every modality, and their fusion; parameters as in the classifier."""

    def __init__(self, tokenizers, n_tokens, n_classes, **options):
        super().__init__()
        self.modalities = tuple(tokenizers)
        self.tokenizers = nn.ModuleList(tokenizers.values())
        widths = [tokenizer.width for tokenizer in self.tokenizers]
        self.fusion = LatentFusion(widths, n_tokens, n_classes, **options)

    def forward(self, inputs, present, attention=None):
        """Logits, the fused vector and, if asked for, weights by modality."""
        anyone = present.any(dim=0).tolist()
        tokens = [
            tokenizer(inputs[name]) if seen else None
            for name, tokenizer, seen in zip(self.modalities, self.tokenizers, anyone, strict=True)
        ]
        output = self.fusion(tokens, present, attention)
        weights = {self.modalities[number]: value for number, value in output.informativeness.items()}
        return output._replace(informativeness=weights)
