"""The network of MM dynamics: any gate and any encoder for each modality, one loss for all."""

import torch
from torch import nn

from skmm.nn import Dropout, FeatureGate, FusionOutput, NeutralVector, renormalize, xavier_linear

# Keys beside those of the gates: no modality has an empty name, or one with "__".
CONFIDENCE = ""
ALONE = "alone__"
_DENSE_GATE = 500  # features up to which an automatic gate is dense: a quarter of a million parameters


def _masked(values, here):
    """Values of the samples that have a modality, zero for the others; ``here`` None has all."""
    if here is None:
        return values
    return values * here.to(values.dtype).reshape(-1, *[1] * (values.ndim - 1))


def table_parts(n_features, width, *, feature_gate, gate_rank):
    """Gate and encoder of a table, for a `Branch`."""
    if feature_gate == "auto":
        feature_gate = "dense" if n_features <= _DENSE_GATE else "low_rank"
    return {
        "gate": None if feature_gate is None else FeatureGate(n_features, feature_gate, gate_rank),
        "encoder": xavier_linear(n_features, width),
    }


class Branch(nn.Module):
    """One modality: gate, encoder, and the two heads that judge it alone.

    ``gate`` maps x to weights that multiply it (None for none), ``encoder`` the product to (batch, width),
    and ``augment`` x to what is seen of it in training.
    """

    def __init__(self, width, n_classes, *, gate, encoder, confidence, dropout, neutral, augment=None):
        super().__init__()
        self.width = width
        self.augment = augment
        self.gate = gate
        self.encoder = encoder
        self.dropout = Dropout(dropout)
        # NOTE[DIFF] Heads that an ablation does not use are not made; the second system kept them, without
        # gradient.
        self.classifier = xavier_linear(width, n_classes) if confidence else None
        self.confidence = xavier_linear(width, 1) if confidence else None
        self.neutral = NeutralVector(width) if neutral else None

    def forward(self, x):
        """Gate g (None without one) and representation z."""
        x = x if self.augment is None else self.augment(x)
        gate = None if self.gate is None else self.gate(x)  # (batch, ...), broadcasts over x
        z = torch.relu(self.encoder(x if gate is None else x * gate))
        return gate, self.dropout(z)  # (batch, width)


class MMDynamicsModule(nn.Module):
    """The network; penalties as in the classifier, ``branches`` by modality in the order of ``present``."""

    def __init__(
        self,
        branches,
        n_classes,
        *,
        confidence_activation,
        detach_confidence,
        gate_penalty,
        confidence_penalty,
        classification_penalty,
    ):
        super().__init__()
        self.modalities = tuple(branches)
        self.branches = nn.ModuleList(branches.values())
        self.has_gates = self.branches[0].gate is not None
        self.confidence_weighting = self.branches[0].confidence is not None
        self.confidence_activation = confidence_activation
        self.detach_confidence = detach_confidence
        self.gate_penalty = gate_penalty
        self.confidence_penalty = confidence_penalty
        self.classification_penalty = classification_penalty
        self.classifier = xavier_linear(sum(branch.width for branch in self.branches), n_classes)

    def forward(self, inputs, present):
        """Logits, the losses of the paper, gates by modality, confidences, and the fused vector."""
        # Most batches miss nothing: they go without the masks, which change nothing there.
        masks = [None] * len(self.branches) if bool(present.all()) else list(present.unbind(dim=1))
        losses, gates, alone, confidences, parts = {}, {}, {}, [], []
        for name, branch, here in zip(self.modalities, self.branches, masks, strict=True):
            gate, z = branch(inputs[name])
            parts.append(z)
            if gate is not None:
                gates[name] = _masked(gate, here)
                sparsity = gate.flatten(start_dim=1).mean(dim=1)
                losses[f"gate/{name}"] = _masked(self.gate_penalty * sparsity, here)
            if self.confidence_weighting:
                confidence, alone[ALONE + name] = self._judge(name, branch, z, here, losses)
                confidences.append(_masked(confidence, here))
        weights = (
            torch.stack(confidences, dim=1) if confidences else torch.ones_like(present, dtype=parts[0].dtype)
        )
        informativeness = {**gates, CONFIDENCE: weights}
        if not self.training:
            informativeness |= alone
        if masks[0] is not None:
            weights = renormalize(weights, present)
        blocks = [z * weight[:, None] for z, weight in zip(parts, weights.unbind(dim=1), strict=True)]
        if masks[0] is not None and self.branches[0].neutral is not None:
            blocks = [
                branch.neutral(block, here)
                for branch, block, here in zip(self.branches, blocks, masks, strict=True)
            ]
        fused = torch.cat(blocks, dim=1)  # (batch, sum of widths)
        logits = self.classifier(fused)
        losses["classification"] = -self.classification_penalty * torch.log_softmax(logits, dim=1)
        return FusionOutput(logits, losses, informativeness, fused)

    def _judge(self, name, branch, z, here, losses):
        """Confidence c of one modality, (batch,), and its own log-probabilities; adds the losses of both."""
        confidence = branch.confidence(z)[:, 0]
        if self.confidence_activation == "sigmoid":
            confidence = torch.sigmoid(confidence)
        elif self.confidence_activation == "clamp" and not self.training:
            # NOTE[DIFF] The paper never bounds it. In training it stays linear here too: one beyond
            # the bounds would have no gradient.
            confidence = confidence.clamp(0, 1)
        log_proba = torch.log_softmax(branch.classifier(z), dim=1)  # (batch, n_classes)
        # NOTE[DIFF] The papers' code does not detach the target, so that the square also moves the prediction
        # towards the confidence; detach_confidence=False is that.
        target = log_proba.detach().exp() if self.detach_confidence else log_proba.exp()
        error = (confidence[:, None] - target).square()
        losses[f"confidence/{name}"] = _masked(self.confidence_penalty * error, here)
        losses[f"classification/{name}"] = _masked(-self.confidence_penalty * log_proba, here)
        return confidence, log_proba
