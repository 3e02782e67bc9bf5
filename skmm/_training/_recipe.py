"""From an estimator's parameters to a net, and to its training."""

from skmm._training._callbacks import BestWeights, FiniteLoss, Progress
from skmm._training._fit import resolve_device, train
from skmm._training._net import make_net
from skmm._training._random import seeded_init


def net_of(estimator, make_module, seed, **options):
    """The network of an estimator in its net, ready to train, where its parameters want it.

    Parameters
    ----------
    estimator : BaseEstimator
        With ``lr``, ``weight_decay``, ``precision`` and ``device``.
    make_module : callable
        Makes the network; torch's global generator is seeded meanwhile.
    seed : int
        Fixes the initialization.
    **options
        For `make_net`.

    Returns
    -------
    Net
        Initialized.
    """
    device = resolve_device(estimator.device)
    with seeded_init(seed):
        module = make_module()
    return make_net(
        module,
        lr=estimator.lr,
        weight_decay=estimator.weight_decay,
        precision=estimator.precision,
        device=device,
        **options,
    )


def train_as_told(estimator, net, data, valid, *, seed, epochs=None, groups=None, verbose=None):
    """Train a net as an estimator's parameters say; an error where training diverges.

    Parameters
    ----------
    estimator : BaseEstimator
        With ``max_epochs`` and ``verbose``, and ``n_iter_no_change`` and ``tol`` where there is validation.
    net : Net
        Initialized.
    data : ModalityBatches
        What to train on.
    valid : ModalityBatches or None
        What early stopping validates on.
    seed, groups
        As for `train`.
    epochs : int, default=None
        How many; None for the estimator's ``max_epochs``.
    verbose : int, default=None
        Whether to show a bar; None for the estimator's ``verbose``.

    Returns
    -------
    int or None
        The epoch whose weights early stopping restored; None without validation.
    """
    best = None if valid is None else BestWeights(estimator.n_iter_no_change, estimator.tol)
    shown = estimator.verbose if verbose is None else verbose
    train(
        net,
        data,
        valid,
        seed=seed,
        epochs=estimator.max_epochs if epochs is None else epochs,
        groups=groups,
        callbacks=[FiniteLoss(), *filter(None, [best]), *[Progress()] * bool(shown)],
    )
    return None if best is None else best.best_epoch_
