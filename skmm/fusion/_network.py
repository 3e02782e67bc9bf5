"""From an estimator's parameters to a net, and from its rows to batches."""

from math import prod

from skmm._training import copy_callbacks, net_of

_PREDICT_BATCH = 512  # samples of a prediction at a time, at least
_PREDICT_VALUES = 1 << 21  # pixels, or numbers in bags, at a time: a network makes of each some dozen


def build_net(estimator, shapes, seed):
    """The estimator's network in its skorch net, initialized from the seed alone."""
    n_classes = len(estimator.classes_)
    return net_of(
        estimator,
        lambda: estimator._make_module(shapes, n_classes),
        seed,
        n_classes=n_classes,
        optimizer=estimator.optimizer,
        callbacks=copy_callbacks(estimator.callbacks),
        modality_dropout=estimator.modality_dropout,
    )


def resume_net(estimator):
    """Let the net of an earlier fit go on with the estimator's parameters of now."""
    net = estimator.net_
    for group in net.optimizer_.param_groups:
        lr = estimator.lr * group.get("lr_share", 1)
        # Schedulers, also one that the first fit did not have, go on from the initial rate.
        group.update(lr=lr, initial_lr=lr, weight_decay=estimator.weight_decay)
    net.modality_dropout_ = estimator.modality_dropout
    net.callbacks = copy_callbacks(estimator.callbacks)
    net.initialize_callbacks()


def prediction_batch_size(batch_size, inputs, X):
    """Number of samples of a prediction at a time: many, but for large images, volumes or bags."""
    largest = sum(_values_of(entry.shape, X[name], X.kinds[name]) for name, entry in inputs.items())
    return min(max(batch_size, _PREDICT_BATCH), max(_PREDICT_VALUES // max(largest, 1), 1))


def _values_of(shape, value, kind):
    """Numbers that the largest sample has: the pixels of images, none for tables, those of a whole bag."""
    if kind == "bag":  # networks fill up all bags to the size of the largest
        return prod(shape) * int(value.lengths.max(initial=0))
    return prod(shape) if len(shape) > 1 else 0


def any_vector(output):
    """What `transform` gives, or the logits where it gives nothing."""
    return output.logits if output.fused is None else output.fused


def fused_vector(output):
    """The fused vectors in a network's output."""
    if output.fused is None:  # a user's network may classify without one
        raise NotImplementedError("transform needs a network that returns FusionOutput(..., fused=vector).")
    return output.fused
