"""Folds: groups stay whole, splitters that ignore them are refused, seeds shuffle."""

import numpy as np
import pytest
from sklearn.model_selection import (
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    LeaveOneGroupOut,
    LeaveOneOut,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
)

from skmm.model_selection._folds import folds_by_seed, make_folds

Y = np.tile([0, 1], 12)
GROUPS = np.arange(24) // 4
X = np.zeros((24, 1))


def same(first, second):
    """Whether two lists of folds are equal."""
    return all(
        np.array_equal(a, b)
        for one, two in zip(first, second, strict=True)
        for a, b in zip(one, two, strict=True)
    )


@pytest.mark.parametrize(
    "cv", [KFold(3), StratifiedKFold(3), ShuffleSplit(2), LeaveOneOut(), RepeatedStratifiedKFold(n_splits=2)]
)
def test_a_splitter_that_ignores_groups_is_refused_by_name(cv):
    """scikit-learn's group-blind splitters raise where groups are known, and the message names aware ones."""
    with pytest.raises(
        ValueError, match=rf"{type(cv).__name__} ignores groups.*StratifiedGroupKFold, GroupKFold"
    ):
        make_folds(X, Y, GROUPS, cv, 0)


@pytest.mark.parametrize(
    "cv", [3, GroupKFold(3), StratifiedGroupKFold(3), GroupShuffleSplit(3), LeaveOneGroupOut()]
)
def test_no_group_stands_on_both_sides(cv):
    """Every fold of an integer cv or of a group-aware splitter keeps each group whole."""
    folds = make_folds(X, Y, GROUPS, cv, 0)

    assert len(folds) == (6 if isinstance(cv, LeaveOneGroupOut) else 3)
    for train, test in folds:
        assert not set(GROUPS[train]) & set(GROUPS[test])


def test_own_splits_are_judged_by_their_folds():
    """Folds given as rows are taken if they keep groups whole, else refused with the group's name."""
    good = [(np.arange(8, 24), np.arange(8))]
    assert same(make_folds(X, Y, GROUPS, good, 0), good)

    with pytest.raises(
        ValueError, match="1 of them are in the training and in the test samples of fold 0.*first: 1"
    ):
        make_folds(X, Y, GROUPS, [(np.arange(6, 24), np.arange(6))], 0)


def test_a_subclass_of_a_group_blind_splitter_may_use_groups():
    """A user's own subclass of KFold is not refused by its class."""

    class Own(KFold):
        def split(self, X, y=None, groups=None):
            for group in (0, 1):
                yield np.flatnonzero(groups != group), np.flatnonzero(groups == group)

    folds = make_folds(X, Y, GROUPS, Own(), 0)

    assert [test.tolist() for _, test in folds] == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_samples_on_both_sides_are_refused():
    """A fold whose training rows overlap its test rows raises, without groups too."""
    with pytest.raises(ValueError, match=r"Fold 0 .* has 2 samples in training and in test .*\[3, 4\]"):
        make_folds(X, Y, None, [(np.arange(3, 24), np.arange(5))], 0)


def test_an_empty_side_is_refused():
    """A fold without test samples raises."""
    with pytest.raises(ValueError, match="has no test samples"):
        make_folds(X, Y, None, [(np.arange(24), np.arange(0))], 0)


def test_more_folds_than_groups_are_refused():
    """An integer cv above the number of groups says so."""
    with pytest.raises(ValueError, match="cv=7 needs 7 groups or more, but there are 6"):
        make_folds(X, Y, GROUPS, 7, 0)


def test_an_integer_is_stratified():
    """Without groups an integer cv keeps the share of each class."""
    for _, test in make_folds(X, Y, None, 4, 0):
        assert Y[test].mean() == 0.5


def test_seeds_shuffle_but_a_fixed_random_state_stays():
    """A seed decides the folds unless the splitter has its own; the caller's splitter is unchanged."""
    assert same(make_folds(X, Y, None, 3, 1), make_folds(X, Y, None, 3, 1))
    assert not same(make_folds(X, Y, None, 3, 1), make_folds(X, Y, None, 3, 2))

    free, fixed = StratifiedKFold(3, shuffle=True), StratifiedKFold(3, shuffle=True, random_state=7)
    assert not same(make_folds(X, Y, None, free, 1), make_folds(X, Y, None, free, 2))
    assert same(make_folds(X, Y, None, fixed, 1), make_folds(X, Y, None, fixed, 2))
    assert same(make_folds(X, Y, None, fixed, 1), list(fixed.split(X, Y)))
    assert free.random_state is None


def test_a_generator_of_folds_serves_every_seed():
    """Folds that come from a generator are there for the second seed as well."""
    generator = ((train, test) for train, test in KFold(3).split(X))

    folds = folds_by_seed(X, Y, None, generator, (0, 1))

    assert len(folds[0]) == 3
    assert same(folds[0], folds[1])


@pytest.mark.parametrize("seeds", [(), (0, 0), (0.5,), "ab"])
def test_bad_seeds_are_refused(seeds):
    """No seed, equal seeds and what is no integer raise."""
    with pytest.raises(ValueError, match="random_states must"):
        folds_by_seed(X, Y, None, 3, seeds)


@pytest.mark.parametrize(
    ("cv", "seeds", "message"),
    [
        ([], 0, "cv must hold at least one fold"),
        (3.0, 0, "cv must be an integer, a splitter or folds. Got 3.0"),
        (3, None, "at least one integer seed. Got"),
    ],
)
def test_what_makes_no_folds_is_refused(cv, seeds, message):
    """An empty list, what is no cv, and no seed raise."""
    with pytest.raises(ValueError, match=message):
        folds_by_seed(X, Y, None, cv, seeds)
