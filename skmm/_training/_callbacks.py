"""Callbacks of our own, and copies of the user's."""

import copy

import numpy as np
from skorch.callbacks import Callback
from tqdm.auto import tqdm


def _copy_callback(callback):
    """A copy of a callback that shares nothing it would change in place.

    NOTE[DIFF] Not a deep copy: a callback may hold an Optuna trial, a writer or a lock, which have to stay
    the user's own (a copied trial reports to a copied study, and prunes nothing).
    """
    if isinstance(callback, type):
        return callback
    copied = copy.copy(callback)
    for name, value in vars(copied).items():
        if isinstance(value, (list, dict, set, np.ndarray)):
            setattr(copied, name, copy.copy(value))
    return copied


def copy_callbacks(callbacks):
    """Copies of a user's callbacks, so that a fit leaves his as they were.

    Parameters
    ----------
    callbacks : list or None
        skorch callbacks, their classes, or (name, callback) pairs.

    Returns
    -------
    list
        Copies, as they were given.
    """
    copies = []
    for entry in callbacks or []:
        named = isinstance(entry, tuple) and len(entry) == 2
        callback = entry[1] if named else entry
        if not hasattr(callback, "on_train_begin"):
            raise ValueError(
                "callbacks must be skorch callbacks, their classes or (name, callback) pairs. "
                f"Got {entry!r} instead."
            )
        copied = _copy_callback(callback)
        copies.append((entry[0], copied) if named else copied)
    return copies


class FiniteLoss(Callback):
    """Stop with an error where training diverges: a network of NaN predicts nothing."""

    def on_train_end(self, net, **kwargs):
        """Look at the loss of an epoch that another callback made the last one."""
        if "train_loss" in net.history[-1]:
            self.on_epoch_end(net)

    def on_epoch_end(self, net, **kwargs):
        """Look at the loss of the epoch."""
        loss = net.history[-1, "train_loss"]
        if not np.isfinite(loss):
            raise ValueError(
                f"Training diverged: the loss of epoch {net.history[-1, 'epoch']} is {loss}. "
                "Lower lr, use standardize=True, or look for extreme values."
            )


class BestWeights(Callback):
    """Stop when the validation loss no longer falls, and go back to the weights with which it was lowest.

    NOTE[DIFF] The original system stored the model itself as the best one, an alias of what was trained on,
    and so always kept the last epoch; here the weights are copied.

    Parameters
    ----------
    patience : int
        Epochs without progress before training stops.
    tol : float
        What counts as progress: a loss lower than the best before by more than this.
    """

    def __init__(self, patience, tol):
        self.patience = patience
        self.tol = tol

    def on_train_begin(self, net, **kwargs):
        """Forget what an earlier training found."""
        self.best_epoch_ = self._looked_at = None
        self._lowest = np.inf
        self._misses = 0
        self._state = None

    def on_epoch_end(self, net, **kwargs):
        """Compare with the best epoch so far."""
        self._look(net)
        if self._misses >= self.patience:
            raise KeyboardInterrupt  # how skorch's callbacks end a training

    def _look(self, net):
        """Keep the weights of the last epoch if its loss is the lowest."""
        self._looked_at = net.history[-1, "epoch"]
        loss = net.history[-1, "valid_loss"]
        self._misses = 0 if loss < self._lowest - self.tol else self._misses + 1
        if loss < self._lowest:
            self._lowest = loss
            self.best_epoch_ = net.history[-1, "epoch"]
            self._state = copy.deepcopy(net.module_.state_dict())

    def on_train_end(self, net, **kwargs):
        """Go back to the best weights."""
        # Another callback that ends the training keeps this one from seeing the last epoch.
        if "valid_loss" in net.history[-1] and net.history[-1, "epoch"] != self._looked_at:
            self._look(net)
        if self._state is not None:
            net.module_.load_state_dict(self._state)
        self._state = None


class Progress(Callback):
    """A bar over the epochs, with the last losses."""

    def on_train_begin(self, net, **kwargs):
        """Open the bar."""
        self._bar = tqdm(total=net.max_epochs, desc="epochs", leave=False)

    def on_epoch_end(self, net, **kwargs):
        """One epoch further."""
        row = net.history[-1]
        self._bar.set_postfix(
            {name: f"{row[name]:.4f}" for name in ("train_loss", "valid_loss") if name in row}
        )
        self._bar.update()

    def on_train_end(self, net, **kwargs):
        """Close the bar."""
        self._bar.close()
        del self._bar
