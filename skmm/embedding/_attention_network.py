"""The network of AttentionPooling: attention over instances, and a linear classifier that teaches it."""

import numpy as np
import torch
from torch import nn

from skmm._training import (
    batches_for,
    class_factors,
    make_inputs,
    net_of,
    resolve_batch_size,
    scan_inputs,
    split_validation,
    train_as_told,
    training_order,
)
from skmm._training._fit import PADDED
from skmm._training._random import stream
from skmm.embedding._bags import BAGS, bag_parts, float_type, read_bags
from skmm.nn import BagAttentionPooling, Dropout, FusionOutput, segment_sum, xavier_linear


class AttentionModule(nn.Module):
    """Attention pooling of the one modality, then dropout and an affine map to the classes."""

    def __init__(self, width, n_classes, *, hidden, attention, n_heads, dropout):
        super().__init__()
        self.pooling = BagAttentionPooling(
            width, hidden, attention=attention, n_heads=n_heads, dropout=dropout
        )
        self.dropout = Dropout(dropout)
        self.classifier = xavier_linear(self.pooling.out_width, n_classes)

    def forward(self, inputs, present):
        """Logits, and the weights of all instances."""
        del present  # a sample without a bag is never shown
        pooled, weights = self.pooling(inputs[BAGS])
        logits = self.classifier(self.dropout(pooled))
        return FusionOutput(logits, informativeness={"weights": weights}, fused=pooled)


class FittedAttention:
    """A trained network with the inputs that standardize for it."""

    def __init__(self, net, inputs, best_epoch):
        self.net = net
        self.inputs = inputs
        self.best_epoch = best_epoch

    def parts(self, X, rows):
        """For each part of rows: the rows, their bags in memory, and the weights of the instances."""
        for part in bag_parts(X, rows):
            bags = read_bags(X, part)
            here = type(X)({BAGS: bags}, kinds={BAGS: "bag"})
            batch, _ = batches_for(self.net, here, self.inputs, checked=True)[:]
            with torch.inference_mode():
                found = self.net.infer(batch.padded(PADDED)).informativeness["weights"]
            yield part, bags, found.cpu().numpy()

    def pool(self, X, rows, out):
        """Write the weighted means of bags of instances, in their own units, to rows of ``out``."""
        for part, bags, weights in self.parts(X, rows):
            values = np.asarray(bags.values, dtype=float_type(bags.dtype))
            tensors = (np.array(array) for array in (values, bags.offsets, weights.astype(values.dtype)))
            with torch.inference_mode():
                out[part] = segment_sum(*map(torch.from_numpy, tensors)).flatten(1).numpy()


def train_attention(estimator, X, rows, codes, weights, groups, *, n_classes, seed, verbose=0):
    """Train a network on some rows.

    Parameters
    ----------
    estimator : AttentionPooling
        The parameters.
    X : ModalityDict
        Bags of vectors.
    rows : ndarray of int of shape (n_rows,)
        Rows of ``X``, all of which have a bag.
    codes, weights, groups : ndarray of shape (n_rows,), or None for groups
        Class, weight and group of each of the rows.
    n_classes : int
        Number of classes there are, also of those that no row has.
    seed : int
        Fixes all that is random.
    verbose : int, default=0
        Whether to show a bar.

    Returns
    -------
    FittedAttention
        The trained network.
    """
    factored = weights * class_factors(estimator.class_weight, estimator.classes_, codes, weights)
    part, held_out = np.arange(len(rows)), None
    if estimator.early_stopping:
        part, held_out = split_validation(codes, groups, estimator.validation_fraction, stream(seed, 0))
    batch_size = resolve_batch_size(estimator.batch_size, len(part))
    part, same = training_order(X, rows, part, batch_size)
    inputs = make_inputs(estimator.schema_, [BAGS], standardize=bool(estimator.standardize))
    scan_inputs(inputs, X, rows[part], weights[part])

    def make_module():
        return AttentionModule(
            inputs[BAGS].shape[0],
            n_classes,
            hidden=estimator.hidden,
            attention=estimator.attention,
            n_heads=estimator.n_heads,
            dropout=estimator.dropout,
        )

    net = net_of(estimator, make_module, seed, n_classes=n_classes, optimizer=estimator.optimizer)
    net.batch_size = batch_size

    def batches(chosen, *, checked):
        return batches_for(
            net,
            X,
            inputs,
            rows=rows[chosen],
            y=codes[chosen],
            weights=factored[chosen],
            checked=checked,
        )

    best_epoch = train_as_told(
        estimator,
        net,
        batches(part, checked=True),
        None if held_out is None else batches(held_out, checked=False),
        seed=seed,
        groups=same,
        verbose=verbose,
    )
    return FittedAttention(net, inputs, best_epoch)
