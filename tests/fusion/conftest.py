"""Fixtures of the tests of fusion."""

import numpy as np
import pytest

from skmm import ModalityDict


@pytest.fixture
def tables(make_modalities):
    """Thirty samples: a dense and a sparse table; a fifth of the entries is missing."""
    return make_modalities(("dense", "sparse"))


@pytest.fixture
def chest():
    """Return a function that makes images "xray" and texts "note": ``chest(n_samples=40, size=8, seed=0)``.

    It gives X, in which each modality tells one of two signs, the bright square and the word "effusion", and
    these signs, (n_samples, 2). One image and one text are missing.
    """

    def make(n_samples=40, size=8, seed=0):
        rng = np.random.default_rng(seed)
        signs = np.stack([np.arange(n_samples) % 2, np.arange(n_samples) // 2 % 2], axis=1)
        images = rng.integers(0, 90, size=(n_samples, size, size), dtype=np.uint8)
        images[signs[:, 0] == 1, 2:6, 2:6] += 150
        filler = ["Heart normal.", "No fracture seen", "Lungs (clear)", "Portable view;"]
        texts = [
            f"{filler[rng.integers(4)]} {'small EFFUSION, left' if sign else 'costophrenic angles sharp'}."
            for sign in signs[:, 1]
        ]
        texts[5] = None
        here = np.arange(n_samples) != 4
        return ModalityDict({"xray": images, "note": texts}, present={"xray": here}), signs

    return make
