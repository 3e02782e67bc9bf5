"""Regions against known lesions: every figure by hand on images whose lesions are known."""

import numpy as np
import pandas as pd
import pytest
from sklearn.utils import check_random_state

from skmm.inspection import find_regions, region_curve


def block(*boxes, shape=(40, 50)):
    """A map with blocks of given strengths: (top, left, bottom, right, strength)."""
    attribution = np.zeros(shape)
    for top, left, bottom, right, strength in boxes:
        attribution[top:bottom, left:right] = strength
    return attribution


@pytest.fixture
def known():
    """Four maps and the boxes of their lesions.

    In the first both lesions are hit, one weakly; in the second a false region has the highest score, beside
    the lesion; the third has no lesion; the lesion of the fourth leaves no trace.
    """
    maps = [
        block((2, 2, 8, 8, 1.0), (20, 20, 24, 26, 0.5)),
        block((10, 10, 13, 13, 0.9), (30, 30, 36, 36, 1.0)),
        block((5, 5, 7, 7, 1.0), (30, 5, 32, 7, 0.3)),
        block(),
    ]
    boxes = [[[1, 1, 9, 9], [20, 20, 24, 26]], [[10, 10, 14, 14]], np.zeros((0, 4)), [[0, 0, 10, 5]]]
    return maps, boxes


def masks_of(boxes, shape=(40, 50)):
    """The masks that hold the same as boxes."""
    masks = []
    for own in boxes:
        mask = np.zeros(shape, dtype=bool)
        for top, left, bottom, right in own:
            mask[top:bottom, left:right] = True
        masks.append(mask)
    return masks


def test_every_figure_is_the_one_counted_by_hand(known):
    """Hit rate, false regions, precision, pointing game and IoU at two thresholds, of boxes and of masks."""
    maps, boxes = known
    expected = pd.DataFrame(
        {
            "threshold": [0.25, 0.7],
            "hit_rate": [3 / 4, 2 / 4],
            "false_regions": [3 / 4, 2 / 4],
            "precision": [3 / 6, 2 / 4],
            "pointing_game": [1 / 3, 1 / 3],
            # boxes of the regions: 36 + 24 of 64 + 24 pixels; 9 of 16 + 36; nothing of 50
            "iou": [(60 / 88 + 9 / 52 + 0) / 3, (36 / 88 + 9 / 52 + 0) / 3],
            "n_images": [4, 4],
            "n_lesions": [4, 4],
            "n_regions": [6, 4],
        }
    )

    for truth in (boxes, masks_of(boxes), [mask.astype(np.uint8) * 255 for mask in masks_of(boxes)]):
        curve = region_curve(maps, truth, [0.7, 0.25], extent="box", outliers=0)
        pd.testing.assert_frame_equal(curve, expected)


def test_counts_of_each_image(known):
    """A row a threshold and image, from which the figures of all follow; NaN where there is no lesion."""
    maps, boxes = known

    images = region_curve(maps, boxes, [0.25, 0.7], per_image=True, extent="box", outliers=0)

    assert images["threshold"].tolist() == [0.25] * 4 + [0.7] * 4
    first = images[:4].drop(columns="threshold")
    assert first.iloc[:, :5].to_dict("list") == {
        "sample": [0, 1, 2, 3], "n_lesions": [2, 1, 0, 1], "n_hit": [2, 1, 0, 0],
        "n_regions": [2, 2, 2, 0], "n_false": [0, 1, 2, 0],
    }  # fmt: skip
    np.testing.assert_array_equal(first["pointing_game"], [1, 0, np.nan, 0])
    np.testing.assert_allclose(first["iou"], [60 / 88, 9 / 52, np.nan, 0])


def test_what_divides_by_nothing_is_nan():
    """Without lesions only false regions and the precision count; without regions the precision is NaN."""
    spots = [block((5, 5, 7, 7, 1.0)), block()]

    nothing = region_curve(spots, [None, np.zeros((40, 50), dtype=bool)], [0.5]).iloc[0]
    assert nothing[["hit_rate", "pointing_game", "iou"]].isna().all()
    assert nothing[["false_regions", "precision", "n_lesions"]].tolist() == [0.5, 0, 0]
    blank = region_curve([block(), block()], [[[1, 1, 5, 5]], None], [0.5]).iloc[0]
    assert np.isnan(blank["precision"])
    assert blank[["hit_rate", "false_regions", "pointing_game", "iou", "n_regions"]].tolist() == [0] * 5


def test_criteria_differ_where_they_should():
    """A ring is found by its peak, not by its centre; IoU asks for the size as well."""
    ring = block((10, 10, 21, 21, 1.0))
    ring[11:20, 11:20] = 0
    ring[10, 10] = 2
    lesion = [[10, 10, 12, 12]]

    def hit(criterion, **options):
        curve = region_curve([ring], [lesion], [0.4], criterion=criterion, outliers=0, **options)
        return curve["hit_rate"].item(), curve["false_regions"].item()

    assert hit("center") == (0, 1)
    assert hit("peak") == (1, 0)
    assert hit("iou", extent="box", min_iou=4 / 121) == (1, 0)
    assert hit("iou", extent="box", min_iou=4 / 121 + 1e-9) == (0, 1)
    assert hit("iou", extent="pixels", min_iou=3 / 41) == (1, 0)
    assert hit("iou", extent="pixels", min_iou=3 / 41 + 1e-9) == (0, 1)


def test_extents_are_the_pixels_that_they_name():
    """Circles end at the edges of the image, boxes hold what lies between, pixels are the strong ones."""
    attribution = block((0, 0, 3, 1, 1.0), (0, 0, 1, 4, 1.0))
    everywhere = np.ones((40, 50), dtype=bool)
    region = find_regions(attribution, outliers=0).iloc[0]
    rows, columns = np.indices((40, 50))
    circle = (np.hypot(rows - region["row"], columns - region["column"]) <= region["radius"]).sum()

    for extent, size in (("pixels", 6), ("box", 12), ("circle", circle)):
        curve = region_curve([attribution], [everywhere], [0.5], extent=extent, outliers=0)
        assert curve["iou"].item() == pytest.approx(size / 2000)


def test_lesions_that_touch_are_one_and_boxes_may_overlap():
    """A mask's pixels that touch over a corner are one lesion; a region may find several boxes at once."""
    mask = np.zeros((40, 50), dtype=bool)
    mask[2:5, 2:5] = mask[5:8, 5:8] = True
    mask[20:22, 20:22] = True
    attribution = block((2, 2, 5, 5, 1.0))

    assert region_curve([attribution], [mask], [0.5]).iloc[0]["n_lesions"] == 2
    boxes = pd.DataFrame({"left": [2, 1], "top": [2, 1], "right": [5, 6], "bottom": [5, 6]})
    curve = region_curve([attribution], [boxes], [0.5]).iloc[0]
    assert curve[["n_lesions", "hit_rate", "precision"]].tolist() == [2, 1, 1]


def make_lesions(n_images, random_state):
    """Noisy maps with 0 to 2 blobs, one extreme pixel each, and the masks of the blobs."""
    rng = check_random_state(random_state)
    rows, columns = np.indices((64, 64))
    maps, masks = [], []
    for number in range(n_images):
        attribution, mask = 0.15 * rng.normal(size=(64, 64)), np.zeros((64, 64), dtype=bool)
        for _ in range(number % 3):
            row, column = rng.randint(10, 54, size=2)
            distance = ((rows - row) / rng.uniform(3, 7)) ** 2 + ((columns - column) / rng.uniform(3, 7)) ** 2
            attribution += np.exp(-distance) * rng.normal(1, 0.8, size=distance.shape)
            mask |= distance <= 1
        attribution[rng.randint(64), rng.randint(64)] = rng.choice([-12, 12])
        maps.append(attribution)
        masks.append(mask)
    return maps, masks


def test_lesions_are_found_where_the_published_procedure_finds_outliers():
    """On noisy maps with extreme pixels a shared scale and smoothing hit most, with few false regions."""
    maps, masks = make_lesions(18, 0)
    published = {
        "distance": 10, "margin": 5, "sign": "positive", "scale": "minmax", "outliers": 0, "truncate": True
    }  # fmt: skip

    ours = region_curve(maps, masks, [0.3, 0.4, 0.5], smoothing=1.5, scale="shared")
    theirs = region_curve(maps, masks, **published)

    best = ours.iloc[1]
    assert best["hit_rate"] > 0.8
    assert best["false_regions"] < 0.2
    assert best["pointing_game"] > 0.9
    assert best["iou"] > 0.4
    assert theirs["hit_rate"].max() < 0.6
    assert ours["n_regions"].is_monotonic_decreasing
    assert ours["false_regions"].is_monotonic_decreasing


def test_a_curve_is_the_regions_of_each_threshold(known):
    """Numbers of regions are those of `find_regions`, with the same arguments, of all images together."""
    maps, boxes = known
    options = {"scale": "shared", "min_points": 1, "linkage": "complete", "distance": 6}

    curve = region_curve(maps, boxes, **options)

    np.testing.assert_allclose(curve["threshold"], np.arange(1, 10) / 10)
    expected = [len(find_regions(maps, threshold, **options)) for threshold in curve["threshold"]]
    assert curve["n_regions"].tolist() == expected


@pytest.mark.parametrize("scale", ["max", "shared"])
def test_memory_does_not_grow_with_images(scale):
    """One map after the other is read, also where the scale is that of all."""
    import tracemalloc

    attribution = np.random.default_rng(0).normal(size=(128, 128))
    peaks = []
    for n_images in (3, 30):
        tracemalloc.start()
        region_curve([attribution] * n_images, [None] * n_images, [0.8], scale=scale)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()

    assert peaks[1] < 1.5 * peaks[0]


def test_wrong_arguments_are_refused(known):
    """Messages say what was expected, and which image is wrong."""
    maps, boxes = known
    wrong = [*boxes[:3], np.ones((7, 7), dtype=bool)]
    for truth, options, message in [
        (boxes[:3], {}, "an entry for each of 4 maps. Got 3"),
        (wrong, {}, r"truth of image 3 must be a mask .* of shape \(40, 50\), boxes .* Got bool, \(7, 7\)"),
        ([*boxes[:3], [[5, 5, 2, 9]]], {}, "hold a pixel .* Image 3 has"),
        ([*boxes[:3], pd.DataFrame({"x": [1]})], {}, r"image 3 must have columns \['top'"),
        ({"a": 1}, {}, "truth must be a list, one entry an image. Got dict"),
        (boxes, {"thresholds": [0.5, 2]}, r"thresholds must be numbers from 0 to 1. Got \[0.5, 2\]"),
        (boxes, {"thresholds": []}, "thresholds must be numbers"),
        (
            boxes,
            {"criterion": "near"},
            "'criterion' parameter of region_curve must be .* Got 'near'",
        ),
        (boxes, {"extent": "mask"}, "'extent' parameter of region_curve must be"),
        (
            boxes,
            {"min_iou": 0},
            r"'min_iou' parameter of region_curve must be .*\(0, 1\]. Got 0",
        ),
        (boxes, {"threshold": 0.5}, r"passes on the arguments .* of find_regions. Got \['threshold'\]"),
        (boxes, {"linkage": "ward"}, "The 'linkage' parameter of find_regions must be"),
    ]:
        with pytest.raises(ValueError, match=message):
            region_curve(maps, truth, **options)
    with pytest.raises(ValueError, match="at least one map. Got none"):
        region_curve([], [])
