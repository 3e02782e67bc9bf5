"""Fixtures of the tests of training."""

import numpy as np
import pytest


@pytest.fixture
def rng():
    """Return a seeded generator."""
    return np.random.default_rng(0)
