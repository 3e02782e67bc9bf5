"""The loss, the net, its callbacks, and a training as a whole."""

import pickle

import numpy as np
import pytest
import torch
from skorch.callbacks import EpochScoring

from skmm import ModalityDict
from skmm._training import (
    ModalityBatches,
    copy_callbacks,
    forward_batches,
    history_frame,
    make_inputs,
    make_net,
    resolve_device,
    seeded_init,
    train,
)
from skmm._training._callbacks import BestWeights, FiniteLoss, Progress
from skmm._training._net import FusionLoss
from skmm.containers import Schema
from skmm.nn import Dropout, FusionOutput, xavier_linear


class _Linear(torch.nn.Module):
    """Logits of an affine map of one table."""

    def __init__(self, p=0.0):
        super().__init__()
        self.affine = xavier_linear(3, 2)
        self.dropout = Dropout(p)
        self.seen = []

    def forward(self, inputs, present):
        """Return logits, and the table as the fused vector."""
        self.seen.append(present)
        return FusionOutput(self.affine(self.dropout(inputs["a"])), fused=inputs["a"])


@pytest.fixture
def data(rng):
    """Return a table that tells two classes, as training and validation batches."""
    y = np.arange(40) % 2
    X = ModalityDict({"a": rng.normal(size=(40, 3)) + 2 * y[:, None], "b": np.zeros((40, 1))})
    inputs = make_inputs(Schema.of(X), ("a", "b"), standardize=False)

    def batches(rows):
        rows = np.asarray(rows)
        return ModalityBatches(X, inputs, rows=rows, y=y[rows], dtype=np.float64)

    return batches(range(30)), batches(range(30, 40))


def _net(p=0.0, **options):
    """Return an initialized net around an affine map."""
    with seeded_init(0):
        module = _Linear(p)
    defaults = {"optimizer": "adam", "lr": 0.1, "weight_decay": 0.0, "callbacks": []}
    net = make_net(module, n_classes=2, device="cpu", precision="float64", **{**defaults, **options})
    net.batch_size = 8
    return net


def _weights(net):
    """Return a copy of the net's weights."""
    return net.module_.affine.weight.detach().clone()


def test_loss_by_value():
    """Cross-entropy and losses by sample, by possible true class and scalar add up, weighted by sample."""
    logits = torch.tensor([[1.0, 2.0], [0.0, 0.0]], dtype=torch.float64)
    y, weights = torch.tensor([1, 0]), torch.tensor([0.5, 1.5], dtype=torch.float64)
    losses = {
        "sample": torch.tensor([1.0, 2.0], dtype=torch.float64),
        "class": torch.tensor([[10.0, 20.0], [30.0, 40.0]], dtype=torch.float64),
        "scalar": torch.tensor(0.25, dtype=torch.float64),
    }
    entropy = torch.nn.functional.cross_entropy(logits, y, reduction="none")
    expected = entropy + torch.tensor([1 + 20 + 0.25, 2 + 30 + 0.25])

    loss = FusionLoss()

    torch.testing.assert_close(loss(FusionOutput(logits, losses), y), expected.mean())
    torch.testing.assert_close(loss(FusionOutput(logits, losses), y, weights), (expected * weights).sum() / 2)
    replaced = FusionOutput(logits, {"classification": torch.zeros(2, 2)})
    assert loss(replaced, y).item() == 0


def test_losses_of_batches_average_to_the_weighted_mean(rng):
    """Over equal batches the mean of the losses is the weighted mean over all samples."""
    weights = rng.random(40) * 5
    X = ModalityDict({"a": rng.normal(size=(40, 3))})
    inputs = make_inputs(Schema.of(X), ("a",), standardize=False)
    data = ModalityBatches(X, inputs, y=np.arange(40) % 2, weights=weights, dtype=np.float64)
    with seeded_init(0):
        module = _Linear().double()

    def loss(rows):
        batch, y = data[rows]
        return FusionLoss()(module(batch.inputs, batch.present), y, batch.weights).item()

    single = np.array([loss(slice(i, i + 1)) for i in range(40)]) * weights.mean() / weights
    parts = [loss(slice(start, start + 10)) for start in range(0, 40, 10)]
    assert np.mean(parts) == pytest.approx(np.average(single, weights=weights))


def test_training_learns_and_records(data):
    """The loss falls; the history has an epoch a row with losses, accuracy, time and scores."""
    net = _net(callbacks=[EpochScoring("f1_macro", name="f1", lower_is_better=False)])
    train(net, *data, seed=0, epochs=12)
    history = history_frame(net)

    assert list(history)[:4] == ["epoch", "train_loss", "valid_loss", "valid_accuracy"]
    assert set(list(history)[4:]) == {"duration", "f1"}
    assert history["epoch"].tolist() == list(range(1, 13))
    assert history["train_loss"].iloc[-1] < 0.5 * history["train_loss"].iloc[0]
    assert history["valid_accuracy"].iloc[-1] >= 0.9
    predicted = forward_batches(net, data[1], lambda output: output.logits, 7).argmax(axis=1)
    assert history["valid_accuracy"].iloc[-1] == (predicted == data[1].y).mean()


def test_scores_without_a_cache(data):
    """A score that predicts anew gets the samples in the order of their labels, in training data too."""

    def accuracy(net, batches, y=None):
        return float((net.predict(batches) == batches.y).mean())

    scores = [
        EpochScoring(accuracy, name=f"again_{part}", on_train=on_train, use_caching=False)
        for part, on_train in (("train", True), ("valid", False))
    ]
    net = _net(callbacks=scores)
    train(net, *data, seed=0, epochs=12)
    history = history_frame(net)

    assert history["again_train"].iloc[-1] > 0.9
    assert history["again_valid"].tolist() == history["valid_accuracy"].tolist()


def test_training_goes_on_as_if_it_had_not_stopped_for_a_pickle(data):
    """A net that was pickled between two trainings becomes the same as one that was not."""
    kept, pickled = _net(p=0.5), _net(p=0.5)
    for epochs in (2, 3):
        train(kept, data[0], seed=5, epochs=epochs)
        pickled = pickle.loads(pickle.dumps(pickled))
        train(pickled, data[0], seed=5, epochs=epochs)

    assert torch.equal(_weights(kept), _weights(pickled))
    assert len(kept.history) == 5


def test_seeds_fix_order_and_dropout(data):
    """The same seed gives the same weights, another one others, and nothing is drawn from global states."""
    state = torch.get_rng_state(), np.random.get_state()[1].tolist()
    results = []
    for seed in (1, 1, 2):
        net = _net(p=0.5)
        train(net, data[0], seed=seed, epochs=2)
        results.append(_weights(net))

    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])
    assert torch.equal(torch.get_rng_state(), state[0])
    assert np.random.get_state()[1].tolist() == state[1]


def test_nothing_of_the_training_stays_in_the_net(data):
    """After training the net holds no data and no generator, and is in evaluation mode."""
    net = _net(p=0.5, modality_dropout=0.5)
    train(net, *data, seed=0, epochs=1, callbacks=[FiniteLoss()])

    assert net.train_split is None
    assert net.noise_ is None
    assert net.module_.dropout.noise.generator is None
    assert not net.module_.training
    assert "FiniteLoss" not in dict(net.callbacks_)


def test_modality_dropout_is_for_training_only(data):
    """In training modalities go missing, one of a sample staying; in validation none does."""
    net = _net(modality_dropout=0.9)
    train(net, data[0], seed=0, epochs=2)
    seen = torch.cat(net.module_.seen)
    net.module_.seen.clear()
    forward_batches(net, data[1], lambda output: output.logits, 16)

    assert seen.any(dim=1).all()
    assert seen.float().mean() < 0.7
    assert torch.cat(net.module_.seen)[:10].all()


def test_best_weights_are_a_copy(data):
    """The weights with the lowest validation loss come back; the patience is kept."""
    recorded = {}

    class Keep(FiniteLoss):
        """Remember the weights of each epoch."""

        def on_epoch_end(self, net, **kwargs):
            """Copy them."""
            recorded[net.history[-1, "epoch"]] = _weights(net)

    net, best = _net(lr=3.0), BestWeights(patience=4, tol=0.0)
    train(net, *data, seed=0, epochs=60, callbacks=[Keep(), best])
    history = history_frame(net)

    assert best.best_epoch_ == history["valid_loss"].idxmin() + 1
    assert best.best_epoch_ < len(history)
    assert len(history) == 60 or len(history) == best.best_epoch_ + 4
    assert torch.equal(_weights(net), recorded[best.best_epoch_])
    assert not torch.equal(_weights(net), recorded[len(history)])


def test_progress_below_the_tolerance_is_none(data):
    """With a tolerance no epoch reaches, training ends after the patience."""
    net = _net(lr=1e-3)
    train(net, *data, seed=0, epochs=50, callbacks=[BestWeights(patience=3, tol=10.0)])

    assert len(net.history) == 4


def test_divergence_is_an_error(data):
    """A loss that is no number stops the training with advice."""
    net = _net(optimizer="sgd", lr=1e308)

    with pytest.raises(ValueError, match=r"Training diverged: the loss of epoch \d is (nan|inf). Lower lr"):
        train(net, data[0], seed=0, epochs=10, callbacks=[FiniteLoss()])


def test_the_bar_is_written_to_standard_error(data, capsys):
    """The bar shows epochs and losses; without it nothing is written at all."""
    train(_net(), *data, seed=0, epochs=2, callbacks=[Progress()])
    shown = capsys.readouterr()
    train(_net(), *data, seed=0, epochs=2)
    silent = capsys.readouterr()

    assert "epochs" in shown.err
    assert "valid_loss" in shown.err
    assert shown.out == silent.out == silent.err == ""


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", torch.optim.RMSprop])
def test_optimizers(data, optimizer):
    """Each optimizer gets its learning rate and L2 penalty, and lowers the loss."""
    net = _net(optimizer=optimizer, lr=0.02, weight_decay=0.01)
    train(net, data[0], seed=0, epochs=5)
    (group,) = net.optimizer_.param_groups

    assert group["lr"] == 0.02
    assert group["weight_decay"] == 0.01
    assert net.history[-1, "train_loss"] < net.history[0, "train_loss"]


def test_bfloat16_keeps_weights_in_float32(data):
    """Layers compute in bfloat16; weights and what is handed out are float32."""
    with seeded_init(0):
        module = _Linear()
    options = {"optimizer": "adam", "lr": 0.1, "weight_decay": 0, "callbacks": [], "device": "cpu"}
    net = make_net(module, n_classes=2, precision="bfloat16", **options)
    net.batch_size = 8
    data[0].dtype = data[1].dtype = np.float32
    train(net, data[0], seed=0, epochs=8)

    assert _weights(net).dtype == torch.float32
    assert forward_batches(net, data[1], lambda output: output.logits, 4).dtype == np.float32
    assert net.history[-1, "train_loss"] < net.history[0, "train_loss"]


def test_what_is_read_may_be_a_dict(data):
    """Several outputs are read in one pass, over all samples."""
    net = _net()
    train(net, data[0], seed=0, epochs=1)

    out = forward_batches(net, data[1], lambda output: {"z": output.fused, "p": output.logits}, 3)

    assert out["z"].shape == (10, 3)
    np.testing.assert_array_equal(out["p"], forward_batches(net, data[1], lambda o: o.logits, 100))


def test_callbacks_are_copied():
    """A copy has lists of its own, and shares what a user has to keep: trials, writers, classes."""

    class Recorder(FiniteLoss):
        """Hold a list and a resource."""

        def __init__(self, resource):
            self.resource = resource
            self.seen = []

    resource = object()
    given = [Recorder(resource), ("named", Recorder(resource)), FiniteLoss]

    copies = copy_callbacks(given)
    copies[0].seen.append(1)
    copies[1][1].new_ = True

    assert given[0].seen == []
    assert copies[0].resource is copies[1][1].resource is resource
    assert not hasattr(given[1][1], "new_")
    assert copies[1][0] == "named"
    assert copies[2] is FiniteLoss
    assert copy_callbacks(None) == []


def test_devices():
    """A device that is there is taken; one that is not is refused with what to do."""
    assert resolve_device("cpu") == "cpu"
    assert resolve_device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="device='cuda' needs a CUDA device.*device='auto'"):
            resolve_device("cuda")


class _Mean(torch.nn.Module):
    """A network without classes: it learns one number, and returns its own loss."""

    def __init__(self):
        super().__init__()
        self.level = torch.nn.Parameter(torch.zeros(1))

    def forward(self, inputs, present):
        """Return the number, and its squared distance from a column."""
        return FusionOutput(
            self.level.expand(len(present), 1), {"squares": (inputs["a"][:, 0] - self.level) ** 2}
        )


def test_a_network_without_classes_learns_from_its_own_losses(data):
    """Where there are no classes, the loss is that which the network returns, and no accuracy is recorded."""
    net = make_net(
        _Mean(),
        n_classes=None,
        optimizer="sgd",
        lr=0.1,
        weight_decay=0.0,
        callbacks=[],
        device="cpu",
        precision="float64",
    )
    batches, valid = data
    net.batch_size = len(batches)
    train(net, batches, valid, seed=0, epochs=100)
    column = np.asarray(batches.X["a"])[:, 0]

    np.testing.assert_allclose(net.module_.level.item(), column[:30].mean(), rtol=1e-6)
    history = history_frame(net)
    assert list(history) == ["epoch", "train_loss", "valid_loss", "duration"]
    expected = np.square(column[30:] - column[:30].mean()).mean()
    np.testing.assert_allclose(history["valid_loss"].iloc[-1], expected, rtol=1e-6)
