"""What several data sets need: checked numbers, rounding that keeps the sum, and a random state."""

from numbers import Integral, Real

import numpy as np
from sklearn.utils import check_random_state


def random_generator(random_state):
    """Return a RandomState; for None a fresh one, as NumPy's global state is the caller's."""
    return np.random.RandomState() if random_state is None else check_random_state(random_state)


def check_count(value, where):
    """Return a positive integer."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{where} must be a positive integer, got {value!r}.")
    return int(value)


def check_counts(values, names, where):
    """Return a tuple of positive integers, one for each name."""
    if not isinstance(values, (tuple, list)) or len(values) != len(names):
        raise ValueError(f"{where} must be ({', '.join(names)}), got {values!r}.")
    return tuple(check_count(value, f"{where}, {name},") for value, name in zip(values, names, strict=True))


def check_rate(rate, where):
    """Return a share as a float in [0, 1]."""
    if isinstance(rate, bool) or not isinstance(rate, Real) or not 0 <= rate <= 1:
        raise ValueError(f"{where} must be a number from 0 to 1, got {rate!r}.")
    return float(rate)


def round_together(ideal):
    """Round numbers up or down so that their sum is the rounded sum (largest remainders)."""
    ideal = np.asarray(ideal, dtype=float)
    counts = np.floor(ideal).astype(int)
    n_up = int(np.rint(ideal.sum())) - counts.sum()
    counts[np.argsort(counts - ideal, kind="stable")[:n_up]] += 1
    return counts
