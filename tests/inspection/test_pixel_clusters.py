"""Clusters of pixels: those of SciPy's trees of all distances, without the table of distances."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import cdist, pdist

from skmm.inspection import _pixel_clusters
from skmm.inspection._pixel_clusters import pixel_clusters, single_linkage

PIXELS = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=14))
DISTANCES = st.sampled_from([0, 0.5, 1, 1.2, 2**0.5, 2, 5**0.5, 3, 13**0.5, 5, 10, 30])


def _numbered(labels):
    """Labels renamed in the order in which they come, so that equal partitions are equal."""
    names = {}
    return [names.setdefault(label, len(names)) for label in labels]


def _reference(points, method, distance):
    """Clusters by the tree of all distances."""
    if len(points) < 2:
        return np.zeros(len(points))
    return fcluster(linkage(pdist(points.astype(float)), method), distance, "distance")


@given(strong=PIXELS, distance=DISTANCES)
@settings(deadline=None, max_examples=150)
def test_single_linkage_is_that_of_the_tree_of_all_distances(strong, distance):
    """Any pixels, at any distance, also those met exactly, are divided as by SciPy; numbers go row by row."""
    labels = single_linkage(strong, distance)

    assert (labels[~strong] == -1).all()
    assert labels[strong].tolist() == _numbered(_reference(np.argwhere(strong), "single", distance))


@given(strong=PIXELS, distance=DISTANCES)
@settings(deadline=None, max_examples=100)
def test_other_linkages_join_what_is_near_and_nothing_else(strong, distance):
    """The mean or largest distance is within the cut inside each cluster, and beyond it between two."""
    for method, far in (("complete", np.max), ("average", np.mean)):
        labels = pixel_clusters(strong, distance, method)

        assert ((labels >= 0) == strong).all()
        clusters = [np.argwhere(labels == number) for number in range(labels.max() + 1)]
        assert all(len(points) for points in clusters)
        for number, points in enumerate(clusters):
            if method == "complete" and len(points) > 1:
                assert pdist(points).max() <= distance
            for other in clusters[:number]:
                assert far(cdist(points, other)) > distance * (1 - 1e-9)


@pytest.mark.parametrize("method", ["average", "complete"])
def test_other_linkages_are_those_of_scipy(method):
    """Where no two distances are equal the clusters are those of SciPy's tree."""
    strong = np.zeros((60, 60), dtype=bool)
    strong[[0, 1, 4, 30, 33, 35, 50, 58], [0, 3, 9, 30, 31, 36, 2, 55]] = True
    for distance in (4, 7, 12, 40):
        labels = pixel_clusters(strong, distance, method)[strong]
        assert _numbered(labels) == _numbered(_reference(np.argwhere(strong), method, distance))


def test_a_bridge_joins_two_blobs_by_single_linkage_only():
    """The chain that single linkage makes of two blobs and a thin bridge is cut by the other two."""
    strong = np.zeros((9, 40), dtype=bool)
    strong[1:8, 1:8] = strong[1:8, 32:39] = True
    strong[4, 8:32:2] = True

    assert pixel_clusters(strong, 10, "single").max() == 0
    for method in ("average", "complete"):
        labels = pixel_clusters(strong, 10, method)
        assert labels.max() >= 1
        assert labels[4, 3] != labels[4, 35]


def test_memory_does_not_grow_with_pairs():
    """All pixels of a large image, and a chequered one, need a few times the memory of the image."""
    import tracemalloc

    full = np.ones((512, 512), dtype=bool)
    chequered = np.indices((512, 512)).sum(axis=0) % 2 == 0
    for strong, distance, n_clusters in ((full, 10, 1), (chequered, 10, 1), (chequered, 1, 131072)):
        tracemalloc.start()
        labels = single_linkage(strong, distance)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

        assert labels.max() == n_clusters - 1
        assert peak < 20 * labels.nbytes  # all pairs would take 130,000 times as much


def test_what_is_too_large_for_all_pairs_is_refused(monkeypatch):
    """The limit holds for pixels that hang together, and the message says what to do."""
    monkeypatch.setattr(_pixel_clusters, "MOST", 20)
    strong = np.zeros((30, 30), dtype=bool)
    strong[:4, :5] = strong[20:24, :5] = True

    assert pixel_clusters(strong, 30, "single").max() == 0
    assert pixel_clusters(strong, 5, "complete").max() >= 1
    with pytest.raises(
        ValueError, match=r"of at most 20 that hang together. There are 40. Raise the threshold"
    ):
        pixel_clusters(strong, 30, "complete")
