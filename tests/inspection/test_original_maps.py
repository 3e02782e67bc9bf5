"""Maps in the coordinates of the original images, through the steps before the model."""

from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skmm import BagArray, ModalityDict
from skmm.compose import ConcatModalities, ModalitySplitter, ModalityTransformer
from skmm.embedding import ImageEmbedder
from skmm.exceptions import NoModalityWarning
from skmm.fusion import HEALNetClassifier
from skmm.inspection import RegionDisplay, attribute, explanation_report, find_regions
from skmm.inspection._original_maps import enlarged
from skmm.preprocessing import GrayscaleNormalizer, HistogramEqualizer
from skmm.preprocessing._grayscale_normalizer import resize


class Crop(TransformerMixin, BaseEstimator):
    """Cuts off the left of images."""

    def fit(self, X, y=None):
        """Nothing is learned."""
        return self

    def transform(self, X):
        """The right halves."""
        return X[:, :, X.shape[2] // 2 :]

    def __sklearn_is_fitted__(self):
        """There is nothing to learn."""
        return True


def negative(images):
    """Images in which bright is dark."""
    return 255 - images


def model():
    """A small classifier of images, bags and tables."""
    return HEALNetClassifier(2, 8, depth=1, patch_size=8, max_epochs=1, random_state=0)


def explained(steps, X, **options):
    """A pipeline of steps by modality and a classifier, fitted on X, and its attributions."""
    pipeline = make_pipeline(ModalityTransformer(steps), model()).fit(X, np.arange(len(X)) % 2)
    return attribute(pipeline, X, 1, method="input_x_gradient", **options)


@pytest.fixture
def scans():
    """Eight images of 32 x 24 pixels, one of them missing, and a table."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, size=(8, 32, 24), dtype=np.uint8)
    return ModalityDict({"scan": images, "age": rng.normal(size=(8, 2))}, present={"scan": np.arange(8) != 3})


@pytest.mark.parametrize("size", [(8, 12), (32, 20), (5, 7), (16, 16)])
def test_maps_keep_their_sum_and_their_place(size):
    """Smaller, larger and other shapes: what a pixel has goes to the pixels that it was made of."""
    rng = np.random.default_rng(0)
    one = rng.normal(size=(3, 16, 16))

    found = enlarged(one, size)

    assert found.shape == (3, *size)
    np.testing.assert_allclose(found.sum(axis=(1, 2)), one.sum(axis=(1, 2)), rtol=1e-10)
    image = rng.uniform(size=(1, *size)).astype(np.float32)
    small = resize(image, (16, 16))[
        0
    ]  # the sum of a map times an image is that of the map times the small one
    np.testing.assert_allclose((found * image[0]).sum(axis=(1, 2)), (one * small).sum(axis=(1, 2)), rtol=1e-5)


def test_a_lesion_is_found_where_it_is_in_the_original():
    """A spot of the map lies over the spot of the image of which it was made."""
    small = np.zeros((16, 16))
    small[4:6, 8:10] = 1

    found = enlarged(small, (64, 48))

    region = find_regions(found, 0.5).iloc[0]
    assert (region["row"], region["column"]) == pytest.approx((19.5, 26.5), abs=0.6)
    assert region["attribution"] > 0.6 * small.sum()


def test_without_steps_maps_are_sums_over_channels():
    """One map an image, NaN where it is missing; regions are found in the list as it is."""
    rng = np.random.default_rng(0)
    X = ModalityDict({"scan": rng.uniform(size=(6, 16, 16, 3))}, present={"scan": np.arange(6) != 2})
    with pytest.warns(NoModalityWarning):
        fitted = model().fit(X, [0, 1, 0, 1, 0, 1])
    with pytest.warns(NoModalityWarning):
        found = attribute(fitted, X, 1, method="input_x_gradient")

    maps = found.maps("scan")

    assert np.isnan(maps[2]).all()
    for row in (0, 1, 3, 4, 5):
        np.testing.assert_allclose(maps[row], found["scan"][row].sum(axis=-1))
    assert set(find_regions(maps, 0.2)["sample"]) == {0, 1, 3, 4, 5}


@pytest.mark.parametrize(
    "step",
    [
        HistogramEqualizer(),
        "passthrough",
        GrayscaleNormalizer(),
        make_pipeline(GrayscaleNormalizer(), HistogramEqualizer()),
    ],
)
def test_steps_that_leave_pixels_where_they_are_change_nothing(scans, step):
    """Maps are those of what the model sees, and there is nothing to warn of."""
    found = explained({"scan": step}, scans)

    for row, one in enumerate(found.maps("scan")):
        expected = found["scan"][row] if row != 3 else np.full((32, 24), np.nan)
        np.testing.assert_array_equal(one, expected)


@pytest.mark.parametrize(
    "step",
    [
        FunctionTransformer(negative),
        make_pipeline(HistogramEqualizer(), FunctionTransformer(negative)),
    ],
)
def test_a_step_that_is_not_known_but_keeps_the_size_is_warned_of(scans, step):
    """It is taken to leave pixels in place; each way to maps says so once, where it was called."""
    found = explained({"scan": step}, scans)
    pipeline = make_pipeline(ModalityTransformer({"scan": step}), model()).fit(scans, [0, 1] * 4)
    text = r"Maps of 'scan' .* through FunctionTransformer, .* taken to leave pixels in place"
    explain = {"method": "input_x_gradient"}

    with pytest.warns(UserWarning, match=text) as direct:
        maps = found.maps("scan")
    with pytest.warns(UserWarning, match=text) as drawn:
        RegionDisplay.from_estimator(pipeline, scans, samples=[0], explain=explain)
    with pytest.warns(UserWarning, match=text) as written:
        explanation_report(pipeline, scans, samples=[0], **explain)

    for caught in (direct, drawn, written):
        assert [one.filename for one in caught] == [__file__]
    for row, one in enumerate(maps):
        expected = found["scan"][row] if row != 3 else np.full((32, 24), np.nan)
        np.testing.assert_array_equal(one, expected)


@pytest.mark.parametrize(
    "step",
    [
        GrayscaleNormalizer(16),
        make_pipeline(HistogramEqualizer(), GrayscaleNormalizer((16, 16)), FunctionTransformer(negative)),
        make_pipeline(GrayscaleNormalizer((20, 40)), GrayscaleNormalizer(16)),
    ],
)
def test_resized_images_are_enlarged_again(scans, step):
    """The map has the size of the original, and the sum of the attributions; a missing one stays missing."""
    found = explained({"scan": step}, scans)
    says = isinstance(step, Pipeline) and isinstance(step[-1], FunctionTransformer)

    with pytest.warns(UserWarning, match="FunctionTransformer") if says else nullcontext():
        maps = found.maps("scan")

    assert found["scan"].shape == (8, 16, 16)
    for row, one in enumerate(maps):
        assert one.shape == (32, 24)
        if row == 3:
            assert np.isnan(one).all()
        else:
            np.testing.assert_allclose(one, enlarged(found["scan"][row], (32, 24)))
            assert one.sum() == pytest.approx(found.totals.loc[row, "scan"], abs=1e-12)
    assert set(find_regions(maps, 0.3)["sample"]) <= set(range(8)) - {3}


def test_pipelines_within_pipelines_are_passed(scans):
    """A pipeline as a step is its steps, and one step after the other resizes."""
    first = ModalityTransformer({"scan": GrayscaleNormalizer((20, 40))})
    second = ModalityTransformer({"scan": GrayscaleNormalizer(16)})
    pipeline = make_pipeline(make_pipeline(first, make_pipeline(second)), model()).fit(scans, [0, 1] * 4)

    found = attribute(pipeline, scans, 1, method="input_x_gradient")

    expected = enlarged(found["scan"][0], (32, 24))
    np.testing.assert_allclose(found.maps("scan")[0], expected)


def test_images_of_different_sizes_have_maps_of_their_sizes():
    """Each map has the size of its own image; several modalities may share a step."""
    rng = np.random.default_rng(0)
    sizes = [(20, 30), (16, 16), None, (40, 25)]
    left, right = (
        [None if size is None else rng.integers(0, 256, size=size, dtype=np.uint8) for size in sizes]
        for _ in range(2)
    )
    X = ModalityDict({"left": left, "right": right[::-1], "age": rng.normal(size=(4, 1))})
    steps = ModalityTransformer({("left", "right"): GrayscaleNormalizer(16)}, share=True)
    pipeline = make_pipeline(steps, model()).fit(X, [0, 1, 0, 1])

    found = attribute(pipeline, X, 1, method="input_x_gradient")

    expected = [
        (20, 30),
        (16, 16),
        (16, 16),
        (40, 25),
    ]  # the size of a missing one is that which the model sees
    assert [one.shape for one in found.maps("left")] == expected
    assert [one.shape for one in found.maps("right")] == [(40, 25), (16, 16), (16, 16), (20, 30)]
    assert found.maps("left")[3].sum() == pytest.approx(found.totals.loc[3, "left"], abs=1e-12)


def test_slices_of_bags_are_enlarged():
    """A bag has a map for each instance."""
    rng = np.random.default_rng(0)
    X = ModalityDict({"slices": BagArray(rng.integers(0, 256, (9, 20, 24), dtype=np.uint8), [0, 2, 2, 5, 9])})
    X = ModalityDict({"slices": X["slices"], "age": rng.normal(size=(4, 1))})

    maps = explained({"slices": GrayscaleNormalizer(16)}, X).maps("slices")

    assert [one.shape for one in maps] == [(2, 20, 24), (0, 20, 24), (3, 20, 24), (4, 20, 24)]


@pytest.mark.parametrize(
    ("step", "name"),
    [
        (Crop(), "Crop"),
        (make_pipeline(Crop(), GrayscaleNormalizer(16)), "Crop"),
        (make_pipeline(GrayscaleNormalizer(32), Crop()), "Crop"),
        (
            make_pipeline(HistogramEqualizer(), FunctionTransformer(lambda x: x.mean(axis=1))),
            "FunctionTransformer",
        ),
    ],
)
def test_a_step_that_cannot_be_passed_is_named(scans, step, name):
    """The error of maps names it; attributions of what the model sees are there all the same."""
    found = explained({"scan": step}, scans)

    assert found["scan"].any()
    with pytest.raises(
        ValueError, match=f"'scan' cannot be brought back to the original images through {name}:"
    ):
        found.maps("scan")


def test_images_that_are_cut_out_of_a_table_are_the_original():
    """ModalitySplitter makes the images; what comes after is known. In one table they are pixels no more."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.integers(0, 256, size=(8, 24 * 20 + 1)).astype(np.uint8)).add_prefix("c")
    splitter = ModalitySplitter(
        {"scan": slice(0, 480), "age": [480]}, kinds={"scan": "image"}, shapes={"scan": (24, 20)}
    )
    pipeline = make_pipeline(splitter, ModalityTransformer({"scan": GrayscaleNormalizer(16)}), model())
    flat = make_pipeline(splitter, ConcatModalities(), model())

    found = attribute(pipeline.fit(table, [0, 1] * 4), table, 1, method="input_x_gradient")
    joined = attribute(flat.fit(table, [0, 1] * 4), table, 1, method="input_x_gradient")

    assert [one.shape for one in found.maps("scan")] == [(24, 20)] * 8
    assert joined.to_frame("x").columns[[0, -1]].tolist() == ["scan__0_0", "age__c480"]
    with pytest.raises(ValueError, match="'x' has no pixels: it is a table"):
        joined.maps("x")
    with pytest.raises(ValueError, match="must be among"):
        joined.maps("scan")


def test_features_of_an_embedder_are_not_pixels(scans):
    """ImageEmbedder is named."""
    backbone = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    step = make_pipeline(HistogramEqualizer(), ImageEmbedder(backbone, image_size=16))

    found = explained({"scan": step}, scans)

    assert found["scan"].shape == (8, 3)
    with pytest.raises(ValueError, match="through ImageEmbedder: "):
        found.maps("scan")
