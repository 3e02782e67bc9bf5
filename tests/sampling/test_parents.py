"""Which two samples a synthetic one lies between is read off three columns, and groups follow."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from skmm.sampling._parents import (
    Parents,
    code_columns,
    code_scale,
    find_parents,
    join_groups,
    sample_numbers,
)


@settings(max_examples=60, deadline=None)
@given(
    n_samples=st.integers(1, 5000),
    seed=st.integers(0, 10_000),
    step=st.floats(-0.5, 1.5).filter(lambda t: 1e-4 < abs(t) < 1 - 1e-4 or t in (0.0, 1.0) or t > 1.001),
)
def test_parents_are_found(n_samples, seed, step):
    """From the columns alone both parents and the step follow, for any pair, between and beyond them."""
    rng = np.random.default_rng(seed)
    first, second = rng.integers(n_samples, size=(2, 10))
    scale = code_scale(np.array([3.0, 0.0]))
    columns = code_columns(n_samples, scale)
    got = find_parents(columns[first] * (1 - step) + columns[second] * step, n_samples, scale)
    numbers = sample_numbers(n_samples)
    value = (1 - got.step) * numbers[got.nearer] + got.step * numbers[got.other]

    np.testing.assert_allclose(value, numbers[first] * (1 - step) + numbers[second] * step, atol=1e-9)
    for row in np.flatnonzero(first != second):
        expected = {first[row]} if step == 0 else {second[row]} if step == 1 else {first[row], second[row]}
        assert {got.nearer[row], got.other[row]} == expected
    assert (got.step <= 0.5).all()


def test_no_two_parents_are_seen():
    """A mean of three samples has no two parents."""
    columns = code_columns(50, 1.0)

    assert find_parents(columns[:3].mean(axis=0, keepdims=True), 50, 1.0) is None


def test_groups_are_joined_along_parents():
    """Groups that share a row, by one between them too, become one under the name of the first."""
    groups = np.array(["b", "a", "c", 4], dtype=object)
    parents = Parents(np.array([0, 1, 2, 3, 0, 2]), np.array([0, 1, 2, 3, 1, 1]), np.zeros(6))

    assert join_groups(groups, parents).tolist() == ["b", "b", "b", 4, "b", "b"]
