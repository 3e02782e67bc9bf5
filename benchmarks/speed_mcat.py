"""The time of a fit of MCAT against a hand-written PyTorch loop of the same maths.

The loop is made of torch's own layers (MultiheadAttention, TransformerEncoderLayer), pads the bags of a
batch, and has Adam with its defaults. On bags beside a table, and on two tables; how the times are taken is
told in _speed.py.
"""

from functools import partial

import numpy as np
import torch
from _speed import fit_seconds, loop_seconds, report_ratios
from torch import nn
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pad_sequence

from skmm import BagArray
from skmm.fusion import MCATClassifier

N_CLASSES, BATCH_SIZE, N_EPOCHS = 5, 32, 2
GROUPS = {"table": 8, "other": 16}
WIDTH, SHARE = 128, 0.25


class Summary(nn.Module):
    """Set transformer, gated attention pooling, one layer."""

    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(WIDTH, 8, 2 * WIDTH, SHARE, batch_first=True)
        self.transformer = nn.TransformerEncoder(layer, 2)
        self.content = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Tanh(), nn.Dropout(SHARE))
        self.gate = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Sigmoid(), nn.Dropout(SHARE))
        self.score = nn.Linear(WIDTH, 1)
        self.rho = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Dropout(SHARE))

    def forward(self, tokens):
        """One vector a sample."""
        tokens = self.transformer(tokens)
        weights = self.score(self.content(tokens) * self.gate(tokens)).softmax(dim=1)
        return self.rho((weights * tokens).sum(dim=1))


def net_of_group(n_features):
    """A net of two layers, the self-normalizing one of a group of columns."""
    layers = (nn.Linear(n_features, WIDTH), nn.ELU(), nn.AlphaDropout(SHARE))
    return nn.Sequential(*layers, nn.Linear(WIDTH, WIDTH), nn.ELU(), nn.AlphaDropout(SHARE))


class ByHand(nn.Module):
    """MCAT as one would write it down: torch's layers, functions and losses."""

    def __init__(self, n_features, n_other, *, bags):
        super().__init__()
        self.bags = bags
        self.sizes = [len(part) for part in np.array_split(np.arange(n_features), GROUPS["table"])]
        self.groups = nn.ModuleList(net_of_group(size) for size in self.sizes)
        self.other_sizes = [len(part) for part in np.array_split(np.arange(n_other), GROUPS["other"])]
        sizes = [n_other] if bags else self.other_sizes
        self.embed = nn.ModuleList(
            nn.Sequential(nn.Linear(size, WIDTH), nn.ReLU(), nn.Dropout(SHARE)) for size in sizes
        )
        self.co_attention = nn.MultiheadAttention(WIDTH, 1, batch_first=True)
        self.query_summary, self.summary = Summary(), Summary()
        self.fuse = nn.Sequential(nn.Linear(2 * WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU())
        self.classifier = nn.Linear(WIDTH, N_CLASSES)

    def forward(self, table, other, padding):
        """The logits of a batch."""
        columns = zip(table.split(self.sizes, dim=1), self.groups, strict=True)
        query = torch.stack([net(part) for part, net in columns], dim=1)
        if self.bags:
            instances = self.embed[0](other)
        else:
            columns = zip(other.split(self.other_sizes, dim=1), self.embed, strict=True)
            instances = torch.stack([net(part) for part, net in columns], dim=1)
        found, _ = self.co_attention(
            query, instances, instances, key_padding_mask=padding, need_weights=False
        )
        return self.classifier(self.fuse(torch.cat([self.summary(found), self.query_summary(query)], dim=1)))


def by_hand(table, other, y):
    """Seconds of the epochs of a hand-written loop."""
    bags = isinstance(other, list)
    table, labels = torch.from_numpy(table), torch.from_numpy(y)
    other = [torch.from_numpy(bag) for bag in other] if bags else torch.from_numpy(other)
    model = ByHand(table.shape[1], other[0].shape[-1], bags=bags).train()

    def loss_of(rows):
        chosen, padding = other[rows] if not bags else None, None
        if bags:
            pieces = [other[row] for row in rows]
            chosen = pad_sequence(pieces, batch_first=True)
            lengths = torch.tensor([len(piece) for piece in pieces])
            padding = torch.arange(chosen.shape[1]) >= lengths[:, None]
        return cross_entropy(model(table[rows], chosen, padding), labels[rows])

    return loop_seconds(model, loss_of, len(y), BATCH_SIZE, N_EPOCHS, lr=2e-4, weight_decay=1e-5)


def by_skmm(table, other, y):
    """Seconds of the epochs of a fit."""
    bags = isinstance(other, list)
    X = {"table": table, "other": BagArray.from_list(other) if bags else other}
    model = MCATClassifier(
        WIDTH,
        query="table",
        feature_groups={"table": GROUPS["table"]} if bags else GROUPS,
        dropout=SHARE,
        query_dropout=SHARE,
        optimizer="adam",
        lr=2e-4,
        weight_decay=1e-5,
        class_weight=None,
        batch_size=BATCH_SIZE,
        random_state=0,
    )
    return fit_seconds(model, X, y, N_EPOCHS)


def main():
    """Prints and writes the ratios."""
    rng = np.random.default_rng(0)
    n_samples = 256
    y = rng.integers(N_CLASSES, size=n_samples)
    table = rng.normal(size=(n_samples, 400)).astype(np.float32)
    bags = [rng.normal(size=(rng.integers(20, 61), 256)).astype(np.float32) for _ in range(n_samples)]
    others = {
        "256 x (400 in 8 groups + bags of 20 to 60 x 256), hidden 128, batch 32": bags,
        "256 x (400 in 8 groups + 1000 in 16 groups), hidden 128, batch 32": rng.normal(
            size=(n_samples, 1000)
        ).astype(np.float32),
    }
    cases = {
        name: (partial(by_skmm, table, other, y), partial(by_hand, table, other, y))
        for name, other in others.items()
    }
    report_ratios("speed_mcat", cases)


if __name__ == "__main__":
    main()
