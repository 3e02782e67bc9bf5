"""Folds drawn by seed, in which no group stands on both sides."""

import copy
import numbers

import numpy as np
from sklearn.model_selection import (
    KFold,
    LeaveOneOut,
    LeavePOut,
    RepeatedKFold,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
    StratifiedShuffleSplit,
    TimeSeriesSplit,
    check_cv,
)

# scikit-learn's splitters that accept groups and ignore them. Subclasses are judged by the folds they make.
GROUP_BLIND = (
    KFold,
    LeaveOneOut,
    LeavePOut,
    RepeatedKFold,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    StratifiedKFold,
    StratifiedShuffleSplit,
    TimeSeriesSplit,
)
GROUP_AWARE = "StratifiedGroupKFold, GroupKFold, GroupShuffleSplit, LeaveOneGroupOut or LeavePGroupsOut"


def seeded_splitter(cv, y, groups, seed):
    """Splitter for one seed; the caller's own is copied, and keeps a random_state that it was given."""
    if isinstance(cv, numbers.Integral):
        if groups is None:
            return StratifiedKFold(cv, shuffle=True, random_state=seed)
        n_groups = len(np.unique(groups))
        if n_groups < cv:
            raise ValueError(
                f"cv={cv} needs {cv} groups or more, but there are {n_groups}. Use a smaller cv."
            )
        return StratifiedGroupKFold(cv, shuffle=True, random_state=seed)
    if groups is not None and type(cv) in GROUP_BLIND:
        raise ValueError(
            f"{type(cv).__name__} ignores groups: samples of one group would stand on both sides of a fold. "
            f"Use {GROUP_AWARE}, or an integer cv (StratifiedGroupKFold)."
        )
    splitter = copy.copy(check_cv(cv, y, classifier=True))
    shuffles = getattr(splitter, "shuffle", True)
    if shuffles and not isinstance(getattr(splitter, "random_state", 0), numbers.Integral):
        splitter.random_state = seed
    return splitter


def check_no_shared_group(train_groups, test_groups, where, advice):
    """Raise if a group is on both sides."""
    shared = np.intersect1d(train_groups, test_groups)
    if len(shared):
        raise ValueError(
            f"Groups must be on one side, but {len(shared)} of them are in the training and in the test "
            f"samples of {where} (first: {', '.join(str(group) for group in shared[:5])}). {advice}"
        )


def make_folds(X, y, groups, cv, seed):
    """Folds as a list of (train rows, test rows), checked.

    Parameters
    ----------
    X : array-like or ModalityDict of shape (n_samples, ...)
        Samples.
    y : ndarray of shape (n_samples,)
        Labels.
    groups : ndarray of shape (n_samples,) or None
        Groups that stay whole.
    cv : int, splitter or iterable of (train, test)
        How to split.
    seed : int
        Shuffles the splitter.

    Returns
    -------
    list of (ndarray, ndarray)
        Row numbers.
    """
    splitter = seeded_splitter(cv, y, groups, seed)
    where = (
        type(cv).__name__
        if hasattr(cv, "split")
        else f"cv={cv}"
        if isinstance(cv, numbers.Integral)
        else "cv"
    )
    folds = []
    for number, split in enumerate(splitter.split(X, y, groups)):
        train, test = (np.arange(len(y))[rows] for rows in split)
        if not len(train) or not len(test):
            side = "training" if not len(train) else "test"
            raise ValueError(f"Fold {number} of {where} has no {side} samples. Use fewer folds.")
        both = np.intersect1d(train, test)
        if len(both):
            raise ValueError(
                f"Fold {number} of {where} has {len(both)} samples in training and in test "
                f"(first rows: {both[:5].tolist()}). Each sample must be on one side."
            )
        if groups is not None:
            advice = f"Use {GROUP_AWARE}, or an integer cv."
            check_no_shared_group(groups[train], groups[test], f"fold {number} of {where}", advice)
        folds.append((train, test))
    if not folds:
        raise ValueError(f"{where} must hold at least one fold. Got none.")
    return folds


def folds_by_seed(X, y, groups, cv, random_states):
    """Folds of every seed: {seed: [(train rows, test rows), ...]}."""
    random_states = tuple(random_states) if np.iterable(random_states) else (random_states,)
    if not random_states or not all(isinstance(seed, numbers.Integral) for seed in random_states):
        raise ValueError(f"random_states must hold at least one integer seed. Got {random_states!r}.")
    if len(set(random_states)) < len(random_states):
        raise ValueError(f"random_states must differ from each other. Got {random_states!r} instead.")
    if not isinstance(cv, numbers.Integral) and not hasattr(cv, "split") and cv is not None:
        if not np.iterable(cv):
            raise ValueError(f"cv must be an integer, a splitter or folds. Got {cv!r} instead.")
        cv = [tuple(fold) for fold in cv]  # a generator of folds would be used up by the first seed
    return {
        int(seed): [] if cv is None else make_folds(X, y, groups, cv, int(seed)) for seed in random_states
    }
