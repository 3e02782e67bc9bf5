"""Regions of attribution maps: what is strong, what hangs together, and what a region is told to be."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from skmm.inspection import find_regions
from skmm.inspection._regions import COLUMNS

SHAPES = hnp.array_shapes(min_dims=2, max_dims=3, max_side=10).filter(lambda s: len(s) < 3 or s[2] <= 4)
MAPS = hnp.arrays(np.float64, SHAPES, elements=st.floats(-9, 9, width=16))


@pytest.fixture
def two():
    """A map of 30 x 40: a block of 3 x 4 pixels of 4, one of 2 x 2 of -3, one pixel of 2.4, and weak ones."""
    attribution = np.zeros((30, 40))
    attribution[5:8, 10:14] = 4
    attribution[20:22, 30:32] = -3
    attribution[2, 35] = 2.4
    attribution[12:18, 2:8] = 0.8
    return attribution


def test_a_region_is_told_by_circle_box_peak_and_score(two):
    """Every figure is that of the pixels of the block, and the labels name its pixels."""
    two[6, 12] = 5
    regions, labels = find_regions(two, 0.6, margin=0.5, outliers=0, return_labels=True)

    total = 11 * 4 + 5 + 4 * 3 + 2.4 + 36 * 0.8
    assert regions.to_dict("list") == {
        "sample": [0, 0], "region": [0, 1], "row": [6.0, 20.5], "column": [11.5, 30.5],
        "radius": pytest.approx([np.hypot(1, 1.5) + 0.5, np.hypot(0.5, 0.5) + 0.5]),
        "top": [5, 20], "left": [10, 30], "bottom": [8, 22], "right": [14, 32], "n_points": [12, 4],
        "peak_row": [6, 20], "peak_column": [12, 30], "peak": [1.0, 0.6],
        "score": pytest.approx([49 / total, 12 / total]), "attribution": [49.0, -12.0],
    }  # fmt: skip
    expected = np.full((30, 40), -1)
    expected[5:8, 10:14], expected[20:22, 30:32] = 0, 1
    np.testing.assert_array_equal(labels, expected)


def test_parameters_do_what_they_say(two):
    """Threshold, smallest number of pixels, sign, distance, weights of channels and the cut-off centre."""
    assert len(find_regions(two, 0.1)) == 3
    assert find_regions(two, 0.5, min_points=1)["n_points"].tolist() == [12, 4, 1]
    assert find_regions(two, 0.5, min_points=5)["n_points"].tolist() == [12]
    assert find_regions(two, 0.5, sign="positive")["attribution"].tolist() == [48]
    assert find_regions(two, 0.5, sign="negative")["attribution"].tolist() == [-12]
    far = np.hypot(20 - 7, 30 - 13)
    assert len(find_regions(two, 0.7, distance=far)) == 1
    assert len(find_regions(two, 0.7, distance=far - 1e-6)) == 2
    assert find_regions(two, 0.7, distance=far, linkage="complete")["n_points"].tolist() == [12, 4]
    cut = find_regions(two, 0.7, truncate=True, margin=0).iloc[0]
    assert (cut["row"], cut["column"], cut["radius"]) == (6, 11, np.hypot(1, 2))
    colours = np.stack([two, np.zeros_like(two)], axis=-1)
    colours[25:28, 5:8, 1] = 8
    assert len(find_regions(colours, 0.5)) == 2  # 3 is less than half of 8
    assert len(find_regions(colours, 0.5, channel_weights=[2, 1])) == 3
    assert find_regions(colours, 0.5, channel_weights=[1, 0], sign="positive")["attribution"].tolist() == [48]


@pytest.mark.parametrize("sign", ["absolute", "positive", "negative"])
@pytest.mark.parametrize("scale", ["max", "shared", "minmax", 2.0])
@pytest.mark.parametrize("linkage", ["single", "average", "complete"])
def test_none_one_or_all_pixels_above_the_threshold(sign, scale, linkage):
    """No strong pixel gives no region, one gives one or none by ``min_points``, and all give one of all."""
    options = {"sign": sign, "scale": scale, "linkage": linkage, "outliers": 0, "distance": 20}
    factor = -1 if sign == "negative" else 1
    single = np.zeros((6, 8))
    single[2, 3] = 5 * factor

    one, labels = find_regions(single, 0.9, min_points=1, return_labels=True, **options)
    assert one[["row", "column", "radius", "n_points", "peak_row"]].iloc[0].tolist() == [2, 3, 1, 1, 2]
    assert np.argwhere(labels == 0).tolist() == [[2, 3]]
    none, labels = find_regions(single, 0.9, return_labels=True, **options)
    assert len(none) == 0
    assert (labels == -1).all()
    everything = find_regions(single, 0.0, **options)
    assert everything["n_points"].tolist() == [48]
    assert everything[["top", "left", "bottom", "right"]].iloc[0].tolist() == [0, 0, 6, 8]
    weak = find_regions(single / 100, 1.0, **{**options, "scale": 2.0})
    assert len(weak) == 0
    assert list(none.columns) == list(COLUMNS)
    assert none.dtypes.equals(everything.dtypes)


@pytest.mark.parametrize("scale", ["max", "shared", "minmax", 0.5])
def test_a_map_that_is_the_same_everywhere_has_no_regions(scale):
    """Zeros, ones, and a single pixel stand out nowhere, smoothed or not; nor does what has no such sign."""
    for flat in (np.zeros((5, 5)), np.full((5, 5), 0.1), np.full((5, 5, 3), -0.3), np.ones((1, 1))):
        for smoothing in (0, 1.5):
            assert len(find_regions(flat, 0.5, scale=scale, smoothing=smoothing)) == 0
    rounded = np.full((9, 9, 3), 0.1) + 1e-17 * np.arange(243).reshape(9, 9, 3)
    assert len(find_regions(rounded, scale=scale, channel_weights=[0.114, 0.587, 0.299])) == 0
    almost = np.full((9, 9), 0.7)
    almost[2, 3] += 1e-15
    assert len(find_regions(almost, scale=scale, min_points=1)) == 0
    if scale != "minmax":
        assert len(find_regions(-np.eye(5) - 1, 0.5, scale=scale, sign="positive")) == 0


def test_an_extreme_pixel_hides_nothing(two):
    """One extreme pixel leaves the regions as they are; in the published procedure it hides them all."""
    regions = find_regions(two, 0.5)
    spoiled = two.copy()
    spoiled[28, 1] = 400
    again = find_regions(spoiled, 0.5)
    figures = ["row", "column", "radius", "n_points", "attribution"]

    pd.testing.assert_frame_equal(again[figures], regions[figures])
    assert len(find_regions(spoiled, 0.5, outliers=0)) == 0
    published = {"sign": "positive", "scale": "minmax", "outliers": 0}
    assert len(find_regions(spoiled, 0.5, **published)) == 0
    smooth = find_regions(spoiled, 0.5, smoothing=1)
    assert smooth["n_points"].tolist() == find_regions(two, 0.5, smoothing=1)["n_points"].tolist()
    few = np.zeros((50, 50))
    few[3, 3:5] = 1
    assert len(find_regions(few, outliers=0.01)) == 1  # fewer strong pixels than outliers: the maximum counts


def test_the_scale_is_of_one_image_or_of_all(two):
    """A weak image has the regions of a strong one by itself, and none on a scale of both or in units."""
    maps = [two, two / 100]

    own = find_regions(maps)
    shared = find_regions(maps, scale="shared")
    units = find_regions(maps, scale=4.0)

    assert own["sample"].tolist() == [0, 0, 1, 1]
    pd.testing.assert_frame_equal(shared, own[:2])
    pd.testing.assert_frame_equal(units, own[:2])
    pd.testing.assert_frame_equal(find_regions(two / 100, scale="shared"), find_regions(two / 100))


def test_minmax_scales_channels_together_before_they_are_joined():
    """The smallest and largest value of all channels are 0 and 1; outliers count at both ends."""
    rng = np.random.default_rng(0)
    attribution = rng.normal(size=(12, 15, 3))
    weights = np.array([0.2, 0.5, 0.3])
    low, high = attribution.min(), attribution.max()
    expected = ((attribution - low) / (high - low)) @ weights >= 0.55
    options = {"scale": "minmax", "channel_weights": 10 * weights, "min_points": 1, "return_labels": True}

    for sign, values in (("positive", attribution), ("negative", -attribution)):
        _, labels = find_regions(values, 0.55, sign=sign, outliers=0, **options)
        np.testing.assert_array_equal(labels >= 0, expected)
    ordered = np.sort(attribution.ravel())
    expected = ((attribution - ordered[6]) / (ordered[-7] - ordered[6])) @ weights >= 0.55
    _, labels = find_regions(attribution, 0.55, sign="positive", outliers=6 / 540, **options)
    np.testing.assert_array_equal(labels >= 0, expected)


def test_what_a_mask_leaves_out_has_no_influence(two):
    """Whatever stands outside the mask, NaN too, gives the regions of the rest; masks are one or several."""
    mask = np.ones((30, 40), dtype=bool)
    mask[:, :20] = False
    for smoothing in (0, 1):
        expected = find_regions(np.where(mask, two, 0), mask=mask, smoothing=smoothing)
        for value in (np.nan, np.inf, 1e6, -3):
            spoiled = np.where(mask, two, value)
            found = find_regions(spoiled, mask=mask, smoothing=smoothing)
            pd.testing.assert_frame_equal(found, expected)
    assert find_regions(two, mask=mask)["attribution"].tolist() == [-12]
    assert find_regions([two, two], mask=mask)["sample"].tolist() == [0, 1]
    assert find_regions([two, two], mask=[mask, ~mask])["attribution"].tolist() == [-12, 48]
    assert len(find_regions(two, mask=np.zeros_like(mask), smoothing=1)) == 0


def test_smoothing_is_a_mean_by_a_gaussian_that_knows_the_edges():
    """A map of one value keeps it up to the edge; noise between neighbours is gone, and the blob is one."""
    rng = np.random.default_rng(0)
    rows, columns = np.indices((40, 40))
    blob = np.exp(-((rows - 2) ** 2 + (columns - 20) ** 2) / 30)
    noisy = blob * rng.choice([-0.5, 1.5], size=blob.shape, p=[0.4, 0.6])

    smooth = find_regions(noisy, 0.5, smoothing=2, distance=1)
    raw = find_regions(noisy, 0.5, distance=1)

    assert len(smooth) == 1 < len(raw)
    assert smooth[["row", "column"]].iloc[0].tolist() == pytest.approx([2, 20], abs=2)
    assert smooth["attribution"].iloc[0] == pytest.approx(
        noisy[find_regions(noisy, 0.5, smoothing=2, distance=1, return_labels=True)[1] == 0].sum()
    )
    step = np.ones((10, 30))
    step[:, 15:] = 0.2
    _, labels = find_regions(step, 0.99, smoothing=1, return_labels=True)
    assert (labels[:, :11] == 0).all()  # the edge is no weaker than the middle
    assert (labels[:, 15:] == -1).all()


@given(
    attribution=MAPS,
    threshold=st.sampled_from([0.1, 0.5, 0.9]),
    linkage=st.sampled_from(["single", "complete"]),
)
@settings(deadline=None, max_examples=80)
def test_labels_and_table_agree(attribution, threshold, linkage):
    """Of any map: pixels of a region lie in its circle and box; its figures are those of its labels."""
    regions, labels = find_regions(attribution, threshold, linkage=linkage, distance=3, return_labels=True)
    amounts = attribution.reshape(*attribution.shape[:2], -1).sum(axis=2)

    assert regions["region"].tolist() == list(range(labels.max() + 1))
    assert regions["score"].is_monotonic_decreasing
    assert regions["score"].sum() <= 1 + 1e-9
    for region in regions.itertuples():
        rows, columns = np.nonzero(labels == region.region)
        assert region.n_points == len(rows) >= 2
        assert np.hypot(rows - region.row, columns - region.column).max() <= region.radius - 1 + 1e-9
        box = (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)
        assert box == (region.top, region.left, region.bottom, region.right)
        assert labels[region.peak_row, region.peak_column] == region.region
        assert region.peak >= threshold
        np.testing.assert_allclose(region.attribution, amounts[rows, columns].sum(), atol=1e-9)


@given(attribution=MAPS, factor=st.sampled_from([0.25, 8.0]))
@settings(deadline=None, max_examples=40)
def test_units_and_channels_without_weight_change_nothing(attribution, factor):
    """Maps in other units have the same regions, and so have maps with a channel of zero added."""
    regions = find_regions(attribution)
    scaled = find_regions(factor * attribution)

    pd.testing.assert_frame_equal(scaled.drop(columns="attribution"), regions.drop(columns="attribution"))
    np.testing.assert_allclose(scaled["attribution"], factor * regions["attribution"])
    if attribution.ndim == 2:
        stacked = np.stack([attribution, 0 * attribution], axis=-1)
        pd.testing.assert_frame_equal(find_regions(stacked), regions)


def test_several_images_are_a_list_or_have_four_axes(two):
    """Each image is treated by itself, of whatever size; the labels are a list, that of one image no list."""
    small = two[:20, :15]
    regions, labels = find_regions([two, small, two[..., None]], return_labels=True)

    assert [array.shape for array in labels] == [(30, 40), (20, 15), (30, 40)]
    for sample, one in enumerate((two, small, two)):
        own = regions[regions["sample"] == sample].reset_index(drop=True)
        pd.testing.assert_frame_equal(own.assign(sample=0), find_regions(one))
    stacked, labels = find_regions(np.stack([two, two])[..., None], return_labels=True)
    assert stacked["sample"].tolist() == [0, 0, 1, 1]
    assert isinstance(labels, list)
    assert len(find_regions([])) == 0


def test_the_map_of_the_caller_is_left_alone(two, tmp_path):
    """A read-only file on disk is a map; integers and lists are, too; nothing is written."""
    path = tmp_path / "map.npy"
    np.save(path, two)
    expected = find_regions(two)
    before = two.copy()

    pd.testing.assert_frame_equal(find_regions(np.load(path, mmap_mode="r"), smoothing=0), expected)
    find_regions(two, smoothing=2, scale="minmax", mask=np.eye(30, 40, dtype=bool))
    np.testing.assert_array_equal(two, before)
    pd.testing.assert_frame_equal(
        find_regions((10 * two).astype(np.int16)).drop(columns="attribution"),
        find_regions(10 * two).drop(columns="attribution"),
    )
    pd.testing.assert_frame_equal(find_regions(two.astype(np.float32)[..., None]), find_regions(
        two.astype(np.float32)
    ))  # fmt: skip


def test_wrong_arguments_are_refused(two):
    """Messages name the argument, what is allowed, and what came; those on data say which image and pixel."""
    for name, value, allowed in [
        ("threshold", 1.2, r"a float in the range \[0, 1\]. Got 1.2"),
        ("threshold", np.nan, r"a float in the range \[0, 1\]"),
        ("distance", -1, r"a float in the range \[0, inf\)"),
        ("min_points", 0, r"an int in the range \[1, inf\)"),
        ("min_points", 2.5, "an int"),
        ("margin", "5", "a float"),
        ("linkage", "ward", "'single' or 'average' or 'complete'. Got 'ward'"),
        ("sign", None, "'absolute' or 'positive' or 'negative'"),
        ("scale", 0, r"'max' or 'shared' or 'minmax' or a float in the range \(0, inf\)"),
        ("outliers", 1, r"a float in the range \[0, 1\)"),
        ("smoothing", -0.1, r"a float in the range \[0, inf\)"),
        ("truncate", 1, "True or False"),
        ("return_labels", "yes", "True or False"),
    ]:
        with pytest.raises(ValueError, match=rf"^The '{name}' parameter of find_regions must be {allowed}"):
            find_regions(two, **{name: value})
    hole = two.copy()
    hole[3, 4] = hole[5, 5] = np.nan
    for bad, options, message in [
        (
            [two, hole],
            {},
            "of image 1 must be finite. 2 pixels are NaN .* the first at row 3, column 4",
        ),
        (np.ones((3, 9, 9)), {}, r"Got \(3, 9, 9\). Hand over several images as a list"),
        (np.ones(4), {}, r"must have shape \(height, width\)"),
        (np.ones((0, 4)), {}, r"Got \(0, 4\)"),
        (np.array([["a"]]), {}, "must be an array of numbers. Got dtype <U1"),
        (two, {"mask": np.ones((30, 40))}, r"must be bool, of shape \(30, 40\). Got float64"),
        (two, {"mask": np.ones((30, 39), dtype=bool)}, r"Got bool, \(30, 39\)"),
        ([two, two], {"mask": [None]}, "one for each of 2 maps. Got 1"),
        (two, {"channel_weights": [1, 2]}, r"must be 1 numbers, one a channel.* Got \[1, 2\]"),
        (two, {"channel_weights": [0]}, "not all 0"),
        (two, {"channel_weights": [-1]}, "at least 0"),
    ]:
        with pytest.raises(ValueError, match=message):
            find_regions(bad, **options)
