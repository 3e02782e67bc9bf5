"""Seeds and generators: all that is random in a fit comes from its random_state, not from global states."""

import threading
from contextlib import contextmanager

import numpy as np
import torch
from sklearn.base import clone
from sklearn.utils import check_random_state

# Initialization of torch layers, and some layers in training, draw from torch's global generators: one thread
# at a time borrows them.
_LOCK = threading.Lock()


def draw_seed(random_state):
    """A seed for one fit.

    Parameters
    ----------
    random_state : int, RandomState or None
        None draws from the operating system: scikit-learn would draw from NumPy's global state, and change
        it.

    Returns
    -------
    int
        The seed.
    """
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


def stream(seed, *key):
    """A NumPy generator for one purpose of a fit: other keys give independent streams."""
    return np.random.default_rng([seed, *key])


def torch_stream(seed, *key, device="cpu"):
    """A torch generator for one purpose of a fit."""
    words = np.random.SeedSequence([seed, *key]).generate_state(1, np.uint64)
    return torch.Generator(device).manual_seed(int(words[0] >> np.uint64(1)))


@contextmanager
def seeded_init(seed, device=None):
    """Within it, torch's global CPU generator is seeded; after it, as it was before.

    Parameters
    ----------
    seed : int
        The seed.
    device : torch.device, default=None
        A CUDA device whose generator is seeded, too.
    """
    index = device.index if device is not None and device.type == "cuda" else None
    with _LOCK, torch.random.fork_rng(devices=[] if index is None else [index]):
        torch.default_generator.manual_seed(seed)
        if index is not None:
            torch.cuda.default_generators[index].manual_seed(seed)
        yield


def seeded_clone(estimator, random_state):
    """A clone of an estimator, with seeds where it has none.

    Parameters
    ----------
    estimator : estimator or None
        Also what it holds is seeded. None stays None.
    random_state : RandomState
        Draws the seeds, so that the global random state is left alone.

    Returns
    -------
    estimator or None
        The clone.
    """
    if estimator is None:
        return None
    estimator = clone(estimator)
    unset = sorted(
        name
        for name, value in estimator.get_params(deep=True).items()
        if value is None and name.rpartition("__")[2] == "random_state"
    )
    return estimator.set_params(**{name: random_state.randint(np.iinfo(np.int32).max) for name in unset})
