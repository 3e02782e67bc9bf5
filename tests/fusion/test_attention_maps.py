"""Padded weights of tokens come out in the form of their modality, each with what it belongs to."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from skmm import BagArray, ModalityDict
from skmm.fusion._attention_maps import attention_map, bag_lengths, resize


def test_lengths_of_bags():
    """They are those of the samples that have the modality; other kinds have none."""
    bags = BagArray.from_list([np.ones((2, 3)), np.ones((1, 3)), np.ones((0, 3))])
    X = ModalityDict({"slide": bags, "rna": np.ones((3, 2))}, present={"slide": [False, True, False]})

    assert {name: counts.tolist() for name, counts in bag_lengths(X, X.modalities).items()} == {
        "slide": [0, 1, 0]
    }


def test_resize_cuts_and_fills_up_the_last_axes():
    """Sizes are those of the last axes, in their order, and 1 at least."""
    weights = torch.arange(1.0, 7.0).reshape(1, 2, 3)

    assert resize(weights, 2).tolist() == [[[1.0, 2.0], [4.0, 5.0]]]
    assert resize(weights, 1, 4).tolist() == [[[1.0, 2.0, 3.0, 0.0]]]
    assert resize(weights, 0).tolist() == [[[1.0], [4.0]]]


def test_map_of_a_table():
    """It is a frame by sample and token, with more axes an array."""
    frame = attention_map(np.array([[0.25, 0.75]]), (2,), columns=["growth", "repair"], index=["ann"])

    assert frame.loc["ann", "repair"] == 0.75
    by_query = attention_map(np.array([[[0.25, 0.75]]]), (2,), columns=["growth", "repair"])
    assert_array_equal(by_query, [[[0.25, 0.75]]])


def test_map_of_an_image():
    """The tokens lie on their grid, row by row, after all other axes."""
    weights = np.arange(12.0).reshape(1, 2, 6)

    assert_array_equal(attention_map(weights, (2, 3))[0, 1], [[6, 7, 8], [9, 10, 11]])


def test_map_of_a_bag_of_vectors():
    """Each instance has its weight, and other axes come after the instances; padding is left out."""
    weights = np.array([[0.5, 0.5, 0.0], [0.0, 0.0, 0.0], [0.25, 0.25, 0.5]])
    lengths = np.array([2, 0, 3])

    bags = attention_map(weights, (1,), lengths=lengths)
    assert [bag.tolist() for bag in bags] == [[0.5, 0.5], [], [0.25, 0.25, 0.5]]
    by_head = attention_map(np.stack([weights, -weights], axis=1), (1,), lengths=lengths)
    assert by_head[0].tolist() == [[0.5, -0.5], [0.5, -0.5]]


@pytest.mark.parametrize("grid", [(1, 2), (1, 1), (2, 2)])
def test_map_of_a_bag_of_images(grid):
    """Each instance has a grid of its own, be it a single patch, and be all bags empty."""
    n_tokens = grid[0] * grid[1]
    weights = np.arange(2.0 * 3 * n_tokens).reshape(2, 3 * n_tokens)

    bags = attention_map(weights, grid, lengths=np.array([1, 2]))
    assert_array_equal(bags[1][1], weights[1, n_tokens : 2 * n_tokens].reshape(grid))
    assert bags[0].shape == (1, *grid)
    empty = attention_map(weights[:, :1], grid, lengths=np.array([0, 0]))
    assert empty[0].shape == (0, *grid)
