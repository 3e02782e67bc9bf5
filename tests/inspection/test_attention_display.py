"""Attention: tokens by name, patches over their image, instances of single bags."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from skmm import BagArray, ModalityDict
from skmm.inspection import AttentionDisplay


@pytest.fixture
def looked():
    """Weights and X: four samples; a table of 3 tokens, 5 x 8 images in patches of 2, a bag; some missing."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.dirichlet(np.ones(3), 4), columns=["kinases", "receptors", "rest"])
    table.iloc[1] = 0
    image = rng.dirichlet(np.ones(12), 4).reshape(4, 3, 4)
    image[2] = 0
    bag = [rng.dirichlet(np.ones(n)) for n in (5, 2, 1)]
    lengths = [5, 0, 2, 1]
    X = ModalityDict(
        {
            "rna": rng.normal(size=(4, 9)),
            "scan": rng.uniform(size=(4, 5, 8)),
            "slide": BagArray.from_list([rng.normal(size=(n, 2)) for n in lengths]),
        },
        present={"rna": np.arange(4) != 1, "scan": np.arange(4) != 2},
    )
    return {"rna": table, "scan": image, "slide": [bag[0], np.zeros(0), bag[1], bag[2]]}, X


def test_tokens_are_ranked_by_name(looked, drawn):
    """The tokens with the highest means over the samples that have the table, by the names of the columns."""
    attention, X = looked
    expected = attention["rna"].iloc[[0, 2, 3]].agg(["mean", "std"]).T.sort_values("mean", ascending=False)

    display = AttentionDisplay.from_predictions(attention, X, modalities="rna", n_tokens=2)

    axes = display.axes_[0]
    assert drawn.labels(axes) == list(expected.index[:2])
    np.testing.assert_allclose(drawn.means(axes), expected["mean"].iloc[:2])
    np.testing.assert_allclose(drawn.half_bars(axes), expected["std"].iloc[:2])
    assert [text.get_text() for text in axes.texts] == ["1 below"]
    assert axes.lines[-1].get_xdata()[0] == pytest.approx(1 / 3)  # all alike
    spoiled = {"rna": attention["rna"].copy()}
    spoiled["rna"].iloc[1] = 50.0
    again = AttentionDisplay.from_predictions(spoiled, X, n_tokens=2)
    np.testing.assert_allclose(drawn.means(again.axes_[0]), drawn.means(axes))


def test_patches_lie_where_they_are_in_the_image(looked, drawn):
    """Patches cover as many pixels as they have, beyond the edge too; weights are multiples of even ones."""
    attention, X = looked

    display = AttentionDisplay.from_predictions(
        attention, X, modalities="scan", samples=5, mean=True, patch_size=2
    )

    assert display.rows_["scan"].tolist() == [0, 1, 3]
    for axes, row in zip(display.axes_, [0, 1, 3], strict=False):
        np.testing.assert_allclose(drawn.map(axes), 12 * attention["scan"][row])
        assert axes.images[-1].get_extent() == [-0.5, 7.5, 5.5, -0.5]
        np.testing.assert_allclose(np.asarray(axes.images[0].get_array()), X["scan"][row])
        assert axes.get_ylim() == (4.5, -0.5)
    mean = attention["scan"][[0, 1, 3]].mean(axis=0)
    np.testing.assert_allclose(drawn.map(display.axes_[3]), 12 * mean)
    assert display.axes_[3].get_title() == "mean of 3"


def test_volumes_are_summed_over_their_depth(drawn):
    """Of a volume the map is the sum over the depth, over the mean of the slices; one slice is a map, too."""
    rng = np.random.default_rng(0)
    volumes = rng.uniform(size=(3, 4, 6, 8, 1))
    weights = rng.dirichlet(np.ones(24), 3).reshape(3, 2, 3, 4)
    X = {"ct": volumes}

    display = AttentionDisplay.from_predictions({"ct": weights}, X, samples=2, patch_size=2)
    layered = np.stack([2 * weights, 0 * weights], axis=1)
    heads = AttentionDisplay.from_predictions({"ct": layered}, X, samples=2, patch_size=2)
    single = AttentionDisplay.from_predictions({"ct": weights[:, 1]}, X, samples=2, patch_size=2)

    for row in range(2):
        expected = 12 * weights[row].sum(axis=0)
        np.testing.assert_allclose(drawn.map(display.axes_[row]), expected)
        np.testing.assert_allclose(drawn.map(heads.axes_[row]), expected)
        np.testing.assert_allclose(drawn.map(single.axes_[row]), 12 * weights[row, 1])
        under = np.asarray(display.axes_[row].images[0].get_array())
        np.testing.assert_allclose(under, volumes[row].mean(axis=0)[..., 0])


def test_instances_of_single_bags(looked):
    """A panel a sample with a bag: a bar an instance, numbers on the heaviest, a line where all are alike."""
    attention, X = looked

    display = AttentionDisplay.from_predictions(attention, X, ["a", "b", "b", "a"], modalities="slide")

    assert display.rows_["slide"].tolist() == [0, 2, 3]
    assert [axes.get_title() for axes in display.axes_] == ["a", "b", "a"]
    for axes, row in zip(display.axes_, [0, 2, 3], strict=True):
        weights = attention["slide"][row]
        np.testing.assert_allclose([bar.get_height() for bar in axes.patches], weights)
        assert axes.lines[-1].get_ydata()[0] == pytest.approx(1 / len(weights))
        numbers = {int(text.get_text()) for text in axes.texts}
        heavy = [i for i in np.argsort(-weights)[:3].tolist() if weights[i] > 1 / len(weights)]
        assert numbers == set(heavy)
    assert display.axes_[0].get_xlabel() == "instance (slide)"


def test_forms_of_weights_are_alike(looked, drawn):
    """BagArrays, lists, bags of images, and weights of layers and heads are drawn as what they amount to."""
    attention, X = looked
    bags = BagArray.from_list(attention["slide"])
    patched = [np.repeat(w[:, None, None] / 4, 2, axis=1).repeat(2, axis=2) for w in attention["slide"]]
    heights = []
    for weights in (attention["slide"], bags, patched):
        display = AttentionDisplay.from_predictions({"slide": weights}, X, samples=[0])
        heights.append([bar.get_height() for bar in display.axes_[0].patches])
    np.testing.assert_allclose(heights[1], heights[0])
    np.testing.assert_allclose(heights[2], heights[0])

    layers = {name: np.stack([attention[name]] * 3, axis=1) for name in ("rna", "scan")}
    layers["rna"][:, 0], layers["rna"][:, 1] = 2 * layers["rna"][:, 0], 0
    display = AttentionDisplay.from_predictions(layers, X, samples=[0])
    flat = AttentionDisplay.from_predictions({"rna": attention["rna"].to_numpy()}, X)
    np.testing.assert_allclose(drawn.means(display.axes_[0]), drawn.means(flat.axes_[0]))
    np.testing.assert_allclose(drawn.map(display.axes_[1]), 12 * attention["scan"][0])


def test_an_estimator_is_asked(mixed, known, drawn):
    """Weights come from the model, names of tokens and the size of patches from its attributes."""
    X, y = mixed
    model = known.fit(X, y)
    model.token_names_, model.patch_size = {"clinical": ["first", "second"]}, 1

    display = AttentionDisplay.from_estimator(model, X, y, samples=2)

    assert set(drawn.labels(display.axes_[1])) == {"first", "second"}
    assert drawn.labels(display.axes_[0])[0] == str(np.argmax(X["rna"][X.is_present("rna")].mean(axis=0)))
    assert display.axes_[0].get_title() == "rna\ntokens by position"
    np.testing.assert_allclose(drawn.map(display.axes_[2]), 24 * X["scan"][4])
    with pytest.raises(
        ValueError, match="the method attention_weights, as HEALNetClassifier or MCATClassifier"
    ):
        AttentionDisplay.from_estimator(LogisticRegression(), X)


def test_what_no_sample_has_says_so(looked):
    """Modalities without a sample are named, and the panels of the caller are used all the same."""
    attention, X = looked
    nothing = ModalityDict(X, present={name: np.zeros(4, dtype=bool) for name in X})
    figure, ax = plt.subplots(1, 3)

    display = AttentionDisplay.from_predictions(attention, nothing, ax=ax)

    texts = [text.get_text() for axes in display.axes_ for text in axes.texts]
    assert texts == ["no sample has it", "scan: no sample has it", "slide: no sample has it"]
    assert display.figure_ is figure
    figure.canvas.draw()


def test_wrong_arguments_are_refused(looked):
    """Messages say what was expected."""
    attention, X = looked
    for weights, options, message in [
        ({"rna": attention["rna"]}, {"modalities": "mri"}, "modalities must be among"),
        ({"rna": attention["rna"]}, {"n_tokens": 0}, "n_tokens must be an int of at least 1"),
        ({"rna": attention["rna"]}, {"token_names": {"rna": ["a"]}}, "a name for each of 3 features. Got 1"),
        ({"scan": np.ones((4, 3))}, {}, r"must have at least 3 axes. Got shape \(4, 3\)"),
        ({"slide": attention["slide"]}, {"samples": [1]}, r"Rows \[1\] of samples lack the modality"),
        ({"rna": attention["rna"][:2]}, {}, "X must have as many samples as 'rna' has rows, 2. Got 4"),
    ]:
        with pytest.raises(ValueError, match=message):
            AttentionDisplay.from_predictions(weights, X, **options)
    with pytest.raises(
        ValueError, match=r"shape \(4, 2, 2, 2\), which has no plot.* with an X that holds the modality"
    ):
        AttentionDisplay.from_predictions({"ct": np.ones((4, 2, 2, 2))})
