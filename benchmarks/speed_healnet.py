"""The time of a fit of HEALNet against a hand-written PyTorch loop of the same network.

The loop has torch's layers, its fused attention, Adam with its defaults and F.dropout. On three sizes; how
the times are taken is told in _speed.py.
"""

from functools import partial

import numpy as np
import torch
from _speed import fit_seconds, loop_seconds, report_ratios
from torch import nn
from torch.nn.functional import (
    cross_entropy,
    dropout,
    leaky_relu,
    scaled_dot_product_attention,
    selu,
    unfold,
)

from skmm.fusion import HEALNetClassifier
from skmm.nn import fourier_positions

N_GROUPS, PATCH, BANDS, MAX_FREQUENCY = 16, 8, 2, 10.0
SMALL = {"n_latents": 16, "latent_dim": 32, "depth": 2, "n_heads": 4, "head_dim": 16}
LARGE = {"n_latents": 64, "latent_dim": 128, "depth": 2, "n_heads": 8, "head_dim": 64}
CASES = {
    "256 x (1008 + 128), small net, batch 32": ((1008, 128), None, SMALL, 256, 32, 2),
    "256 x (1008 + images 64 x 64 x 3), small net, batch 32": ((1008,), 64, SMALL, 256, 32, 2),
    "32 x (1008 + images 64 x 64 x 3), large net, batch 16": ((1008,), 64, LARGE, 32, 16, 1),
}


class Attend(nn.Module):
    """Pre-normalized attention of x over a context, or over itself."""

    def __init__(self, width, context_width, n_heads, head_dim):
        super().__init__()
        self.n_heads, self.head_dim = n_heads, head_dim
        self.norm = nn.LayerNorm(width)
        self.norm_context = None if context_width is None else nn.LayerNorm(context_width)
        self.to_q = nn.Linear(width, n_heads * head_dim, bias=False)
        self.to_kv = nn.Linear(context_width or width, 2 * n_heads * head_dim, bias=False)
        self.to_out = nn.Linear(n_heads * head_dim, width)

    def forward(self, x, context=None):
        """What is added to x."""
        x = self.norm(x)
        context = x if context is None else self.norm_context(context)
        parts = (self.to_q(x), *self.to_kv(context).chunk(2, dim=-1))
        q, k, v = (part.unflatten(-1, (self.n_heads, -1)).transpose(1, 2) for part in parts)
        found = scaled_dot_product_attention(q, k, v, scale=2 / self.head_dim**0.5)
        return leaky_relu(self.to_out(found.transpose(1, 2).flatten(2)))


class FeedForward(nn.Module):
    """A gated feed-forward network."""

    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.first = nn.Linear(width, 8 * width)
        self.second = nn.Linear(4 * width, width)

    def forward(self, x):
        """What is added to x."""
        value, gate = self.first(self.norm(x)).chunk(2, dim=-1)
        return dropout(self.second(value * selu(gate)), 0.5, training=True)


class ByHand(nn.Module):
    """HEALNet as one would write it down."""

    def __init__(self, tables, image_size, n_classes, *, n_latents, latent_dim, depth, n_heads, head_dim):
        super().__init__()
        self.latents = nn.Parameter(torch.randn(n_latents, latent_dim))
        self.embed = nn.ParameterList(
            nn.Parameter(torch.randn(N_GROUPS, size // N_GROUPS, latent_dim) * (N_GROUPS / size) ** 0.5)
            for size in tables
        )
        self.places = [fourier_positions((N_GROUPS,), BANDS, MAX_FREQUENCY).float() for _ in tables]
        widths = [latent_dim + 2 * BANDS + 1] * len(tables)
        if image_size is not None:
            side = image_size // PATCH
            self.places.append(fourier_positions((side, side), BANDS, MAX_FREQUENCY).float())
            widths.append(3 * PATCH**2 + 2 * (2 * BANDS + 1))

        def layer():
            return nn.ModuleDict(
                {
                    "cross": nn.ModuleList(Attend(latent_dim, w, n_heads, head_dim) for w in widths),
                    "feed": nn.ModuleList(FeedForward(latent_dim) for _ in widths),
                    "self": Attend(latent_dim, None, n_heads, head_dim),
                    "self_feed": FeedForward(latent_dim),
                }
            )

        self.layers = nn.ModuleList(layer() for _ in range(depth))
        self.norm = nn.LayerNorm(latent_dim)
        self.classifier = nn.Linear(latent_dim, n_classes)

    def tokens(self, parts):
        """Tokens of each modality with their positions."""
        for number, (x, place) in enumerate(zip(parts, self.places, strict=True)):
            if x.ndim == 2:
                values = torch.einsum("bgi,gio->bgo", x.unflatten(1, (N_GROUPS, -1)), self.embed[number])
            else:
                values = unfold(x, PATCH, stride=PATCH).transpose(1, 2)
            yield torch.cat([values, place.expand(len(x), -1, -1)], dim=2)

    def forward(self, parts):
        """Logits."""
        x = self.latents.expand(len(parts[0]), -1, -1)
        tokens = list(self.tokens(parts))
        for layer in self.layers:
            for cross, feed, context in zip(layer["cross"], layer["feed"], tokens, strict=True):
                x = x + cross(x, context)
                x = x + feed(x)
                x = x + layer["self"](x)
                x = x + layer["self_feed"](x)
        return self.classifier(self.norm(x.mean(dim=1)))


def by_hand(X, y, image_size, net, batch_size, n_epochs):
    """Seconds of the epochs of a hand-written loop."""
    parts = [torch.from_numpy(value) for value in X.values()]
    if image_size is not None:
        parts[-1] = parts[-1].permute(0, 3, 1, 2).float() / 255
    labels = torch.from_numpy(y)
    tables = [part.shape[1] for part in parts if part.ndim == 2]
    model = ByHand(tables, image_size, int(y.max()) + 1, **net)

    def loss_of(rows):
        return cross_entropy(model([part[rows] for part in parts]), labels[rows])

    return loop_seconds(model, loss_of, len(y), batch_size, n_epochs, lr=1e-3, weight_decay=1e-4)


def by_skmm(X, y, net, batch_size, n_epochs):
    """Seconds of the epochs of a fit."""
    model = HEALNetClassifier(
        net["n_latents"],
        net["latent_dim"],
        depth=net["depth"],
        n_cross_heads=net["n_heads"],
        cross_head_dim=net["head_dim"],
        n_latent_heads=net["n_heads"],
        latent_head_dim=net["head_dim"],
        self_attention="modality",
        tokenization="groups",
        feature_groups=N_GROUPS,
        patch_size=PATCH,
        n_frequency_bands=BANDS,
        max_frequency=MAX_FREQUENCY,
        dropout=0.5,
        optimizer="adam",
        lr=1e-3,
        weight_decay=1e-4,
        class_weight=None,
        batch_size=batch_size,
        random_state=0,
    )
    return fit_seconds(model, X, y, n_epochs)


def main():
    """Prints and writes the ratios."""
    cases = {}
    for name, (tables, image_size, net, n_samples, batch_size, n_epochs) in CASES.items():
        rng = np.random.default_rng(0)
        y = rng.integers(4, size=n_samples)
        X = {f"m{i}": rng.normal(size=(n_samples, size)).astype(np.float32) for i, size in enumerate(tables)}
        if image_size is not None:
            X["pixels"] = rng.integers(256, size=(n_samples, image_size, image_size, 3), dtype=np.uint8)
        cases[name] = (
            partial(by_skmm, X, y, net, batch_size, n_epochs),
            partial(by_hand, X, y, image_size, net, batch_size, n_epochs),
        )
    report_ratios("speed_healnet", cases)


if __name__ == "__main__":
    main()
