"""Pruning of Optuna trials by epoch."""

from skorch.callbacks import Callback

from skmm._optional import import_optional


class PruningCallback(Callback):
    """Skorch callback that reports a metric after each epoch and stops unpromising trials of an Optuna study.

    It hands the one trial on to all its copies, so that, unlike optuna-integration's SkorchPruningCallback,
    it works in estimators that scikit-learn clones: a fusion classifier takes it by ``callbacks=[...]``,
    alone or in a Pipeline. A stopped fit raises ``optuna.TrialPruned``: call ``cross_validate`` with
    ``error_score="raise"``, or it would take it for a failed fit.

    Parameters
    ----------
    trial : optuna.Trial
        Where to report.
    monitor : str, default="valid_loss"
        Entry of the net's history. Its direction must be that of the study: "minimize" for a loss.
        "valid_loss" needs a validation split, such as that of ``early_stopping=True``.
    fold : int, default=0
        Number of the fold, so that the epochs of several fits in one trial follow each other: steps are
        fold * max_epochs + epoch.

    Raises
    ------
    ValueError
        In fit, if the history has no such entry.

    Examples
    --------
    >>> import optuna
    >>> from sklearn.base import clone
    >>> from skmm.model_selection import PruningCallback
    >>> study = optuna.create_study()
    >>> callback = PruningCallback(study.ask(), monitor="train_loss")
    >>> clone(callback).trial is callback.trial
    True
    """

    def __init__(self, trial, monitor="valid_loss", fold=0):
        self.trial = trial
        self.monitor = monitor
        self.fold = fold

    def __sklearn_clone__(self):
        """Copy with the same trial, for scikit-learn."""
        return type(self)(self.trial, self.monitor, self.fold)

    def __deepcopy__(self, memo):
        """Copy with the same trial: a copied trial would report to a copied study."""
        return self.__sklearn_clone__()

    def on_epoch_end(self, net, **kwargs):
        """Report, and raise where the trial is to be stopped."""
        optuna = import_optional("optuna", extra="search", who="PruningCallback")
        epoch = len(net.history) - 1
        if self.monitor not in net.history[-1]:
            raise ValueError(
                f"PruningCallback monitors {self.monitor!r}, which is not in the history: "
                f"{sorted(net.history[-1])}. "
                '"valid_loss" needs a validation split (early_stopping=True).'
            )
        self.trial.report(float(net.history[-1, self.monitor]), self.fold * net.max_epochs + epoch)
        if self.trial.should_prune():
            raise optuna.TrialPruned(f"Trial was pruned at epoch {epoch + 1} of fold {self.fold}.")
