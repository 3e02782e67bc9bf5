"""The split for early stopping: stratified, and along groups where there are any."""

import numpy as np


def _apportion(counts, n_valid):
    """How many validation rows each class gives: in proportion, one at least staying in training."""
    limit = np.maximum(counts - 1, 0)
    ideal = counts * n_valid / counts.sum()
    share = np.minimum(np.floor(ideal).astype(int), limit)
    # Largest remainders first; sorting is stable, so ties go to the first class.
    while share.sum() < min(n_valid, limit.sum()):
        room = np.where(share < limit, ideal - share, -np.inf)
        share[np.argmax(room)] += 1
    return share


def _choose_rows(codes, fraction, rng):
    """Positions of validation rows without groups."""
    counts = np.bincount(codes)
    share = _apportion(counts, max(1, round(fraction * len(codes))))
    members = (np.flatnonzero(codes == code) for code in range(len(counts)))
    return [rng.permutation(rows)[:size] for rows, size in zip(members, share, strict=True)]


def _choose_groups(codes, groups, fraction, rng):
    """Positions of validation rows, whole groups: greedily towards a stratified share of the rows.

    NOTE[DIFF] StratifiedGroupKFold could empty a class from training, and refuses classes with fewer members
    than folds; here a group joins only if it brings the counts of classes nearer to the wanted ones and
    leaves every class in training.
    """
    table = np.zeros((groups.max() + 1, codes.max() + 1))
    np.add.at(table, (groups, codes), 1)
    total = table.sum(axis=0)
    wanted = fraction * total
    taken = np.zeros_like(total)
    chosen, spare = [], []
    for group in rng.permutation(np.unique(groups)):
        after = taken + table[group]
        if ((after >= total) & (table[group] > 0)).any():
            continue  # a class would be left without training rows
        if np.square(wanted - after).sum() < np.square(wanted - taken).sum():
            taken = after
            chosen.append(group)
        else:
            spare.append(group)
    if not chosen and spare:  # every group is larger than the share: the smallest one that may go
        chosen = [min(spare, key=lambda group: table[group].sum())]
    return [np.flatnonzero(np.isin(groups, chosen))]


def split_validation(codes, groups, fraction, rng):
    """Split rows into training and validation.

    Parameters
    ----------
    codes : ndarray of int of shape (n_rows,)
        Class of each row.
    groups : ndarray of int of shape (n_rows,) or None
        Group of each row; no group straddles the split.
    fraction : float
        Share of the rows to validate on, in (0, 1).
    rng : numpy.random.Generator
        Where chance comes from.

    Returns
    -------
    train, valid : ndarray of int
        Sorted positions. Every class keeps a row in training; one that has a single row, or a single group,
        stays there whole.

    Raises
    ------
    ValueError
        If nothing can be spared for validation.
    """
    chosen = (
        _choose_rows(codes, fraction, rng) if groups is None else _choose_groups(codes, groups, fraction, rng)
    )
    valid = np.sort(np.concatenate(chosen))
    if not len(valid):
        unit = "row" if groups is None else "group"
        raise ValueError(
            f"early_stopping=True needs rows to validate on, but each class has a single {unit} "
            f"among the {len(codes)} rows to train on. Use early_stopping=False, or more data."
        )
    train = np.setdiff1d(np.arange(len(codes)), valid)
    return train, valid
