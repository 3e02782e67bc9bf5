"""Bags of vectors as pooling takes them: checked, and read a part at a time."""

from collections.abc import Mapping

import numpy as np

from skmm.containers import check_finite, read_rows, validate_modalities

BAGS = "bags"  # the name of the one modality, in messages
_VALUES = 1 << 22  # numbers of instances that are read at once


def _not_bags(name, got):
    """An error that says what is taken."""
    return ValueError(
        f"{name} pools bags of vectors: a BagArray, or a sequence of arrays (n_instances, n_features). "
        f"Got {got}. In a dict of modalities, ModalityTransformer applies it to one of them."
    )


def validate_bags(estimator, X, *, reset):
    """What was handed to a pooling, as a ModalityDict of one bag modality; sets ``n_features_in_``.

    Raises
    ------
    ValueError
        If it is no sequence of bags, its instances are not vectors, or their width is not that of fit.
    """
    name = type(estimator).__name__
    if isinstance(X, Mapping) or len(getattr(X, "shape", ())) == 2:
        got = "a mapping" if isinstance(X, Mapping) else f"one table of shape {X.shape}"
        raise _not_bags(name, f"{got} instead")
    X = validate_modalities(estimator, {BAGS: X}, reset=reset, kinds={BAGS: "bag"}, accept=("bag",))
    shape = X[BAGS].instance_shape
    if len(shape) != 1:
        raise _not_bags(name, f"instances of shape {shape} instead: embed them first")
    if reset:
        estimator.n_features_in_ = shape[0]
    return X


def float_type(dtype):
    """The type of pooled vectors: that of the instances, float32 at least, float64 for integers."""
    return np.dtype(np.float32 if dtype in (np.float16, np.float32) else np.float64)


def bag_parts(X, rows):
    """Consecutive parts of rows whose bags take some memory at most, or are a single one."""
    sizes = np.cumsum(X[BAGS].lengths[rows] * X[BAGS].instance_shape[0])
    start = 0
    while start < len(rows):
        before = sizes[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(sizes, before + _VALUES, side="right")))
        yield rows[start:stop]
        start = stop


def read_bags(X, rows):
    """Bags of some rows, all present, in memory: none has an infinity or is partly NaN."""
    bags = read_rows(X[BAGS], rows)
    owners = np.repeat(rows, bags.lengths)
    check_finite(bags.values, np.ones(len(owners), dtype=bool), BAGS, owners, in_bags=True)
    return bags
