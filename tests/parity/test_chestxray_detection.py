"""Regions are those of the system in which they were published, from its attribution map."""

import os
from pathlib import Path

import numpy as np
import pytest

from skmm.inspection import find_regions

PUBLISHED = {
    "distance": 10, "margin": 5, "sign": "positive", "scale": "minmax", "outliers": 0,
    "channel_weights": (0.114, 0.587, 0.299), "truncate": True,
}  # fmt: skip


def _fixture():
    """Return the recorded numbers of the original system; skip where they are not at hand."""
    folder = os.environ.get("SKMM_TEST_DATA")
    path = None if folder is None else Path(folder).parent / "facts" / "parity" / "chestxray_detection.npz"
    if path is None or not path.exists():
        pytest.skip("the recorded numbers of the original systems are not beside SKMM_TEST_DATA")
    return dict(np.load(path))


@pytest.mark.parametrize("threshold", [0.4, 0.5, 0.6, 0.7])
def test_regions_are_the_published_ones(threshold):
    """The strong pixels, their partition, the centres cut off to whole pixels and the radii are the same."""
    recorded = _fixture()
    points, labels = recorded[f"points_{threshold}"], recorded[f"labels_{threshold}"]
    kept = np.bincount(labels)[labels] >= 2

    regions, ours = find_regions(recorded["attribution"], threshold, return_labels=True, **PUBLISHED)
    _, alone = find_regions(recorded["attribution"], threshold, return_labels=True, min_points=1, **PUBLISHED)

    assert set(zip(*np.nonzero(alone >= 0), strict=True)) == {(y, x) for x, y in points}
    assert set(zip(*np.nonzero(ours >= 0), strict=True)) == {(y, x) for x, y in points[kept]}
    pairs = set(zip(labels[kept], ours[points[kept, 1], points[kept, 0]], strict=True))
    assert len(pairs) == len(regions) == len(np.unique(labels[kept]))  # one of ours is one of theirs
    theirs = [theirs for theirs, _ in sorted(pairs, key=lambda pair: pair[1])]
    order = [sorted(np.unique(labels[kept])).index(label) for label in theirs]
    np.testing.assert_array_equal(regions[["column", "row"]], recorded[f"centers_{threshold}"][order])
    np.testing.assert_allclose(regions["radius"], recorded[f"radii_{threshold}"][order], rtol=0, atol=1e-12)
