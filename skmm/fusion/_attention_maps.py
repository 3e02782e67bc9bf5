"""Weights of tokens, padded as networks give them, in the form in which users see each modality."""

import math

import numpy as np
import pandas as pd
from torch.nn.functional import pad

from skmm.containers import BagArray


def bag_lengths(X, modalities):
    """Number of instances of each sample in each bag modality; 0 where a sample lacks it."""
    bags = [name for name in modalities if X.kinds[name] == "bag"]
    return {name: np.where(X.is_present(name), X[name].lengths, 0) for name in bags}


def resize(weights, *sizes):
    """Weights, a tensor, whose last axes are cut, or filled up with zeros, to some sizes of 1 or more."""
    changes = [max(1, size) - now for size, now in zip(sizes, weights.shape[-len(sizes) :], strict=True)]
    return pad(weights, [part for change in reversed(changes) for part in (0, change)])


def attention_map(weights, grid, *, lengths=None, columns=None, index=None):
    """Weights of a modality's tokens in the form that `attention_weights` tells.

    Parameters
    ----------
    weights : ndarray of shape (n_samples, ..., n_tokens)
        Weights, with any axes between samples and tokens.
    grid : tuple of int
        How the tokens lie, for a bag those of an instance.
    lengths : ndarray of int of shape (n_samples,), default=None
        Instances of each sample, for a bag; what is beyond them is left out.
    columns : list of str, default=None
        Names of the tokens, for a table.
    index : Index, default=None
        Ids of the samples, for a table.

    Returns
    -------
    DataFrame, ndarray or BagArray
        A table without axes between: a DataFrame. A bag: a BagArray, with ``grid`` and the axes between after
        the instances; instances that are vectors have no grid. Else an array with the tokens on their grid.
    """
    if lengths is not None:
        weights = np.moveaxis(weights, -1, 1)
        real = np.arange(weights.shape[1]) < lengths[:, None] * math.prod(grid)
        grid = grid if len(grid) > 1 else ()
        values = weights[real].reshape(lengths.sum(), *grid, *weights.shape[2:])
        return BagArray(values, np.concatenate([[0], np.cumsum(lengths)]))
    if columns is not None and weights.ndim == 2:
        return pd.DataFrame(weights, index=index, columns=columns)
    return weights.reshape(*weights.shape[:-1], *grid)
