"""Small numbers that several data sets need: checked shares, and rounding that keeps the sum."""

from numbers import Real

import numpy as np


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
