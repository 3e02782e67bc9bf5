"""The digits in four modalities: values by hand, and each modality useful but not enough."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmm.datasets import load_digits_views
from skmm.datasets._digits import _fourier, _gradient


@pytest.fixture(scope="module")
def digits():
    """Return the whole data set."""
    return load_digits_views()


def test_the_image_is_scikit_learns(digits):
    """The pixels are those of load_digits on a scale from 0 to 1, in the same order as the labels."""
    original = load_digits()

    assert_array_equal(digits.data["image"], original.images / 16)
    assert digits.data["image"].dtype == np.float32
    assert_array_equal(digits.target, original.target)
    assert list(digits.target_names) == list(range(10))
    assert digits.data.present.all()


def test_kinds_and_names(digits):
    """One image and three tables, every column with a name of its own."""
    assert digits.data.kinds == {
        "image": "image",
        "profile": "table",
        "fourier": "table",
        "gradient": "table",
    }
    for name, names in digits.feature_names.items():
        assert list(digits.data.feature_names[name]) == names
        assert len(set(names)) == len(names) == digits.data[name].shape[1]
    for name in digits.data.modalities:
        assert f"- {name}: " in digits.DESCR


def test_profile_holds_the_sums_of_rows_and_columns(digits):
    """Both halves sum to the ink of the image."""
    image, profile = digits.data["image"][7], digits.data["profile"][7]

    assert_allclose(profile[:8], image.sum(axis=1))
    assert_allclose(profile[8:], image.sum(axis=0))


def test_fourier_ignores_cyclic_shifts_and_keeps_energy():
    """Moving the image leaves the magnitudes; one column of light has one row of frequencies."""
    rng = np.random.default_rng(0)
    images = rng.random((3, 8, 8))
    assert_allclose(_fourier(np.roll(images, (2, 5), axis=(1, 2))), _fourier(images), atol=1e-12)

    column = np.zeros((1, 8, 8))
    column[0, :, 3] = 1
    magnitudes = _fourier(column).reshape(8, 5)
    assert_allclose(magnitudes[0], 8)
    assert_allclose(magnitudes[1:], 0, atol=1e-12)


def test_gradient_tells_the_direction_of_an_edge():
    """A step of height 1 is seen by two columns of pixels, in its own direction alone."""
    step = np.zeros((1, 8, 8))
    step[0, :, 4:] = 1
    names = [f"{360 * s / 16:g}" for s in range(16)]

    for turned, direction in ((step, "0"), (step[:, :, ::-1], "180"), (step.transpose(0, 2, 1), "90")):
        expected = np.zeros(16)
        expected[names.index(direction)] = 16
        assert_allclose(_gradient(turned)[0], expected)


def test_modalities_are_useful_and_complementary(digits):
    """Each tells the digit far above chance, and no table as well as all of them; as DESCR says."""
    X, y = digits.data, digits.target
    flat = {name: X[name].reshape(len(X), -1) for name in X}
    flat["tables"] = np.hstack([X[name] for name in ("profile", "fourier", "gradient")])
    train, test = train_test_split(np.arange(len(y)), test_size=0.4, stratify=y, random_state=0)
    accuracy = {}
    for name, values in flat.items():
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)).fit(values[train], y[train])
        accuracy[name] = model.score(values[test], y[test])

    assert accuracy["image"] > 0.90
    assert 0.87 < accuracy["profile"] < 0.95
    assert 0.82 < accuracy["fourier"] < 0.91
    assert 0.58 < accuracy["gradient"] < 0.74
    assert accuracy["tables"] > max(accuracy[name] for name in ("profile", "fourier", "gradient")) + 0.03


def test_fewer_classes_and_missing_entries():
    """n_class keeps the first digits; missing drops an exact share, the same one each time."""
    X, y = load_digits_views(n_class=3, missing={"image": 0.5, "profile": 0.1}, return_X_y=True)

    assert set(y) == {0, 1, 2}
    n = len(y)
    assert_array_equal(X.present.sum(axis=0), [n - np.rint(n * 0.5), n - np.rint(n * 0.1), n, n])
    again, _ = load_digits_views(n_class=3, missing={"image": 0.5, "profile": 0.1}, return_X_y=True)
    other, _ = load_digits_views(n_class=3, missing=0.5, random_state=1, return_X_y=True)
    assert_array_equal(again.present, X.present)
    assert (other.present != X.present).any()


@pytest.mark.parametrize("n_class", [1, 11, 2.5, "all"])
def test_a_wrong_number_of_classes_is_refused(n_class):
    """Between two and ten digits there are."""
    with pytest.raises(ValueError, match="`n_class` must be an integer from 2 to 10"):
        load_digits_views(n_class=n_class)
