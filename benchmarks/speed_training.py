"""The time of a fit of MM dynamics against a hand-written PyTorch loop of the same maths.

The loop has Adam with its defaults and F.dropout. Ratios of process times of steady-state epochs, one
thread, alternating pairs, on two sizes.
"""

import time

import numpy as np
import torch
from _common import RESULTS
from skorch.callbacks import Callback
from torch import nn
from torch.nn.functional import cross_entropy, dropout, mse_loss, relu, softmax

from skmm.fusion import MMDynamicsClassifier

WARM_UP = 1
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
    """Seconds of the epochs of a hand-written loop."""
    parts, labels = [torch.from_numpy(table) for table in X.values()], torch.from_numpy(y)
    model = ByHand([table.shape[1] for table in X.values()], hidden, int(y.max()) + 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-4)
    for epoch in range(WARM_UP + n_epochs):
        if epoch == WARM_UP:
            start = time.process_time()
        rows = [slice(None)] if batch_size >= len(y) else torch.randperm(len(y)).split(batch_size)
        for chosen in rows:
            optimizer.zero_grad()
            loss = model.loss([part[chosen] for part in parts], labels[chosen])
            loss.backward()
            optimizer.step()
            loss.item()
    return time.process_time() - start


class Clock(Callback):
    """Process time at the end of each epoch."""

    def on_train_begin(self, net, **kwargs):
        """Forget earlier times."""
        self.times_ = []

    def on_epoch_end(self, net, **kwargs):
        """Note the time."""
        self.times_.append(time.process_time())


def by_skmm(X, y, hidden, batch_size, n_epochs):
    """Seconds of the epochs of a fit."""
    model = MMDynamicsClassifier(
        hidden,
        feature_gate="dense",
        detach_confidence=False,
        optimizer="adam",
        weight_decay=1e-4,
        class_weight=None,
        max_epochs=WARM_UP + n_epochs,
        batch_size=batch_size,
        callbacks=[("clock", Clock())],
        random_state=0,
    ).fit(X, y)
    times = dict(model.net_.callbacks_)["clock"].times_
    return times[-1] - times[WARM_UP - 1]


def main():
    """Prints and writes the ratios."""
    torch.set_num_threads(1)
    lines = []
    for name, (sizes, hidden, n_samples, batch_size, n_classes, n_epochs) in CASES.items():
        rng = np.random.default_rng(0)
        y = rng.integers(n_classes, size=n_samples)
        X = {f"m{i}": rng.normal(size=(n_samples, size)).astype(np.float32) for i, size in enumerate(sizes)}
        arguments = (X, y, hidden, batch_size, n_epochs)
        ratios = [by_skmm(*arguments) / by_hand(*arguments) for _ in range(5)]
        low, median, high = np.percentile(ratios, [25, 50, 75])
        lines.append(
            f"{name}: {median:.2f} of the hand-written loop's time (quartiles {low:.2f} to {high:.2f})"
        )
        print(lines[-1], flush=True)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "speed_training.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
