"""More and more missing modalities, so that each step keeps what earlier steps dropped."""

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
    inside, outside = present[:, columns], np.delete(present, columns, axis=1)
    bits = 1 << np.arange(len(columns))  # a set of modalities is a number, one bit for each
    bound = inside.any(axis=1) & ~outside.any(axis=1)
    n_bound = np.bincount(inside[bound] @ bits, minlength=2 ** len(columns))
    n_entries = np.zeros_like(n_bound)
    for bit, count in zip(bits, inside.sum(axis=0), strict=True):
        without, with_bit = np.moveaxis(n_bound.reshape(-1, 2, bit), 1, 0)
        with_bit += without  # after the last bit, all samples that have nothing outside the set
        n_entries.reshape(-1, 2, bit)[:, 1] += count
    some = n_entries > 0
    return float(np.min(1 - n_bound[some] / n_entries[some], initial=1.0))


def _drop_down_to(X, left, seed):
    """X in which so many entries of each named modality are left, or as few as each sample can do with."""
    columns = [X.modalities.index(name) for name in left]
    limit = largest_share(X.present, columns)
    rates = {}
    for (name, n_left), n in zip(left.items(), X.present[:, columns].sum(axis=0), strict=True):
        count = min(n - n_left, np.floor(limit * n + 1e-9))
        rates[name] = float(count / n) if n else 0.0
    return drop_modalities(X, rates, random_state=seed)


def progressively(X, names, rates, seed):
    """Yield (rate, X with that share of the entries of some modalities dropped), for ascending rates.

    What is missing at one rate is missing at the next. Each sample keeps at least one modality, so the share
    that is reached may be smaller.
    """
    n_present = {name: int(np.count_nonzero(X.is_present(name))) for name in names}
    for step, rate in enumerate(rates):
        if rate > 0:
            X = _drop_down_to(X, {name: n - round(rate * n) for name, n in n_present.items()}, seed + step)
        yield rate, X
