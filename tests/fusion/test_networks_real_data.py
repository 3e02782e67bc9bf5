"""Networks with their default parameters on real data learn; plain baselines stand on the same split."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.pipeline import make_pipeline

from skmm import ModalityDict
from skmm.fusion import HEALNetClassifier, ImageMMDynamics, MCATClassifier


@pytest.fixture(scope="module")
def cells(real_data):
    """Images of blood cells, averaged down to 32 x 32, and their types: 400 to learn from, 200 to predict."""
    file = np.load(real_data / "pbc_blood_cells" / "pbc_64_dev.npz")
    rows = np.random.default_rng(0).permutation(len(file["y"]))[:600]
    images = file["image"][rows].reshape(600, 32, 2, 32, 2, 3).mean(axis=(2, 4)).astype(np.uint8)
    return images[:400], file["y"][rows[:400]], images[400:], file["y"][rows[400:]]


@pytest.mark.parametrize(("model", "least"), [(HEALNetClassifier, 0.93), (MCATClassifier, 0.86)])
def test_cells_of_another_donor(real_data, model, least):
    """RNA and proteins tell the types of the other donor's cells far above the majority, and RNA alone."""
    data = np.load(real_data / "bmmc_cite_starter" / "bmmc_cite.npz")
    train, y = data["is_train"], data["y_coarse"]
    X = ModalityDict({"rna": data["rna_lognorm"], "protein": data["adt_norm"]})

    accuracy = model(random_state=0).fit(X[train], y[train]).score(X[~train], y[~train])

    assert accuracy > least  # the majority has .25, logistic regression on RNA .66


def test_images_of_cells(cells):
    """Cells are told better than by a linear model of components; the gate neither closes nor is idle."""
    images, y, new_images, new_y = cells
    linear = make_pipeline(PCA(50, random_state=0), LogisticRegression(max_iter=1000))
    linear.fit(images.reshape(len(images), -1) / 255, y)
    model = ImageMMDynamics(flips="both", max_epochs=20, random_state=0).fit({"cell": images}, y)

    plain = accuracy_score(new_y, linear.predict(new_images.reshape(len(new_images), -1) / 255))
    informative = model.feature_informativeness({"cell": new_images})["cell"]
    assert model.score({"cell": new_images}, new_y) > plain + 0.05
    assert 0.05 < informative.mean() < 0.95
    assert informative.std() > 0.02
