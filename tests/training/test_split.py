"""The split for early stopping."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skmm._training import split_validation


def _split(codes, groups=None, fraction=0.2, seed=0):
    """Return training and validation rows."""
    groups = None if groups is None else np.asarray(groups)
    return split_validation(np.asarray(codes), groups, fraction, np.random.default_rng(seed))


def test_classes_keep_their_shares():
    """Without groups the rows of each class are split in proportion, to the row."""
    codes = np.repeat([0, 1, 2], [100, 50, 10])

    train, valid = _split(codes)

    assert np.bincount(codes[valid]).tolist() == [20, 10, 2]
    assert sorted([*train, *valid]) == list(range(160))


def test_small_classes_are_rounded_by_largest_remainder():
    """The size of the part is the fraction of all rows, also where each class alone rounds to none."""
    codes = np.repeat(np.arange(5), 4)

    _, valid = _split(codes, fraction=0.1)

    assert len(valid) == 2


def test_a_class_of_one_stays_in_training():
    """A class with a single row, or a single group, is never validated on."""
    codes = np.array([0] * 10 + [1] * 10 + [2])
    groups = np.array([*np.repeat(np.arange(8), 2), 8, 9, 10, 11, 12])
    for seed in range(10):
        assert 20 in _split(codes, seed=seed)[0]
        assert 20 in _split(codes, groups, seed=seed)[0]


def test_seeds_change_the_rows():
    """Other seeds choose other rows; the same seed the same ones."""
    codes = np.repeat([0, 1], 50)

    assert _split(codes, seed=1)[1].tolist() == _split(codes, seed=1)[1].tolist()
    assert _split(codes, seed=1)[1].tolist() != _split(codes, seed=2)[1].tolist()


def test_groups_of_many_rows_are_near_the_fraction():
    """With many groups the held-out part has about its share of the rows of each class."""
    rng = np.random.default_rng(0)
    groups = rng.integers(60, size=600)
    codes = (rng.random(600) < 0.3).astype(int)

    _, valid = _split(codes, groups)

    np.testing.assert_allclose(np.bincount(codes[valid]) / np.bincount(codes), [0.2, 0.2], atol=0.05)


@given(
    codes=st.lists(st.integers(0, 3), min_size=4, max_size=40),
    n_groups=st.integers(1, 12),
    fraction=st.floats(0.05, 0.9),
    seed=st.integers(0, 5),
)
def test_laws_of_a_grouped_split(codes, n_groups, fraction, seed):
    """No group straddles, every class stays in training, nothing is lost; or the refusal says why."""
    codes = np.unique(codes, return_inverse=True)[1]
    groups = np.random.default_rng(seed).integers(n_groups, size=len(codes))
    for known in (None, np.unique(groups, return_inverse=True)[1]):
        try:
            train, valid = _split(codes, known, fraction, seed)
        except ValueError:
            units = np.arange(len(codes)) if known is None else known
            # With groups, each may be the only one of some class.
            assert known is not None or len(np.unique(units)) == len(set(codes))
            continue
        assert sorted([*train, *valid]) == list(range(len(codes)))
        assert len(valid) > 0
        assert set(codes[train]) == set(codes)
        if known is not None:
            assert not set(known[train]) & set(known[valid])


def test_nothing_to_spare():
    """Where each class has one row, or all rows one group, the message says so and what to do."""
    with pytest.raises(ValueError, match="each class has a single row among the 3 rows"):
        _split([0, 1, 2])
    with pytest.raises(ValueError, match=r"each class has a single group .* early_stopping=False"):
        _split([0, 1, 0, 1], [0, 0, 0, 0])
