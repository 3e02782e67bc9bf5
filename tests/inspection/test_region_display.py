"""Regions over images: what is drawn is where it says, and nothing is drawn into the caller's images."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from matplotlib.patches import Circle, Rectangle
from sklearn.pipeline import make_pipeline

from skmm import ModalityDict
from skmm.compose import ModalityTransformer
from skmm.fusion import HEALNetClassifier
from skmm.inspection import RegionDisplay, attribute, find_regions
from skmm.inspection._region_drawing import strongest
from skmm.preprocessing import GrayscaleNormalizer


@pytest.fixture
def seen():
    """Maps and images of four samples; the second has no image; regions for the class, and against it."""
    maps = np.zeros((4, 30, 40))
    maps[0, 4:9, 6:12] = 0.8
    maps[0, 20:23, 30:36] = -0.6
    maps[2, 25:29, 1:4] = 0.02
    maps[3] = 0.5
    images = np.random.default_rng(0).integers(0, 256, size=(4, 30, 40)).astype(np.uint8)
    X = ModalityDict(
        {"xray": images, "clinical": np.ones((4, 2))}, present={"xray": np.arange(4) != 1}, index=list("abcd")
    )
    return maps, X


def drawn(axes, kind=Circle):
    """The shapes of one kind on an Axes."""
    return [patch for patch in axes.patches if isinstance(patch, kind)]


def titles(display):
    """Titles of all panels."""
    return [axes.get_title() for axes in display.axes_]


def test_image_map_and_regions_stand_side_by_side(seen):
    """Of each present sample the image, the map in multiples of its largest, and circles as in the table."""
    maps, X = seen

    display = RegionDisplay.from_predictions({"xray": maps}, X, samples=4)

    expected = find_regions(list(maps))
    assert display.rows_.tolist() == [0, 2, 3]
    pd.testing.assert_frame_equal(display.regions_, expected)
    assert titles(display) == [
        "a", "attribution", "2 regions", "c", "attribution", "1 region", "d", "attribution", "no regions"
    ]  # fmt: skip
    for number, row in enumerate(display.rows_):
        image, heat, regions = display.axes_[3 * number : 3 * number + 3]
        for panel in (image, regions):
            np.testing.assert_allclose(panel.images[0].get_array(), X["xray"][row] / 255)
        largest = np.abs(maps[row]).max()
        np.testing.assert_allclose(heat.images[0].get_array(), maps[row] / largest)
        own = expected[expected["sample"] == row]
        circles = [(*circle.center, circle.radius) for circle in drawn(regions)]
        np.testing.assert_allclose(np.reshape(circles, (-1, 3)), own[["column", "row", "radius"]])
        assert [text.get_text() for text in regions.texts] == [str(r + 1) for r in own["region"]]
        assert regions.get_xlim() == (-0.5, 39.5)
        assert regions.get_ylim() == (29.5, -0.5)
    first = drawn(display.axes_[2])
    assert [to_hex(circle.get_edgecolor()) for circle in first] == ["#d55e00", "#0072b2"]
    assert [circle.get_linestyle() == "-" for circle in first] == [True, False]
    labels = [text.get_text() for text in display.figure_.legends[0].get_texts()]
    assert labels == ["speaks for the class", "speaks against it"]
    display.figure_.canvas.draw()


def test_zero_is_white_and_signs_have_a_colour(seen):
    """Maps of both signs diverge from white at zero; those without values below it have the red half only."""
    maps, X = seen

    def color(axes, value):
        picture = axes.images[-1]
        return picture.cmap(picture.norm(value))[:3]

    both = RegionDisplay.from_predictions({"xray": maps}, X, samples=[0], panels="map").axes_[0]
    positive = RegionDisplay.from_predictions({"xray": np.abs(maps)}, X, samples=[0], panels="map").axes_[0]

    assert (both.images[-1].norm.vmin, both.images[-1].norm.vmax) == (-1, 1)
    assert (positive.images[-1].norm.vmin, positive.images[-1].norm.vmax) == (0, 1)
    for axes in (both, positive):
        assert min(color(axes, 0.0)) > 0.95
        assert color(axes, 0.8)[0] > 2 * color(axes, 0.8)[2]  # red
    assert color(both, -0.8)[2] > 2 * color(both, -0.8)[0]  # blue
    np.testing.assert_allclose(color(both, 1.0), color(positive, 1.0))


def test_the_threshold_is_marked_at_the_colour_bar(seen):
    """At either side, or that of the sign asked for; not where the scale does not begin at zero."""
    maps, X = seen
    for options, expected in [
        ({"threshold": 0.6}, [0.6, -0.6]),
        ({"threshold": 0.6, "sign": "negative"}, [-0.6]),
        ({"scale": "minmax"}, []),
    ]:
        display = RegionDisplay.from_predictions({"xray": maps}, X, samples=[0], regions=options)
        bar = next(axes for axes in display.axes_[0].figure.axes if axes not in display.axes_)
        assert [line.get_ydata()[0] for line in bar.lines if len(set(line.get_ydata())) == 1] == expected


@pytest.mark.parametrize("writeable", [True, False])
def test_nothing_is_drawn_into_what_the_caller_hands_over(seen, writeable):
    """Images, maps and lesions hold the same bytes afterwards, also where they may be written to."""
    maps, X = seen
    images = np.array(X["xray"])
    truth = np.zeros((4, 30, 40), dtype=bool)
    truth[:, 3:9, 5:12] = True
    given = (maps, images, truth)
    before = [array.copy() for array in given]
    for array in given:
        array.flags.writeable = writeable

    display = RegionDisplay.from_predictions(maps, images, truth=truth, samples=4, shape="both")
    display.figure_.canvas.draw()

    for array, old in zip(given, before, strict=True):
        np.testing.assert_array_equal(array, old)
        assert not any(np.shares_memory(array, axes.images[0].get_array()) for axes in display.axes_)


def test_boxes_and_their_number_are_those_of_the_table(seen):
    """Boxes go round the pixels that they hold; only the regions with the highest scores are drawn."""
    maps, X = seen
    region = find_regions(maps[0]).iloc[0]

    display = RegionDisplay.from_predictions(
        {"xray": maps}, X, samples=[0], panels=["regions"], shape="both", n_regions=1
    )

    (box,) = drawn(display.axes_[0], Rectangle)
    assert (box.get_x(), box.get_y()) == (region["left"] - 0.5, region["top"] - 0.5)
    assert box.get_width() == region["right"] - region["left"]
    assert box.get_height() == region["bottom"] - region["top"]
    assert len(drawn(display.axes_[0])) == 1
    assert titles(display) == ["a, 1 of 2 regions"]
    assert len(display.regions_) == 2


def test_known_lesions_are_outlined_along_their_pixels(seen):
    """The outline of a mask, or of a box, is the edge of its pixels, in the image and under the regions."""
    maps, X = seen
    mask = np.zeros((30, 40), dtype=bool)
    mask[3:5, 7:10] = True
    for truth in ([mask] * 4, [[[3, 7, 5, 10]]] * 4):
        display = RegionDisplay.from_predictions({"xray": maps}, X, truth=truth, samples=[0])

        image, heat, regions = display.axes_
        for panel in (image, regions):
            lines = [lines for lines in panel.collections if isinstance(lines, LineCollection)]
            segments = np.array(lines[-1].get_segments())
            assert len(segments) == 2 * (2 + 3)
            assert segments[..., 0].min() == 6.5
            assert segments[..., 0].max() == 9.5
            assert (segments[..., 1].min(), segments[..., 1].max()) == (2.5, 4.5)
            assert np.linalg.norm(segments[:, 1] - segments[:, 0], axis=1).tolist() == [1] * 10
        assert not [lines for lines in heat.collections if isinstance(lines, LineCollection)]
        assert display.figure_.legends[0].get_texts()[-1].get_text() == "known lesion"


def test_without_images_regions_lie_over_the_maps(seen):
    """One panel a sample; a map without anything in it is a sample all the same, None and NaN are not."""
    maps, _ = seen
    nothing = np.zeros((30, 40))

    display = RegionDisplay.from_predictions([maps[0], None, nothing, np.full((30, 40), np.nan)])
    single = RegionDisplay.from_predictions(maps[0])

    assert display.rows_.tolist() == [0, 2]
    assert titles(display) == ["row 0, 2 regions", "row 2, no regions"]
    assert len(drawn(display.axes_[0])) == 2
    np.testing.assert_allclose(display.axes_[1].images[0].get_array(), nothing)
    assert titles(single) == ["row 0, 2 regions"]
    absent = RegionDisplay.from_predictions([None])
    assert [text.get_text() for text in absent.axes_[0].texts] == ["image: no sample has it"]


def test_regions_follow_their_options_or_are_given(seen):
    """A shared scale is of all samples, shown or not; masks are of each; a table is drawn as it is."""
    maps, X = seen
    shared = RegionDisplay.from_predictions({"xray": maps}, X, samples=[2], regions={"scale": "shared"})
    assert len(shared.regions_) == 0
    np.testing.assert_allclose(shared.axes_[1].images[0].get_array(), maps[2] / 0.8)

    masks = list(np.ones((4, 30, 40), dtype=bool))
    masks[0][:15] = False
    masked = RegionDisplay.from_predictions({"xray": maps}, X, samples=[0], regions={"mask": masks})
    assert masked.regions_["attribution"].tolist() == pytest.approx([-0.6 * 18])

    table = find_regions(list(maps))
    table = table[table["attribution"] < 0]
    given = RegionDisplay.from_predictions({"xray": maps}, X, regions=table)
    pd.testing.assert_frame_equal(given.regions_, table)
    assert [len(drawn(axes)) for axes in given.axes_[2::3]] == [1, 0, 0]


def test_classes_are_shown_in_turn_on_the_axes_of_the_caller(seen):
    """Labels are titles, without formulas; colour images and channels of maps are taken as they are."""
    maps, X = seen
    images = np.repeat(np.array(X["xray"])[..., None], 3, axis=3)
    figure, ax = plt.subplots(2, 3)

    display = RegionDisplay.from_predictions(
        np.stack([maps, 0 * maps], axis=-1), images, ["$b", "$b", "a$", "a$"], samples=2, ax=ax
    )

    assert display.rows_.tolist() == [0, 2]
    assert titles(display)[::3] == ["$b", "a$"]
    assert display.figure_ is figure
    assert display.axes_ == list(ax.ravel())
    assert display.axes_[0].images[0].get_array().shape == (30, 40, 3)
    assert display.axes_[0].get_legend() is not None
    figure.canvas.draw()


def test_large_maps_lose_no_pixel():
    """A map in fewer pixels shows the strongest value of each block, with its sign."""
    values = np.zeros((7, 10))
    values[0, 0], values[3, 4], values[6, 9] = 2, -3, 1

    small = strongest(values, side=5)

    expected = np.zeros((4, 5))
    expected[0, 0], expected[1, 2], expected[3, 4] = 2, -3, 1
    np.testing.assert_array_equal(small, expected)
    assert strongest(values) is values
    large = np.zeros((1700, 900))
    large[1699, 899] = 1
    display = RegionDisplay.from_predictions([large], regions={"min_points": 1})
    heat = display.axes_[0].images[0]
    assert heat.get_array()[-1, -1] == 1
    assert heat.get_extent() == [-0.5, 899.5, 1700.5, -0.5]
    assert display.axes_[0].get_ylim() == (1699.5, -0.5)


def test_numbers_stand_in_the_image_and_apart():
    """At the edges numbers lie inwards, and neighbours have theirs at different corners."""
    maps = np.zeros((60, 60))
    for row, column in ((0, 0), (0, 55), (55, 0), (55, 55), (28, 28), (28, 36)):
        maps[row : row + 5, column : column + 5] = 1

    display = RegionDisplay.from_predictions([maps], regions={"distance": 2}, n_regions=6)

    places = np.array([text.xy for text in display.axes_[0].texts])
    assert len(places) == 6
    assert places.min() >= 0
    assert places.max() <= 59
    apart = np.abs(places[:, None] - places[None]).max(axis=2) + 60 * np.eye(6)
    assert apart.min() > 4


def test_wrong_arguments_are_refused(seen):
    """Messages say what was expected."""
    maps, X = seen
    for attribution, images, options, message in [
        ({"xray": maps, "ct": maps}, None, {}, "modality must be one of .* as there are several"),
        (maps, X, {}, r"modality must be one of \['xray', 'clinical'\]"),
        ({"xray": maps}, X, {"modality": "ct"}, "modalities must be among"),
        (maps, X, {"modality": "clinical"}, "'clinical' of X must be of kind image. It is of kind table"),
        (maps[:, :20], X, {"modality": "xray"}, "the size of its image, 30 x 40 .* Got 20 x 40"),
        (maps[:3], X, {"modality": "xray"}, "as many samples as 'xray' has rows, 3. Got 4"),
        (maps, None, {"panels": "image"}, 'may hold "image" only where X holds the images'),
        (maps, None, {"panels": "heat"}, r"panels must be some of \['image', 'map', 'regions'\]. Got 'heat'"),
        (maps, None, {"shape": "square"}, "'shape' parameter of RegionDisplay must be 'circle'"),
        (maps, None, {"n_regions": 0}, r"'n_regions' parameter of RegionDisplay must be .* Got 0"),
        (maps, None, {"regions": 0.5}, "regions must be a dict or a DataFrame. Got float"),
        (maps, None, {"regions": {"sight": 1}}, r"RegionDisplay passes on the arguments .* Got \['sight'\]"),
        (maps, None, {"regions": pd.DataFrame({"row": [1]})}, "It lacks"),
        (maps, None, {"truth": [None]}, "truth must have an entry for each of 4 maps. Got 1"),
        (maps, None, {"samples": [7]}, "samples must be rows of the 4 samples"),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match=message):
            RegionDisplay.from_predictions(attribution, images, **options)


@pytest.fixture(scope="module")
def explained():
    """A pipeline that resizes images, fitted, and its X: twelve images of two modalities and a table."""
    rng = np.random.default_rng(0)
    images = rng.uniform(size=(12, 20, 24))
    X = ModalityDict(
        {"scan": images, "other": images[:, ::-1], "age": rng.normal(size=(12, 1))},
        present={"scan": np.arange(12) != 1},
    )
    network = HEALNetClassifier(2, 8, depth=1, patch_size=8, max_epochs=1, random_state=0)
    pipeline = make_pipeline(ModalityTransformer({"scan": GrayscaleNormalizer(16)}), network)
    return pipeline.fit(X, np.array(["ill", "well"] * 6)), X


def test_an_estimator_is_explained_for_the_samples_that_are_shown(explained, monkeypatch):
    """Maps are those of `attribute` over the original images; nothing else is explained."""
    model, X = explained
    seen = []

    def counted(model, X, *args, **options):
        seen.append(len(X))
        return attribute(model, X, *args, **options)

    monkeypatch.setattr("skmm.inspection._region_display.attribute", counted)
    options = {"method": "input_x_gradient"}
    y, targets = np.array(["ill", "well"] * 6), np.array(["well"] * 6 + ["ill"] * 6)

    display = RegionDisplay.from_estimator(
        model, X, y, modality="scan", target=targets, explain=options, samples=4, regions={"margin": 2}
    )

    expected = attribute(model, X, targets, **options).maps("scan")
    assert display.rows_.tolist() == [0, 3, 2, 5]  # of both classes in turn, without the one that is missing
    assert seen == [4]
    for row in range(12):
        if row in display.rows_:
            assert display.attribution[row].shape == (20, 24)
            np.testing.assert_allclose(display.attribution[row], expected[row], atol=1e-12)
        else:
            assert display.attribution[row] is None
    assert set(display.regions_["sample"]) == {0, 2, 3, 5}
    assert len(display.axes_) == 12


def test_all_are_explained_where_strength_is_shared(explained):
    """With scale="shared" the largest of all samples that have the image counts."""
    model, X = explained
    options = {"method": "input_x_gradient"}

    display = RegionDisplay.from_estimator(
        model, X, modality="scan", target="ill", explain=options, samples=[4], regions={"scale": "shared"}
    )

    maps = attribute(model, X, "ill", **options).maps("scan")
    expected = find_regions([maps[row] for row in range(12) if row != 1], scale="shared")
    found = display.regions_.drop(columns="sample").reset_index(drop=True)
    expected = expected[expected["sample"] == 3].drop(columns="sample").reset_index(drop=True)
    pd.testing.assert_frame_equal(found, expected, atol=1e-9)


def test_the_images_of_an_estimator_are_named(explained):
    """Where there are several, or none, the message lists them; where no sample has one, the plot says so."""
    model, X = explained

    for modality in (None, "age"):
        with pytest.raises(
            ValueError, match=rf"one of \['scan', 'other'\], which are images. Got {modality!r}"
        ):
            RegionDisplay.from_estimator(model, X, modality=modality)
    display = RegionDisplay.from_estimator(model, X[[1]], modality="scan")
    assert "no sample has it" in display.axes_[0].texts[0].get_text()
