"""Batches as slices: one read a modality a batch, never a Python call a sample."""

import math

import numpy as np
import torch

from skmm._training._inputs import check_values, fast_rows
from skmm.containers import read_rows
from skmm.nn import Bag


def resolve_batch_size(batch_size, n_samples):
    """Number of samples of a step.

    Parameters
    ----------
    batch_size : int or "auto"
        A number, -1 for all, or "auto" for twice the square root of all, within 8 and 256.
    n_samples : int
        Number of training samples.

    Returns
    -------
    int
        How many at most.
    """
    if batch_size == "auto":
        return int(min(256, max(8, 2 * n_samples**0.5)))
    return n_samples if batch_size == -1 else int(batch_size)


def batches_for(net, X, inputs, **options):
    """Samples as batches on the device of a net and in its precision.

    Parameters
    ----------
    net : skorch.NeuralNet
        Initialized.
    X : ModalityDict
        The data.
    inputs : dict of str -> input
        As `make_inputs` gives them, fitted.
    **options : dict
        Parameters of `ModalityBatches`.

    Returns
    -------
    ModalityBatches
        The batches.
    """
    weight = next(net.module_.parameters())
    dtype = np.float64 if weight.dtype.itemsize == 8 else np.float32
    return ModalityBatches(X, inputs, dtype=dtype, device=weight.device, **options)


class Batch:
    """What a network sees of some samples: its length is their number.

    Parameters
    ----------
    inputs : dict of str -> Tensor or Bag
        Modalities; the first axis of a tensor is the batch.
    present : Tensor of bool of shape (batch, n_modalities)
        True where a modality was observed.
    weights : Tensor of shape (batch,) or None
        Sample weights with mean 1 over the data set; None where all are equal.
    """

    def __init__(self, inputs, present, weights=None):
        self.inputs = inputs
        self.present = present
        self.weights = weights

    def __len__(self):
        return len(self.present)

    def padded(self, multiple):
        """The batch, with samples that have no modality added up to a multiple of a number."""
        extra = -len(self) % multiple
        if not extra:
            return self
        inputs = {name: _extended(value, extra) for name, value in self.inputs.items()}
        return Batch(inputs, _extended(self.present, extra))


def _extended(value, extra):
    """A modality with ``extra`` samples more: zeros, or bags without instances."""
    if isinstance(value, Bag):
        return Bag(value.values, torch.cat([value.offsets, value.offsets[-1:].expand(extra)]))
    return torch.cat([value, value.new_zeros(extra, *value.shape[1:])])


class ModalityBatches(torch.utils.data.Dataset):
    """Samples of a ModalityDict as a data set of torch that is indexed by many rows at once.

    Parameters
    ----------
    X : ModalityDict
        The data.
    inputs : dict of str -> object
        Fitted inputs, in the order of the network's modalities.
    rows : ndarray of int of shape (n_rows,), default=None
        Rows of ``X``; None for all.
    y : ndarray of int of shape (n_rows,), default=None
        Class of each row.
    weights : ndarray of float of shape (n_rows,), default=None
        Weight of each row.
    dtype : numpy dtype, default=float32
        Type of the arrays.
    device : torch.device, default=None
        Where batches go: the CPU.
    shuffle : numpy.random.Generator, default=None
        Where the order of an epoch comes from; None keeps that of ``rows``.
    checked : bool, default=False
        Whether infinities and NaN were looked for already.
    """

    def __init__(
        self,
        X,
        inputs,
        *,
        rows=None,
        y=None,
        weights=None,
        dtype=np.float32,
        device=None,
        shuffle=None,
        checked=False,
    ):
        self.X = X
        self.inputs = inputs
        self.rows = np.arange(len(X)) if rows is None else rows
        self.y = np.zeros(len(self.rows), dtype=np.int64) if y is None else y
        self.dtype = dtype
        self.device = device
        self.shuffle = shuffle
        self.checked = checked
        equal = weights is None or not len(weights) or (weights == weights[0]).all()
        # With mean 1, the mean of a batch's weighted losses estimates the weighted mean of all: a batch of
        # light samples moves the network less than one of heavy samples.
        self.weights = None if equal else np.asarray(weights / weights.mean(), dtype=dtype)
        self._values = {name: fast_rows(X[name], name) for name in inputs}
        columns = [X.modalities.index(name) for name in inputs]
        self._present = X.present[np.ix_(self.rows, columns)]

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        """A batch and its labels, on the device; ``index`` is a slice or an int array of positions."""
        rows, present = self.rows[index], self._present[index]
        tensors = {
            name: self._tensor(name, entry, rows, np.ascontiguousarray(here))
            for (name, entry), here in zip(self.inputs.items(), present.T, strict=True)
        }
        weights = None if self.weights is None else self._to_device(self.weights[index])
        batch = Batch(tensors, self._to_device(present), weights)
        return batch, self._to_device(self.y[index])

    def _tensor(self, name, entry, rows, present):
        """One modality of a batch."""
        value = read_rows(self._values[name], rows)
        if not self.checked:
            value = check_values(value, self.X.kinds[name], present, name, rows)
        array = entry(value, present, self.dtype)
        if isinstance(array, tuple):
            return Bag(*(torch.from_numpy(part).to(self.device) for part in array))
        return torch.from_numpy(array).to(self.device)

    def _to_device(self, array):
        """A copy on the device: what came in may be read-only."""
        return torch.from_numpy(np.array(array)).to(self.device)


class BatchIterator:
    """Batches of an epoch, of equal sizes up to one sample; the iterator that skorch calls.

    Parameters
    ----------
    dataset : ModalityBatches
        The samples.
    batch_size : int
        Largest number of samples of a batch.
    shuffle : bool, default=False
        Whether to follow the order that the data set's generator gives.
    """

    def __init__(self, dataset, batch_size, *, shuffle=False):
        self.dataset = dataset
        self.batch_size = batch_size
        self.shuffle = shuffle
        self._whole = None

    def __len__(self):
        return math.ceil(len(self.dataset) / self.batch_size)

    def __iter__(self):
        n_samples, n_batches = len(self.dataset), len(self)
        if n_batches == 1:  # the same batch every epoch: made once
            if self._whole is None:
                self._whole = self.dataset[np.arange(n_samples)]
            yield self._whole
            return
        shuffle = self.dataset.shuffle if self.shuffle else None
        order = np.arange(n_samples) if shuffle is None else shuffle.permutation(n_samples)
        for rows in np.array_split(order, n_batches):
            yield self.dataset[rows]
