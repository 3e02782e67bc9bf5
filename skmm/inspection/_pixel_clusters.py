"""Clusters of pixels that lie near one another, without a table of all distances."""

import numpy as np
from scipy import ndimage
from scipy.cluster.hierarchy import fcluster
from scipy.cluster.hierarchy import linkage as tree_of
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

LINKAGES = ("single", "average", "complete")
MOST = 5000  # pixels of which all distances are held in memory, 100 MB
_AT_ONCE = 2**18  # pairs of pixels that are looked at together


def _touching(strong, distance):
    """Clusters of pixels that reach one another in steps to neighbours, numbered from 0; -1 elsewhere."""
    if distance < 1:
        labels = np.full(strong.shape, -1)
        labels[strong] = np.arange(strong.sum())
        return labels, int(strong.sum())
    diagonal = 2 if distance >= np.sqrt(2) else 1
    labels, n_labels = ndimage.label(strong, ndimage.generate_binary_structure(2, diagonal))
    return labels - 1, n_labels


def single_linkage(strong, distance):
    """Clusters such that each pixel is no farther than ``distance`` from another one of its cluster.

    Exact, in memory that grows with the image only: pixels that touch one another are joined first, and then
    clusters whose borders are near. Offsets are tried the shortest first, each for all pixels at once.

    Parameters
    ----------
    strong : ndarray of bool of shape (height, width)
        The pixels.
    distance : float
        The largest distance of two pixels that are joined at once.

    Returns
    -------
    ndarray of int of shape (height, width)
        Clusters from 0 in the order of their first pixels, row after row; -1 elsewhere.
    """
    labels, n_labels = _touching(strong, distance)
    if n_labels < 2 or distance <= 1:
        return labels
    # The nearest pixels of two clusters lie on their borders: from within, some step comes nearer.
    border = strong & ~ndimage.binary_erosion(strong)
    rows, columns = np.nonzero(border)
    own, root = labels[border], np.arange(n_labels)
    down = min(int(distance), int(np.ptp(rows)))
    aside = min(int(distance), int(np.ptp(columns)))
    field = np.full((strong.shape[0] + down, strong.shape[1] + 2 * aside), -1)
    field[rows, columns + aside] = own
    steps = np.stack(np.meshgrid(np.arange(down + 1), np.arange(-aside, aside + 1), indexing="ij"), axis=-1)
    steps = steps.reshape(-1, 2)
    lengths = np.hypot(*steps.T)
    near = (lengths <= distance) & ((steps[:, 0] > 0) | (steps[:, 1] > 0))
    steps = steps[near][np.argsort(lengths[near], kind="stable")]
    n_steps = max(1, _AT_ONCE // len(own))
    for start in range(0, len(steps), n_steps):
        step_down, step_aside = steps[start : start + n_steps].T[..., None]
        other = field[rows + step_down, columns + aside + step_aside]  # (n_steps, n_border)
        apart = (other >= 0) & (root[other] != root[own])
        if not apart.any():
            continue
        pairs = root[np.broadcast_to(own, other.shape)[apart]], root[other[apart]]
        graph = coo_array((np.ones(len(pairs[0]), dtype=bool), pairs), shape=(root.max() + 1,) * 2)
        n_roots, joined = connected_components(graph, directed=False)
        root = joined[root]
        if n_roots == 1:
            break
    _, first, number = np.unique(root, return_index=True, return_inverse=True)
    order = np.argsort(np.argsort(first))
    return np.where(strong, order[number][labels], -1)


def pixel_clusters(strong, distance, linkage):
    """Clusters of pixels, by one of three linkages.

    Parameters
    ----------
    strong : ndarray of bool of shape (height, width)
        The pixels.
    distance : float
        Where the tree of clusters is cut: those at most so far apart are joined.
    linkage : {"single", "average", "complete"}
        How far apart two clusters are: the smallest, mean or largest distance of their pixels.

    Returns
    -------
    ndarray of int of shape (height, width)
        Clusters from 0; -1 elsewhere.

    Raises
    ------
    ValueError
        If there are too many pixels for a table of their distances.
    """
    labels = single_linkage(strong, distance)
    if linkage == "single":
        return labels
    # The mean and the largest distance are no less than the smallest: no cluster goes over the bounds of a
    # cluster of single linkage, so each of these is a problem of its own.
    rows, columns = np.nonzero(strong)
    single = labels[strong]
    found, n_found = np.empty_like(single), 0
    sizes = np.bincount(single)
    if sizes.size and sizes.max() > MOST:
        raise ValueError(
            f"linkage={linkage!r} compares all pairs of pixels, of at most {MOST} that hang together. There "
            f"are {sizes.max()}. Raise the threshold, lower the distance, or use linkage='single', which has "
            "no limit."
        )
    for members in np.split(np.argsort(single, kind="stable"), np.cumsum(sizes)[:-1]):
        if len(members) == 1:
            own = np.ones(1, dtype=int)
        elif len(members):
            points = np.stack([rows[members], columns[members]], axis=1).astype(np.float64)
            own = fcluster(tree_of(points, linkage), distance, "distance")
        else:
            continue
        found[members] = n_found + own - 1
        n_found += own.max()
    labels = labels.copy()
    labels[strong] = found
    return labels
