"""Fixtures of the tests of fusion."""

import pytest


@pytest.fixture
def tables(make_modalities):
    """Thirty samples: a dense and a sparse table; a fifth of the entries is missing."""
    return make_modalities(("dense", "sparse"))
