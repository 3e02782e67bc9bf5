"""The time of a fit of MM dynamics on images against a hand-written PyTorch loop of the same net.

512 images of 64 x 64 x 3, patches of 8 pixels, which is the published net. The loop has its images as float32
tensors in memory, Adam with its defaults and F.dropout; the fit starts from bytes. Ratio of process times of
an epoch, one thread, alternating pairs.
"""

import time

import numpy as np
import torch
from _common import RESULTS
from skorch.callbacks import Callback
from torch import nn
from torch.nn.functional import cross_entropy, dropout, interpolate, mse_loss, relu, softmax

from skmm.fusion import ImageMMDynamics

N_IMAGES, SIZE, N_CLASSES, BATCH, WIDTH = 512, 64, 8, 64, 256
WARM_UP, N_PAIRS = 1, 5


def double(n_in, n_out):
    """Two convolutions of 3 x 3."""
    return [
        nn.Conv2d(n_in, n_out, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(n_out, n_out, 3, padding=1),
        nn.ReLU(),
    ]


class ByHand(nn.Module):
    """MM dynamics of one image modality as one would write it down."""

    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(*double(3, 16), nn.MaxPool2d(4))
        self.second = nn.Sequential(*double(16, 32), nn.MaxPool2d(4))
        self.middle = nn.Sequential(*double(32, 16))
        self.decoder = nn.Sequential(
            nn.Conv2d(32, 8, 2, stride=2),
            nn.Conv2d(8, 8, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(8, 2, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(2, 1, 1),
        )
        self.encoder = nn.Sequential(
            *(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Flatten(), nn.Linear(32 * (SIZE // 4) ** 2, 128), nn.ReLU(), nn.Linear(128, WIDTH)),
        )
        self.head, self.confidence = nn.Linear(WIDTH, N_CLASSES), nn.Linear(WIDTH, 1)
        self.classifier = nn.Linear(WIDTH, N_CLASSES)

    def loss(self, x, y):
        """The loss of a batch."""
        first = self.first(x)
        middle = interpolate(self.middle(self.second(first)), size=first.shape[-2:])
        gate = torch.sigmoid(interpolate(self.decoder(torch.cat([first, middle], dim=1)), size=x.shape[-2:]))
        z = dropout(relu(self.encoder(x * gate)), 0.5, training=True)
        logits, confidence = self.head(z), self.confidence(z)
        truth = softmax(logits, dim=1).gather(1, y[:, None])
        alone = mse_loss(confidence, truth) + cross_entropy(logits, y)
        return gate.mean() + alone + cross_entropy(self.classifier(z * confidence), y)


def by_hand(images, y):
    """Seconds of an epoch of a hand-written loop."""
    x = torch.from_numpy(images).permute(0, 3, 1, 2).float().div(255).contiguous()
    labels = torch.from_numpy(y)
    model = ByHand()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, weight_decay=1e-4)
    for epoch in range(WARM_UP + 1):
        if epoch == WARM_UP:
            start = time.process_time()
        for chosen in torch.randperm(len(y)).split(BATCH):
            optimizer.zero_grad()
            loss = model.loss(x[chosen], labels[chosen])
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


def by_skmm(images, y):
    """Seconds of an epoch of a fit."""
    model = ImageMMDynamics(
        WIDTH,
        patch_size=8,
        detach_confidence=False,
        optimizer="adam",
        lr=1e-4,
        gate_lr=1.0,
        weight_decay=1e-4,
        class_weight=None,
        max_epochs=WARM_UP + 1,
        batch_size=BATCH,
        callbacks=[("clock", Clock())],
        random_state=0,
    ).fit({"cells": images}, y)
    times = dict(model.net_.callbacks_)["clock"].times_
    return times[-1] - times[WARM_UP - 1]


def main():
    """Prints and writes the ratio."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    images = rng.integers(256, size=(N_IMAGES, SIZE, SIZE, 3), dtype=np.uint8)
    y = rng.integers(N_CLASSES, size=N_IMAGES)
    pairs = np.array([(by_skmm(images, y), by_hand(images, y)) for _ in range(N_PAIRS)])
    low, median, high = np.percentile(pairs[:, 0] / pairs[:, 1], [25, 50, 75])
    line = (
        f"images {SIZE} x {SIZE} x 3, batch {BATCH}: {median:.2f} of the hand-written loop's time (quartiles "
        f"{low:.2f} to {high:.2f}), {np.median(pairs[:, 0]) / N_IMAGES * 1000:.1f} ms a sample and epoch"
    )
    print(line)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "speed_images.txt").write_text(line + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
