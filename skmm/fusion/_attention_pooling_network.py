"""The network of attention pooling: encoders, pooling of bags, fusion, and one or several models."""

import copy
import math

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from skmm._training import seeded_init
from skmm.nn import (
    AttendedAverage,
    Bag,
    Dropout,
    FusionOutput,
    ModalityAttention,
    NeutralVector,
    NoiseSource,
    NoisyModule,
    segment_mean,
)

WEIGHTS = ""  # key of the modalities' weights beside those of their instances: no modality has an empty name
_CHANNELS = 16  # of the convolution that fuses
_KERNEL = 3


def _with_own_dropout(module):
    """A module whose layers of torch's dropout became those that follow a fit's random state."""
    for name, child in module.named_children():
        if type(child) is nn.Dropout and child.p < 1:
            setattr(module, name, Dropout(child.p))
        else:
            _with_own_dropout(child)
    return module


def output_width(encoder, shape, name):
    """Number of features that a given encoder makes of an entry of some shape; raises if it makes none."""
    own = next(encoder.parameters(), torch.zeros(()))
    sizes = ", ".join(str(size) for size in shape)
    training = encoder.training
    try:
        with torch.no_grad():
            features = encoder.eval()(torch.zeros(2, *shape, dtype=own.dtype, device=own.device))
    except Exception as error:
        raise ValueError(
            f"The encoder of modality {name!r} must take tensors of shape (n, {sizes}). "
            f"It raised {type(error).__name__}: {error}"
        ) from error
    finally:
        encoder.train(training)
    if not isinstance(features, torch.Tensor) or features.ndim < 2 or len(features) != 2:
        got = (
            f"shape {tuple(features.shape)}"
            if isinstance(features, torch.Tensor)
            else type(features).__name__
        )
        raise ValueError(
            f"The encoder of modality {name!r} must return a tensor of shape (n, n_features). "
            f"Got {got} of 2 entries instead."
        )
    return features[0].numel()


def draws_globally(encoder, shape):
    """Whether a training step of an encoder moves torch's global generator; found out by a step of a copy."""
    trial = copy.deepcopy(encoder).train()
    for module in trial.modules():
        if isinstance(module, NoisyModule):
            module.noise = NoiseSource(torch.Generator())
    own = next(trial.parameters(), torch.zeros(()))
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        before = torch.random.get_rng_state()
        try:
            trial(torch.zeros(2, *shape, dtype=own.dtype, device=own.device))
        except (ValueError, RuntimeError):
            return True  # what stopped it may come before what draws
        return not torch.equal(before, torch.random.get_rng_state())


class GivenEncoder(NoisyModule):
    """A copy of a user's encoder, and an affine map from its features to the width.

    Layers of torch that draw from its global generator, other than Dropout, draw from it in training while it
    is seeded from the fit's noise.
    """

    def __init__(self, encoder, shape, width, *, frozen, name):
        super().__init__()
        self.encoder = _with_own_dropout(copy.deepcopy(encoder))
        self.frozen = frozen
        self.name = name
        self.to_width = nn.Linear(output_width(self.encoder, shape, name), width)
        self.is_random = not frozen and draws_globally(self.encoder, shape)
        if frozen:
            self.encoder.requires_grad_(False).eval()

    def train(self, mode=True):
        """Switch to training; what is frozen stays in evaluation, its running statistics too."""
        super().train(mode)
        if self.frozen:
            self.encoder.eval()
        return self

    def forward(self, x):
        """Representations (n, width)."""
        return self.to_width(self._encode(x).flatten(1))

    def _encode(self, x):
        """Features; what is drawn in training comes from the noise, where a fit has set it."""
        generator = self.noise.generator
        if not (self.training and self.is_random) or generator is None:
            return self._apply_encoder(x)
        seed = int(torch.empty((), dtype=torch.int64, device=generator.device).random_(generator=generator))
        with seeded_init(seed, x.device):
            return self._apply_encoder(x)

    def _apply_encoder(self, x):
        """Features; says so where batch normalization in training has a single instance."""
        try:
            return self.encoder(x)
        except ValueError as error:
            normalizes = any(isinstance(module, _BatchNorm) for module in self.encoder.modules())
            if not self.training or self.frozen or len(x) > 1 or not normalizes:
                raise
            raise ValueError(
                f"The encoder of modality {self.name!r} has batch normalization, which cannot learn from a "
                "training step that has a single image, slice or other instance, and there was one. Use a "
                "larger batch_size, freeze_encoder=True, or an encoder with another normalization. It said: "
                f"{error}"
            ) from error


class BagAverage(nn.Module):
    """The mean of a bag's instances, which have equal weights."""

    def forward(self, bag):
        """Means (batch, width), zero for empty bags, and weights (total_instances, 1)."""
        lengths = bag.offsets.diff()
        weights = (1 / lengths.clamp(min=1).to(bag.values.dtype)).repeat_interleave(lengths)
        return segment_mean(bag.values, bag.offsets), weights[:, None]


class Branch(nn.Module):
    """One modality as one vector; ``pooling`` is None where an entry is no bag."""

    def __init__(self, encoder, width, *, pooling, dropout):
        super().__init__()
        self.width = width
        self.encoder = encoder
        self.pooling = pooling
        self.dropout = Dropout(dropout)

    def forward(self, x, *, need_weights):
        """The vector (batch, width), and of bags the weights (total_instances,) if needed."""
        if self.pooling is None:
            return self.dropout(torch.relu(self.encoder(x))), None
        # Not every encoder takes none.
        empty = x.values.new_zeros(0, self.width)
        instances = torch.relu(self.encoder(x.values)) if len(x.values) else empty
        # Those of a self-attention take time and memory.
        options = {"need_weights": need_weights} if isinstance(self.pooling, AttendedAverage) else {}
        pooled, weights = self.pooling(Bag(instances, x.offsets), **options)
        return self.dropout(pooled), weights[:, 0] if need_weights else None


class ConvFusion(nn.Module):
    """Vectors of equal widths as channels of a convolution along them; pooled, and mapped to the width.

    NOTE[DIFF] The work says "fusion by CNN" and no more.
    """

    def __init__(self, widths, dropout):
        super().__init__()
        width = self.width = widths[0]
        reduced = math.ceil(width / 2)
        self.convolution = nn.Conv1d(len(widths), _CHANNELS, _KERNEL, padding=_KERNEL // 2)
        self.pooling = nn.AdaptiveMaxPool1d(reduced)
        self.affine = nn.Linear(_CHANNELS * reduced, width)
        self.dropout = Dropout(dropout)

    def forward(self, vectors, present):
        """The fused vector (batch, width), and no weights."""
        del present
        maps = torch.relu(self.pooling(self.convolution(torch.stack(vectors, dim=1))))
        return self.dropout(torch.relu(self.affine(maps.flatten(1)))), None


class ConcatFusion(nn.Module):
    """Vectors side by side."""

    def __init__(self, widths):
        super().__init__()
        self.width = sum(widths)

    def forward(self, vectors, present):
        """The fused vector (batch, sum of widths), and no weights."""
        del present
        return torch.cat(vectors, dim=1), None


class WeightedFusion(nn.Module):
    """Mean of the vectors that are there, or, with an attention, their weighted mean."""

    def __init__(self, widths, attention=None):
        super().__init__()
        self.width = widths[0]
        self.attention = attention

    def forward(self, vectors, present):
        """The fused vector (batch, width), and weights (batch, n_modalities)."""
        vectors = torch.stack(vectors, dim=1)
        if self.attention is not None:
            return self.attention(vectors, present)
        here = present.to(vectors.dtype)
        weights = here / here.sum(dim=1, keepdim=True).clamp(min=1)
        return (weights[:, None] @ vectors).squeeze(1), weights


def make_fusion(fusion, widths, dropout):
    """What makes one vector of those of the modalities."""
    if fusion == "cnn":
        return ConvFusion(widths, dropout)
    if fusion == "concat":
        return ConcatFusion(widths)
    # A single modality has all the weight, whatever attention would say.
    attention = ModalityAttention(widths[0]) if fusion == "dynamic" and len(widths) > 1 else None
    return WeightedFusion(widths, attention)


class Models(nn.Module):
    """Models of one vector that differ in their initial weights; their probabilities are averaged."""

    def __init__(self, n_in, hidden, n_classes, n_models, dropout):
        super().__init__()
        self.models = nn.ModuleList(
            nn.Sequential(nn.Linear(n_in, hidden), nn.ReLU(), Dropout(dropout), nn.Linear(hidden, n_classes))
            for _ in range(n_models)
        )

    def forward(self, x):
        """Logarithms of the average, and the mean of the models' own losses, both (batch, n_classes)."""
        alone = torch.stack([torch.log_softmax(model(x), dim=1) for model in self.models], dim=1)
        return torch.logsumexp(alone, dim=1) - math.log(len(self.models)), -alone.mean(dim=1)


class FusedModels(nn.Module):
    """One or several models of the fused vector."""

    def __init__(self, fusion, widths, n_classes, *, n_heads, dropout):
        super().__init__()
        self.fuse = make_fusion(fusion, widths, dropout)
        self.models = Models(self.fuse.width, max(widths), n_classes, n_heads, dropout)

    def forward(self, vectors, present):
        """Logits, loss, weights of the modalities where there are any, and the fused vector."""
        fused, weights = self.fuse(vectors, present)
        logits, loss = self.models(fused)
        return logits, {"classification": loss}, weights, fused


class LateModels(nn.Module):
    """One or several models a modality; their probabilities are averaged with weights that the present share.

    Each model learns by itself, and the weights from the mixture of what the models say.
    """

    def __init__(self, widths, n_classes, *, n_heads, dropout):
        super().__init__()
        self.models = nn.ModuleList(Models(width, width, n_classes, n_heads, dropout) for width in widths)
        self.log_weights = nn.Parameter(torch.zeros(len(widths))) if len(widths) > 1 else None

    def forward(self, vectors, present):
        """Logits, losses, weights of the modalities, and the vectors side by side."""
        alone, losses = zip(*(model(x) for model, x in zip(self.models, vectors, strict=True)), strict=True)
        alone, losses = (
            torch.stack(alone, dim=1),
            torch.stack(losses, dim=1),
        )  # (batch, n_modalities, n_classes)
        here = present.to(losses.dtype)
        shares = here / here.sum(dim=1, keepdim=True).clamp(min=1)
        terms = {"classification": (shares[:, :, None] * losses).sum(dim=1)}
        scores = torch.zeros_like(shares) if self.log_weights is None else self.log_weights.expand_as(shares)
        # The lowest finite number, not -inf: a sample without any modality has an answer too.
        log_weights = torch.log_softmax(scores.masked_fill(~present, torch.finfo(scores.dtype).min), dim=1)
        logits = torch.logsumexp(alone + log_weights[:, :, None], dim=1)
        if self.log_weights is not None:
            terms["weights"] = -torch.logsumexp(alone.detach() + log_weights[:, :, None], dim=1)
        return logits, terms, log_weights.exp() * here, torch.cat(vectors, dim=1)


class AttentionPoolingModule(nn.Module):
    """The network; ``branches`` by modality in the order of ``present``."""

    def __init__(self, branches, decide, *, missing):
        super().__init__()
        self.modalities = tuple(branches)
        self.branches = nn.ModuleList(branches.values())
        self.decide = decide
        self.has_weights = isinstance(decide, LateModels) or isinstance(decide.fuse, WeightedFusion)
        # Where the present share the weights nothing stands for what is missing; one alone never is.
        learned = missing == "neutral" and not self.has_weights and len(branches) > 1
        self.neutral = (
            nn.ModuleList(NeutralVector(branch.width) for branch in self.branches) if learned else None
        )

    def forward(self, inputs, present, *, attention=False):
        """Logits, losses, weights of modalities, of instances if ``attention``, and the fused vector."""
        complete = bool(present.all())
        vectors, seen = [], {}
        for column, (name, branch) in enumerate(zip(self.modalities, self.branches, strict=True)):
            vector, weights = branch(inputs[name], need_weights=attention)
            here = present[:, column]
            if not complete:
                vector = (
                    vector * here[:, None] if self.neutral is None else self.neutral[column](vector, here)
                )
            vectors.append(vector)
            if weights is not None:
                seen[name] = weights
        logits, losses, weights, fused = self.decide(vectors, present)
        if weights is not None:
            seen[WEIGHTS] = weights
        return FusionOutput(logits, losses, seen, fused)
