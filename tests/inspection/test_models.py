"""The displays take what the models of the package give, in the forms in which they give it."""

import numpy as np
import pytest

from skmm import BagArray, ModalityDict
from skmm.fusion import HEALNetClassifier, ImageMMDynamics, MCATClassifier
from skmm.inspection import AttentionDisplay, FeatureInformativenessDisplay, ModalityConfidenceDisplay


@pytest.fixture
def patients():
    """X and y: 24 samples with a table, images of 18 x 16 pixels and bags; some entries are missing."""
    rng = np.random.default_rng(0)
    y = np.arange(24) % 2
    bags = [rng.normal(size=(n, 3)) + label for n, label in zip(rng.integers(1, 5, 24), y, strict=True)]
    data = {
        "rna": rng.normal(size=(24, 6)) + y[:, None],
        "scan": rng.uniform(size=(24, 18, 16)),
        "slide": BagArray.from_list([bag[: 0 if i == 5 else None] for i, bag in enumerate(bags)]),
    }
    names = [f"gene {i}" for i in range(6)]
    return ModalityDict(data, present={"scan": np.arange(24) % 4 > 0}, feature_names={"rna": names}), y


def test_maps_of_mm_dynamics_for_images(patients, drawn):
    """The gate of each sample is drawn at the size of its image, confidences of each modality's samples."""
    X, y = patients
    X = X[["rna", "scan"]]
    model = ImageMMDynamics(4, max_epochs=1, random_state=0).fit(X, y)

    display = FeatureInformativenessDisplay.from_estimator(model, X, y, mean=True)
    confidence = ModalityConfidenceDisplay.from_estimator(model, X, y)

    gates = model.feature_informativeness(X)["scan"]
    for axes, row in zip(display.axes_[1:], display.rows_["scan"], strict=False):
        np.testing.assert_allclose(drawn.map(axes), gates[row])
    np.testing.assert_allclose(drawn.map(display.axes_[-1]), gates[X.is_present("scan")].mean(axis=0))
    assert display.axes_[-1].get_title() == "mean of 18"
    assert confidence.errors_["n"].to_dict() == {"rna": 24, "scan": 18}


@pytest.mark.parametrize("network", [HEALNetClassifier, MCATClassifier])
def test_attention_of_the_networks(patients, drawn, network):
    """Tokens, patches and instances of HEALNet and MCAT are drawn with the weights that they give."""
    X, y = patients
    model = network(patch_size=4, max_epochs=1, random_state=0).fit(X, y)

    display = AttentionDisplay.from_estimator(model, X, samples=[1, 2])

    weights = model.attention_weights(X)
    assert set(drawn.labels(display.axes_[0])) == set(weights["rna"].columns)
    assert drawn.means(display.axes_[0]) == pytest.approx(
        weights["rna"].mean().sort_values(ascending=False).to_numpy()
    )
    bags, maps = display.axes_[1:3], display.axes_[3:]
    if list(weights).index("scan") < list(weights).index("slide"):
        bags, maps = display.axes_[3:], display.axes_[1:3]
    for row, axes in zip([1, 2], bags, strict=True):
        assert [bar.get_height() for bar in axes.patches] == pytest.approx(weights["slide"][row].tolist())
    for row, axes in zip([1, 2], maps, strict=True):
        np.testing.assert_allclose(drawn.map(axes), 20 * weights["scan"][row])
        assert axes.images[-1].get_extent() == [-0.5, 15.5, 19.5, -0.5]
