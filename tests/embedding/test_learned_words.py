"""Word vectors from texts: counts, mutual information and factors equal their definitions."""

import math

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from skmm.embedding import _learned_words
from skmm.embedding._learned_words import factorize, learn_vectors, mutual_information, neighbour_counts

N_WORDS = 5
DOCUMENTS = st.lists(st.lists(st.integers(0, N_WORDS - 1), max_size=8), min_size=1, max_size=4)


def counted(documents, window):
    """Pairs counted one by one."""
    counts = np.zeros((N_WORDS, N_WORDS))
    for words in documents:
        for place, word in enumerate(words):
            for other, neighbour in enumerate(words):
                counts[word, neighbour] += 0 < abs(place - other) <= window
    return counts


@settings(max_examples=50, deadline=None)
@given(DOCUMENTS, st.integers(1, 4))
def test_counts_and_information_are_those_of_the_formula(documents, window):
    """Vectorized counts equal a loop over places, within texts only; so does the information of pairs."""
    counts = neighbour_counts([np.array(words, dtype=np.intp) for words in documents], N_WORDS, window)
    expected = counted(documents, window)
    np.testing.assert_array_equal(counts.toarray(), expected)

    information = mutual_information(counts).toarray()
    smoothed = expected.sum(axis=0) ** 0.75
    for word, neighbour in np.ndindex(N_WORDS, N_WORDS):
        value = 0.0
        if expected[word, neighbour]:
            joint = expected[word, neighbour] * smoothed.sum()
            value = max(0, math.log(joint / (expected[word].sum() * smoothed[neighbour])))
        assert information[word, neighbour] == pytest.approx(value, abs=1e-12)


def test_factors_are_those_of_the_matrix():
    """All of U sqrt(S) gives back U S U' of the matrix; fewer columns are its first ones."""
    rng = np.random.default_rng(0)
    matrix = rng.random((6, 6))
    vectors = factorize(sp.csr_array(matrix), 6, seed=0)

    np.testing.assert_allclose(vectors @ vectors.T @ vectors @ vectors.T, matrix @ matrix.T, rtol=1e-5)
    np.testing.assert_array_equal(factorize(sp.csr_array(matrix), 2, seed=0), vectors[:, :2])


def test_large_matrices_are_factorized_alike(monkeypatch):
    """The randomized decomposition equals the exact one, signs included, and needs its seed only."""
    rng = np.random.default_rng(0)
    matrix = sp.csr_array(rng.random((60, 3)) @ np.diag([9.0, 4.0, 1.0]) @ rng.random((3, 60)))
    exact = factorize(matrix, 3, seed=0)
    monkeypatch.setattr(_learned_words, "_SMALL", 10)

    np.testing.assert_allclose(factorize(matrix, 3, seed=1), exact, atol=1e-3)
    np.testing.assert_array_equal(factorize(matrix, 2, seed=7), factorize(matrix, 2, seed=7))


def test_words_with_the_same_neighbours_get_the_same_vectors():
    """Words that stand in the same places, never together, are alike; words of other texts are not."""
    texts = [[0, 2, 3], [1, 2, 3], [0, 3, 2], [1, 3, 2], [4, 5, 6], [5, 6, 4]]
    vectors = learn_vectors([np.array(words) for words in texts], 7, window=2, n_components=4, seed=0)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    assert unit[0] @ unit[1] == pytest.approx(1, abs=1e-5)
    assert abs(unit[0] @ unit[4]) < 1e-5
