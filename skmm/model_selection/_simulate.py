"""More and more missing modalities, so that each step keeps what earlier steps dropped."""

import itertools

import numpy as np

from skmm.datasets import drop_modalities


def largest_share(present, columns):
    """Share of the entries of some modalities that can go while every sample keeps one of its own.

    The samples that have nothing outside a set S of these modalities must keep one entry each in S, so the
    share is at most 1 - n(S) / (entries in S) for every S (Hall's condition).

    Parameters
    ----------
    present : ndarray of bool of shape (n_samples, n_modalities)
        What is there.
    columns : list of int
        The modalities that lose entries, all by the same share.
    """
    shares = [1.0]
    for size in range(1, len(columns) + 1):
        for chosen in itertools.combinations(columns, size):
            inside = present[:, list(chosen)]
            bound = inside.any(axis=1) & ~np.delete(present, chosen, axis=1).any(axis=1)
            if inside.any():
                shares.append(1 - bound.sum() / inside.sum())
    return min(shares)


def _drop_step(X, names, share, seed):
    """X with a share of the present entries dropped, or as many as can go."""
    present, columns = X.present, [X.modalities.index(name) for name in names]
    limit = largest_share(present, columns)
    n_present = present.sum(axis=0)
    rates = {}
    for name, column in zip(names, columns, strict=True):
        n = n_present[column]
        count = min(np.rint(share * n), np.floor(limit * n + 1e-9))
        rates[name] = float(count / n) if n else 0.0
    return drop_modalities(X, rates, random_state=seed)


def progressively(X, names, rates, seed):
    """Yield (rate, X with that share of the entries of some modalities dropped), for ascending rates.

    What is missing at one rate is missing at the next. Each sample keeps at least one modality, so the share
    that is reached may be smaller.
    """
    done = 0.0
    for step, rate in enumerate(rates):
        if rate > done:
            X = _drop_step(X, names, (rate - done) / (1 - done), seed + step)
            done = rate
        yield rate, X
