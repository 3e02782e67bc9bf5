"""The time of a fit of MM dynamics against a hand-written PyTorch loop of the same maths.

The loop has Adam with its defaults and F.dropout. Ratios of process times of steady-state epochs, one
thread, alternating pairs, on two sizes.
"""

from functools import partial

import numpy as np
import torch
from _speed import fit_seconds, loop_seconds, report_ratios
from torch import nn
from torch.nn.functional import cross_entropy, dropout, mse_loss, relu, softmax

from skmm.fusion import MMDynamicsClassifier

CASES = {
    "245 x 3 x 200, hidden 1000, full batch": ((200, 200, 200), 1000, 245, 245, 2, 20),
    "20,000 x (2000 + 140), hidden 300, batch 256": ((2000, 140), 300, 20_000, 256, 7, 1),
}


class ByHand(nn.Module):
    """MM dynamics as one would write it down: torch's layers, functions and losses."""

    def __init__(self, sizes, hidden, n_classes):
        super().__init__()
        self.gates = nn.ModuleList(nn.Linear(size, size) for size in sizes)
        self.encoders = nn.ModuleList(nn.Linear(size, hidden) for size in sizes)
        self.heads = nn.ModuleList(nn.Linear(hidden, n_classes) for _ in sizes)
        self.confidences = nn.ModuleList(nn.Linear(hidden, 1) for _ in sizes)
        self.classifier = nn.Linear(hidden * len(sizes), n_classes)

    def loss(self, parts, y):
        """The loss of a batch."""
        fused, loss = [], 0.0
        layers = zip(parts, self.gates, self.encoders, self.heads, self.confidences, strict=True)
        for x, gate_layer, encoder, head, confidence_layer in layers:
            gate = torch.sigmoid(gate_layer(x))
            z = dropout(relu(encoder(x * gate)), 0.5, training=True)
            logits, confidence = head(z), confidence_layer(z)
            truth = softmax(logits, dim=1).gather(1, y[:, None])
            loss = loss + gate.mean() + mse_loss(confidence, truth) + cross_entropy(logits, y)
            fused.append(z * confidence)
        return loss + cross_entropy(self.classifier(torch.cat(fused, dim=1)), y)


def by_hand(X, y, hidden, batch_size, n_epochs):
    """Seconds of the epochs of a hand-written loop; a single batch is taken as it is."""
    parts, labels = [torch.from_numpy(table) for table in X.values()], torch.from_numpy(y)
    model = ByHand([table.shape[1] for table in X.values()], hidden, int(y.max()) + 1)

    def loss_of(rows):
        if len(rows) == len(y):
            return model.loss(parts, labels)
        return model.loss([part[rows] for part in parts], labels[rows])

    return loop_seconds(model, loss_of, len(y), batch_size, n_epochs, lr=1e-3, weight_decay=1e-4)


def by_skmm(X, y, hidden, batch_size, n_epochs):
    """Seconds of the epochs of a fit."""
    model = MMDynamicsClassifier(
        hidden,
        feature_gate="dense",
        detach_confidence=False,
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
    for name, (sizes, hidden, n_samples, batch_size, n_classes, n_epochs) in CASES.items():
        rng = np.random.default_rng(0)
        y = rng.integers(n_classes, size=n_samples)
        X = {f"m{i}": rng.normal(size=(n_samples, size)).astype(np.float32) for i, size in enumerate(sizes)}
        arguments = (X, y, hidden, batch_size, n_epochs)
        cases[name] = (partial(by_skmm, *arguments), partial(by_hand, *arguments))
    report_ratios("speed_training", cases)


if __name__ == "__main__":
    main()
