"""Training a net, and running it."""

import numpy as np
import pandas as pd
import torch
from skorch.helper import predefined_split

from skmm._training._batches import BatchIterator
from skmm._training._random import stream, torch_stream
from skmm.nn import NoiseSource, NoisyModule

# Matrix products of few rows, or of a remainder of rows, sum in another order than others: in whole blocks a
# sample has the same answer alone and in company, for all but the smallest networks to the last bit.
PADDED = 16
_SHUFFLE, _DROPOUT, _MODALITIES = range(1, 4)  # independent streams of one seed


def resolve_device(device):
    """The device that a parameter asks for.

    Parameters
    ----------
    device : str
        "cpu", "cuda", "cuda:1" or "auto" (CUDA where there is one).

    Returns
    -------
    str
        A device that is there.
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError(
            f"device={device!r} needs a CUDA device, and torch finds none. Use device='auto' or 'cpu'."
        )
    try:
        torch.zeros(1, device=device).cpu()
    except (RuntimeError, AssertionError, NotImplementedError) as error:  # as torch refuses devices
        raise ValueError(
            f"device={device!r} is not a device that torch can use here. Use 'cpu', 'cuda' or 'auto'."
        ) from error
    return device


def train(net, data, valid=None, *, seed, epochs, groups=None, callbacks=()):
    """Train a net for some epochs more.

    Parameters
    ----------
    net : Net
        Initialized; its weights and history go on from where they are.
    data : ModalityBatches
        What to train on.
    valid : ModalityBatches, default=None
        What to validate on after each epoch.
    seed : int
        Fixes order, dropout and modality dropout, together with the number of epochs that the net has behind
        it: so a net goes on in the same way whether or not it was pickled in between.
    epochs : int
        How many.
    groups : ndarray of int of shape (n_rows,), default=None
        Rows with the same number share their noise; for full batches only.
    callbacks : sequence of Callback, default=()
        Callbacks of this training alone; they come after those of the net.
    """
    done = len(net.history)
    device = data.device
    groups = None if groups is None else torch.from_numpy(groups).to(device)

    def noise(purpose):
        return NoiseSource(torch_stream(seed, purpose, done, device=device), groups)

    source, net.noise_ = noise(_DROPOUT), noise(_MODALITIES)
    if len(data) > net.batch_size:
        data.shuffle = stream(seed, _SHUFFLE, done)
    noisy = [module for module in net.module_.modules() if isinstance(module, NoisyModule)]
    for module in noisy:
        module.noise = source
    net.max_epochs = epochs
    permanent = net.callbacks_
    net.callbacks_ = [
        *permanent,
        *((type(callback).__name__, callback.initialize()) for callback in callbacks),
    ]
    net.train_split = None if valid is None else predefined_split(valid)
    try:
        net.partial_fit(data, None)
    finally:
        # Generators, and the data that the split holds, live no longer than the training.
        net.train_split, net.noise_, net.callbacks_ = None, None, permanent
        for module in noisy:
            module.noise = NoiseSource()
        net.module_.eval()


def forward_batches(net, data, read, batch_size, **options):
    """Run a net over a data set without training.

    Parameters
    ----------
    net : Net
        Trained.
    data : ModalityBatches
        What to run it on.
    read : callable
        From a FusionOutput to a tensor, or a dict of tensors, whose first axis is the batch.
    batch_size : int
        Samples at a time, in whole blocks of which there is one at least.
    **options
        For the network's ``forward``, besides inputs and presence.

    Returns
    -------
    ndarray or dict of str -> ndarray
        What was read, for all samples.
    """
    if net.module_.training:
        net.module_.eval()
    parts = []
    with torch.inference_mode():
        for batch, _ in BatchIterator(data, max(batch_size // PADDED, 1) * PADDED):
            parts.append(_to_numpy(read(net.infer(batch.padded(PADDED), **options)), len(batch)))
    if isinstance(parts[0], dict):
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return np.concatenate(parts)


def _to_numpy(value, n_samples):
    """The first samples of tensors as arrays; those of bfloat16, which NumPy lacks, as float32."""
    if isinstance(value, dict):
        return {name: _to_numpy(part, n_samples) for name, part in value.items()}
    value = value.float() if value.dtype is torch.bfloat16 else value
    return value[:n_samples].cpu().numpy()


def history_frame(net):
    """What a net recorded, as a table.

    Parameters
    ----------
    net : Net
        Trained.

    Returns
    -------
    DataFrame
        One row an epoch: "epoch", "train_loss", with validation "valid_loss" and "valid_accuracy", "duration"
        in seconds, and the scores that callbacks added.
    """
    rows = [
        {
            name: value
            for name, value in row.items()
            if name != "batches" and not name.endswith(("_best", "_batch_count"))
        }
        for row in net.history
    ]
    frame = pd.DataFrame(rows).rename(columns={"dur": "duration"})
    first = [name for name in ("epoch", "train_loss", "valid_loss", "valid_accuracy") if name in frame]
    return frame[[*first, *(name for name in frame if name not in first)]]
