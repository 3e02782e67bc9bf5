"""Simulated missingness: entries are dropped from data that has them."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from sklearn.utils import column_or_1d

from skmm.containers import ModalityDict, as_modality_dict

from ._utils import check_rate, random_generator, round_together

MECHANISMS = ("mcar", "label")


def _counts_to_drop(rate, modalities, present):
    """Return how many present entries each modality loses."""
    if isinstance(rate, Mapping):
        unknown = [name for name in rate if name not in modalities]
        if unknown:
            raise ValueError(f"`rate` names unknown modalities {unknown}. Choose among {list(modalities)}.")
        rates = [check_rate(rate.get(name, 0.0), f"The rate of modality {name!r}") for name in modalities]
    else:
        rates = [check_rate(rate, "`rate`")] * len(modalities)
    return round_together(np.array(rates) * present.sum(axis=0))


def _draw_weights(mechanism, y, n_samples):
    """Return the weight with which each sample is drawn: all alike, or growing with its class."""
    if mechanism not in MECHANISMS:
        raise ValueError(f"`mechanism` must be one of {list(MECHANISMS)}, got {mechanism!r}.")
    if mechanism == "mcar":
        return np.ones(n_samples)
    if y is None:
        raise ValueError('mechanism="label" draws by class and needs the labels: pass `y`.')
    y = column_or_1d(y)
    if len(y) != n_samples:
        raise ValueError(f"`y` must have one label a sample: expected {n_samples}, got {len(y)}.")
    if pd.isna(y).any():
        raise ValueError(f"`y` must hold a label for each sample, but {pd.isna(y).sum()} are missing.")
    return np.unique(y, return_inverse=True)[1] + 1.0


def _choose(rows, size, weight, rng):
    """Draw rows without replacement, one by one with a probability proportional to their weight."""
    if size == 0:
        return rows[:0]
    return rng.choice(rows, size=size, replace=False, p=weight[rows] / weight[rows].sum())


def _hand_over(dropped, present, weight, rng):
    """Let samples that lost everything get an entry back from samples that can spare the same modality."""
    for modality in rng.permutation(present.shape[1]):
        kept = present & ~dropped
        bare = np.flatnonzero(present.any(axis=1) & ~kept.any(axis=1) & present[:, modality])
        spare = np.flatnonzero(kept[:, modality] & (kept.sum(axis=1) > 1))
        size = min(len(bare), len(spare))
        dropped[rng.permutation(bare)[:size], modality] = False
        dropped[_choose(spare, size, weight, rng), modality] = True


def _hand_over_in_chain(dropped, present, row, rng):
    """Give one sample an entry back along a chain of samples that swap what they keep; say if there is one.

    This is the augmenting path of a flow from entries to samples, searched breadth first over the modalities,
    so that no solution is overlooked when the direct exchange has none left.
    """
    kept = present & ~dropped
    n_kept = kept.sum(axis=1)
    chains = {
        modality: [] for modality in np.flatnonzero(present[row])
    }  # swaps that free the modality for `row`
    queue = list(chains)
    for modality in queue:
        chain = chains[modality]
        spare = np.flatnonzero(kept[:, modality] & (n_kept > 1))
        if len(spare):
            for sample, gives, gets in chain:
                dropped[sample, gives], dropped[sample, gets] = True, False
            dropped[rng.choice(spare), modality] = True
            dropped[row, chain[0][1] if chain else modality] = False
            return True
        alone = kept[:, modality] & (n_kept == 1)
        for other in range(present.shape[1]):
            swappers = np.flatnonzero(alone & present[:, other] & dropped[:, other])
            if other not in chains and len(swappers):
                chains[other] = [*chain, (rng.choice(swappers), modality, other)]
                queue.append(other)
    return False


def _keep_at_least_one(dropped, present, weight, rng):
    """Repair a draw in place so that each sample with a modality keeps one; the counts stay."""
    _hand_over(dropped, present, weight, rng)
    for row in np.flatnonzero(present.any(axis=1) & ~(present & ~dropped).any(axis=1)):
        if not _hand_over_in_chain(dropped, present, row, rng):
            n_present, n_kept = present.sum(), present.any(axis=1).sum()
            raise ValueError(
                f"The rates ask to drop {dropped.sum()} of {n_present} present entries "
                f"({dropped.sum(axis=0).tolist()} by modality), which leaves some of the {n_kept} samples "
                f"without any. At most {n_present - n_kept} can go, a share of {1 - n_kept / n_present:.3f}. "
                "Lower the rates, or set keep_at_least_one=False."
            )


def drop_modalities(X, rate, *, y=None, mechanism="mcar", keep_at_least_one=True, random_state=None):
    r"""Drop a share of the present modalities, to see how a model does when modalities are missing.

    The counts are exact: of the :math:`n_m` samples that have modality :math:`m`, :math:`r_m n_m` lose it,
    rounded up or down so that :math:`\sum_m r_m n_m`, rounded, entries go in all. What was missing stays
    missing.

    Parameters
    ----------
    X : ModalityDict or mapping of str to array
        The data, never changed.
    rate : float or dict of str to float
        Share :math:`r_m` of the present entries to drop, between 0 and 1: one for each modality, or by name
        (modalities not named lose nothing).
    y : array-like of shape (n_samples,), default=None
        Labels, for ``mechanism="label"``.
    mechanism : {"mcar", "label"}, default="mcar"
        Who loses an entry. "mcar": everybody alike (missing completely at random). "label": samples are drawn
        one by one, and one of the c-th class in sorted order has c times the chance of one of the first, so
        that missingness tells about the label.
    keep_at_least_one : bool, default=True
        Let each sample that has a modality keep at least one. The counts stay exact: a sample that would lose
        everything passes a loss on to one that can spare the same modality.
    random_state : int, RandomState instance or None, default=None
        Seed of the draw.

    Returns
    -------
    X_dropped : ModalityDict
        The same values with fewer entries present. Values are shared with `X`, not copied: entries that are
        absent are never read. Kinds, feature names, sample ids and groups are those of `X`.

    Raises
    ------
    ValueError
        If a rate is not in [0, 1] or names an unknown modality; if the rates cannot be met while each sample
        keeps one modality (never is less dropped than asked); if ``mechanism="label"`` comes without `y`.

    Examples
    --------
    >>> import numpy as np
    >>> from skmm.datasets import drop_modalities
    >>> X = {"rna": np.ones((10, 3)), "protein": np.ones((10, 2))}
    >>> X_dropped = drop_modalities(X, {"rna": 0.3}, random_state=0)
    >>> X_dropped.present.sum(axis=0)
    array([ 7, 10])
    """
    X = as_modality_dict(X)
    rng = random_generator(random_state)
    present = np.array(X.present)
    weight = _draw_weights(mechanism, y, len(X))
    counts = _counts_to_drop(rate, X.modalities, present)
    dropped = np.zeros_like(present)
    for modality, count in enumerate(counts):
        dropped[_choose(np.flatnonzero(present[:, modality]), count, weight, rng), modality] = True
    if keep_at_least_one:
        _keep_at_least_one(dropped, present, weight, rng)
    present &= ~dropped
    return ModalityDict(
        dict(X.items()),
        kinds=dict(X.kinds),
        present={name: present[:, column] for column, name in enumerate(X.modalities)},
        feature_names={name: names for name, names in X.feature_names.items() if names is not None},
        index=X.index,
        groups=X.groups,
    )
