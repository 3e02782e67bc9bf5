"""The time of a fit of MM dynamics on images against a hand-written PyTorch loop of the same net.

2000 images of 64 x 64 x 3, patches of 8 pixels, which is the published net. The loop has its images as
float32 tensors in memory, Adam with its defaults and F.dropout; the fit starts from bytes. Ratio of process
times of an epoch, one thread, alternating pairs.
"""

from functools import partial

import numpy as np
import torch
from _speed import fit_seconds, loop_seconds, report_ratios
from torch import nn
from torch.nn.functional import cross_entropy, dropout, interpolate, mse_loss, relu, softmax

from skmm.fusion import ImageMMDynamics

N_IMAGES, SIZE, N_CLASSES, BATCH, WIDTH = 2000, 64, 8, 64, 256


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
    labels, model = torch.from_numpy(y), ByHand()

    def loss_of(rows):
        return model.loss(x[rows], labels[rows])

    return loop_seconds(model, loss_of, len(y), BATCH, lr=1e-4, weight_decay=1e-4)


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
        batch_size=BATCH,
        random_state=0,
    )
    return fit_seconds(model, {"cells": images}, y)


def main():
    """Prints and writes the ratio."""
    rng = np.random.default_rng(0)
    images = rng.integers(256, size=(N_IMAGES, SIZE, SIZE, 3), dtype=np.uint8)
    y = rng.integers(N_CLASSES, size=N_IMAGES)
    case = f"{N_IMAGES} images of {SIZE} x {SIZE} x 3, batch {BATCH}"
    report_ratios("speed_images", {case: (partial(by_skmm, images, y), partial(by_hand, images, y))})


if __name__ == "__main__":
    main()
