"""From an estimator's parameters to a trained net."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from skmm import ModalityDict
from skmm._training import ModalityBatches, history_frame, make_inputs, net_of, train_as_told
from skmm.containers import Schema
from skmm.nn import FusionOutput


class _Linear(torch.nn.Module):
    """Logits of an affine map of one table, as torch initializes it."""

    def __init__(self):
        super().__init__()
        self.affine = torch.nn.Linear(2, 2)

    def forward(self, inputs, present):
        """Return logits."""
        return FusionOutput(self.affine(inputs["a"]))


@pytest.fixture
def told():
    """Return the parameters of an estimator."""
    return SimpleNamespace(
        lr=0.1, weight_decay=0.0, precision="float64", device="cpu",
        max_epochs=30, n_iter_no_change=2, tol=1e-4, verbose=0,
    )  # fmt: skip


@pytest.fixture
def data(rng):
    """Return noise with labels that it does not tell, as training and validation batches."""
    X = ModalityDict({"a": rng.normal(size=(60, 2))})
    inputs = make_inputs(Schema.of(X), ("a",), standardize=False)
    y = rng.integers(2, size=60)

    def batches(rows):
        return ModalityBatches(X, inputs, rows=rows, y=y[rows], dtype=np.float64)

    return batches(np.arange(40)), batches(np.arange(40, 60))


def _net(told, seed=0):
    """Return the net of the parameters."""
    net = net_of(told, _Linear, seed, n_classes=2, optimizer="adam")
    net.batch_size = 40
    return net


def test_a_seed_fixes_the_net(told):
    """The same seed gives the same weights, another one others, in the precision that was asked for."""
    first, again, other = (_net(told, seed).module_.affine.weight for seed in (0, 0, 1))

    assert first.dtype == torch.float64
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_epochs_are_those_of_the_estimator_or_of_the_call(told, data):
    """Without validation all epochs are made, and none was the best."""
    net = _net(told)

    assert train_as_told(told, net, data[0], None, seed=0) is None
    assert len(history_frame(net)) == 30
    train_as_told(told, net, data[0], None, seed=0, epochs=1)
    assert len(history_frame(net)) == 31


def test_validation_stops_early_and_tells_the_best_epoch(told, data):
    """Training ends `n_iter_no_change` epochs after the one with the lowest validation loss."""
    net = _net(told)

    best = train_as_told(told, net, *data, seed=0)

    history = history_frame(net)
    assert best == history["epoch"][history["valid_loss"].argmin()]
    assert len(history) == best + 2 < 30


def test_divergence_is_an_error(told, data):
    """A loss that is no number ends the training."""
    told.lr = 1e308

    with pytest.raises(ValueError, match="diverged"):
        train_as_told(told, _net(told), data[0], None, seed=0)
