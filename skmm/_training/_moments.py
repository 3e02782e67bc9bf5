"""Weighted means and variances of columns, chunk by chunk."""

import numpy as np


class RunningMoments:
    """Weighted mean and variance of each column, updated by chunks of rows.

    Parameters
    ----------
    n_features : int
        Number of columns.
    """

    def __init__(self, n_features):
        self.total = 0.0
        self.mean = np.zeros(n_features)
        self._squares = np.zeros(n_features)

    def update(self, rows, weights):
        """Take in a dense chunk of rows without NaN, with a weight each."""
        total = weights.sum()
        if total == 0:
            return
        rows = np.asarray(rows, dtype=np.float64)
        mean = weights @ rows / total
        centered = rows - mean
        centered *= centered  # in place: pixels are many
        squares = weights @ centered
        # The parallel update of Chan, Golub and LeVeque.
        delta = mean - self.mean
        both = self.total + total
        self._squares += squares + delta**2 * (self.total * total / both)
        self.mean += delta * (total / both)
        self.total = both

    @property
    def scale(self):
        """Standard deviation of each column; infinite for a constant one, which tells nothing."""
        if self.total == 0:
            return np.full(len(self.mean), np.inf)
        variance = self._squares / self.total
        # What rounding alone can make of a constant column.
        noise = np.square(1e-12 * self.mean)
        return np.where(variance <= noise, np.inf, np.sqrt(variance))
