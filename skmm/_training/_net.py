"""The skorch net that trains every network here: skorch's loop and callbacks, our batches and loss."""

import inspect

import torch
from skorch import NeuralNetClassifier
from skorch.callbacks import EpochScoring, EpochTimer, PassthroughScoring
from skorch.dataset import unpack_data
from torch import nn

from skmm._training._batches import BatchIterator
from skmm.nn import FusionOutput, drop_modalities

OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}


class FusionLoss(nn.Module):
    """Weighted mean over samples of the cross-entropy and of every loss that the network returns."""

    def forward(self, output, y, weights=None):
        """The loss of a batch, a scalar."""
        terms = dict(output.losses)
        if "classification" not in terms:
            terms["classification"] = -torch.log_softmax(output.logits, dim=1)
        # Losses by possible true class are summed before the true one is taken: one gather instead of many.
        by_class = sum(loss for loss in terms.values() if loss.ndim == 2)  # (batch, n_classes)
        total = sum((loss for loss in terms.values() if loss.ndim < 2), by_class.gather(1, y[:, None])[:, 0])
        return (total if weights is None else total * weights).mean()


class OwnLosses(nn.Module):
    """Weighted mean over samples of every loss that a network without classes returns."""

    def forward(self, output, y, weights=None):
        """The loss of a batch, a scalar."""
        del y
        total = sum(output.losses.values())
        return (total if weights is None else total * weights).mean()


def softmax64(logits):
    """Probabilities in float64, whatever the precision of the logits."""
    return torch.softmax(logits.double(), dim=1)


class Net(NeuralNetClassifier):
    """A skorch net over `ModalityBatches`, whose network takes ``(inputs, present)``."""

    autocast_ = False  # whether layers compute in bfloat16
    modality_dropout_ = 0.0  # share of modalities that a training step leaves out
    noise_ = None  # where their choice comes from, while training

    @property
    def _default_callbacks(self):
        """skorch's own, without its table on the standard output, the score with its full name."""
        return [
            ("epoch_timer", EpochTimer()),
            ("train_loss", PassthroughScoring(name="train_loss", on_train=True)),
            ("valid_loss", PassthroughScoring(name="valid_loss")),
            ("valid_accuracy", EpochScoring("accuracy", name="valid_accuracy", lower_is_better=False)),
        ]

    def _set_training(self, training=True):
        """Switch between training and evaluation, where that is a change: it visits every layer."""
        if self.module_.training != training:
            self.module_.train(training)

    def infer(self, x, **fit_params):
        """All outputs of the network for a batch."""
        present = x.present
        if self.module_.training and self.modality_dropout_:
            present = drop_modalities(present, self.modality_dropout_, self.noise_)
        with torch.autocast(present.device.type, dtype=torch.bfloat16, enabled=self.autocast_):
            output = self.module_(x.inputs, present, **fit_params)
        return FusionOutput(*output) if isinstance(output, tuple) else FusionOutput(output)

    def train_step_single(self, batch, **fit_params):
        """Loss and gradients of a batch; callbacks get the logits without their graph."""
        self._set_training(True)
        x, y = unpack_data(batch)
        output = self.infer(x, **fit_params)
        loss = self.get_loss(output, y, X=x, training=True)
        loss.backward()
        return {"loss": loss, "y_pred": output.logits.detach()}

    def validation_step(self, batch, **fit_params):
        """Loss of a batch without training."""
        self._set_training(False)
        x, y = unpack_data(batch)
        with torch.no_grad():
            output = self.infer(x, **fit_params)
            loss = self.get_loss(output, y, X=x, training=False)
        return {"loss": loss, "y_pred": output.logits}

    def evaluation_step(self, batch, training=False):
        """Logits of a batch, for scores that callbacks compute."""
        x, _ = unpack_data(batch)
        with torch.set_grad_enabled(training):
            self._set_training(training)
            return self.infer(x).logits

    def get_loss(self, y_pred, y_true, X=None, training=False):
        """The loss of all outputs of the network for a batch."""
        del training
        return self.criterion_(y_pred, y_true, X.weights)


def _optimizer_options(optimizer, options):
    """The class of an optimizer, and those of the options that it takes."""
    optimizer = OPTIMIZERS.get(optimizer, optimizer)
    known = inspect.signature(optimizer).parameters
    return optimizer, {f"optimizer__{name}": value for name, value in options.items() if name in known}


def _slower_parts(module, lr):
    """Parameter groups of skorch for the parts of a network that ask for a share of the learning rate."""
    shares = getattr(module, "lr_shares", {})
    if not shares:
        return {}
    groups = [(pattern, {"lr": lr * share, "lr_share": share}) for pattern, share in shares.items()]
    return {"optimizer__param_groups": groups}


def make_net(
    module,
    *,
    n_classes,
    optimizer,
    lr,
    weight_decay,
    device,
    precision,
    callbacks=(),
    modality_dropout=0.0,
):
    """A net around a network, ready to train.

    Parameters
    ----------
    module : torch.nn.Module
        The network, initialized. ``lr_shares``, a dict of patterns of parameter names, where it has one, says
        which share of ``lr`` they learn with.
    n_classes : int or None
        Number of classes; None for a network that predicts no class, which learns from its own losses alone.
    optimizer : str or type
        Key of `OPTIMIZERS`, or a class of torch's optimizers.
    lr, weight_decay : float
        Learning rate and L2 penalty of the optimizer.
    device : str
        Where to train.
    precision : str
        "float32", "float64" or "bfloat16".
    callbacks : sequence, default=()
        skorch callbacks, which belong to the net from here on.
    modality_dropout : float, default=0.0
        Share of modalities that a training step leaves out.

    Returns
    -------
    Net
        Initialized.
    """
    # One fused kernel for all parameters: a foreach loop over them costs a quarter of a small net's step.
    optimizer, optimizer_options = _optimizer_options(
        optimizer, {"weight_decay": weight_decay, "fused": True}
    )
    module = module.to(device=device, dtype=torch.float64 if precision == "float64" else torch.float32)
    net = Net(
        module=module,
        criterion=FusionLoss if n_classes else OwnLosses,
        optimizer=optimizer,
        lr=lr,
        iterator_train=BatchIterator,
        iterator_train__shuffle=True,
        iterator_valid=BatchIterator,
        train_split=None,
        callbacks=list(callbacks),
        predict_nonlinearity=softmax64,
        verbose=0,
        device=device,
        classes=list(range(n_classes or 1)),
        **({} if n_classes else {"callbacks__valid_accuracy": None}),
        **optimizer_options,
        **_slower_parts(module, lr),
    ).initialize()
    net.autocast_ = precision == "bfloat16"
    net.modality_dropout_ = modality_dropout
    net.module = type(module)  # `module_` holds the weights; a second copy would be pickled
    return net
