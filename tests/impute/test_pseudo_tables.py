"""Means over the nearest samples."""

import numpy as np

from skmm.impute._pseudo_tables import nearest_means


def test_nearest_weighs_modalities_alike():
    """The distance is a mean over shared modalities of mean squared differences, whatever their width."""
    donors = [np.array([[0.0], [3.0], [0.0]]), np.zeros((3, 4)), np.array([[1.0], [2.0], [4.0]])]
    donors[1][0] = 2.0
    there = np.array([[True, True, True], [True, False, True], [False, True, True]])
    queries = [np.zeros((1, 1)), np.zeros((1, 4)), np.zeros((1, 1))]
    here = np.array([[True, True, False]])

    def told(n_neighbors):
        """Return the mean over the nearest donors; their distances are (0 + 4) / 2, 9 and 0."""
        return nearest_means(queries, here, donors, there, [1, 4, 1], 2, n_neighbors).item()

    assert [told(1), told(2), told(3), told(9)] == [4.0, 2.5, 7 / 3, 7 / 3]


def test_nearest_without_a_shared_modality_is_zero():
    """A query that shares nothing with any donor gets the mean, which is zero without units."""
    there, here = np.array([[True, False, True]]), np.array([[False, True, False]])
    blocks = [np.ones((1, 1))] * 3

    assert nearest_means(blocks, here, blocks, there, [1, 1, 1], 2, 1).item() == 0.0
