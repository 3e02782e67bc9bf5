"""MM static: fixed weights in closed form."""

import numpy as np
import pytest

from skmm.fusion import ImageMMDynamics, MMDynamicsClassifier, MMStaticClassifier


def _data():
    """Return three tables of two classes, standardized already, and labels."""
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    X = {name: rng.normal(size=(40, size)) for name, size in (("rna", 5), ("image", 3), ("protein", 4))}
    X["rna"][:, 0] += 3 * y
    return X, y


def _model(**params):
    """Return a small classifier in float64 that takes values as they are."""
    return MMStaticClassifier(
        **{
            "hidden": 6,
            "max_epochs": 4,
            "standardize": False,
            "precision": "float64",
            "random_state": 0,
            **params,
        }
    )


def _layers(module):
    """Return weights and biases of encoders and classifier."""
    return [
        (layer.weight.detach().numpy(), layer.bias.detach().numpy())
        for layer in (*module.encoders, module.classifier)
    ]


@pytest.mark.parametrize(
    ("given", "weights"),
    [
        (None, [1, 1, 1]),
        ([6, 3, 1], [6, 3, 1]),
        ({"rna": 2.5}, [1, 1, 2.5]),
        (np.array([0, 1, 2]), [0, 1, 2]),
    ],
)
def test_closed_form(given, weights):
    """The fused vector is [w_1 z_1, ...] in alphabetical order, and the classifier an affine map of it."""
    X, y = _data()
    model = _model(modality_weights=given).fit(X, y)
    *encoders, (matrix, bias) = _layers(model.net_.module_)

    blocks = [
        w * np.maximum(X[name] @ encoder.T + offset, 0)
        for w, name, (encoder, offset) in zip(weights, ("image", "protein", "rna"), encoders, strict=True)
    ]
    logits = np.hstack(blocks) @ matrix.T + bias

    np.testing.assert_allclose(model.transform(X), np.hstack(blocks), atol=1e-12)
    np.testing.assert_allclose(model.predict_proba(X)[:, 1], 1 / (1 + np.exp(logits[:, 0] - logits[:, 1])))


def test_missing_modalities_raise_the_others():
    """The weights of what is present have the total of all; the neutral vector stands for what is missing."""
    X, y = _data()
    X["image"][:6] = np.nan
    model = _model(modality_weights={"image": 3.0, "protein": 1.0, "rna": 2.0}).fit(X, y)
    neutral = model.net_.module_.neutral[0].vector.detach().numpy()
    fused = model.transform(X)
    *encoders, _ = _layers(model.net_.module_)
    z = np.maximum(X["rna"][:6] @ encoders[2][0].T + encoders[2][1], 0)

    assert np.abs(neutral).sum() > 0
    np.testing.assert_allclose(fused[:6, :6], [neutral] * 6)
    np.testing.assert_allclose(fused[:6, 12:], 2.0 * 6 / 3 * z)
    zero = _model(missing="zero").fit(X, y)
    assert not zero.transform(X)[:6, :6].any()


def test_the_only_modality_may_have_no_weight():
    """A sample whose one modality weighs 0 has a defined answer, not NaN."""
    X, y = _data()
    model = _model(modality_weights={"image": 0.0}).fit(X, y)

    proba = model.predict_proba({"image": X["image"]})

    assert np.isfinite(proba).all()
    np.testing.assert_allclose(proba, [proba[0]] * 40)


def test_equal_weights_are_dynamics_without_gates_and_confidences():
    """From the same seed both train to the same model: their layers are drawn in the same order."""
    X, y = _data()
    static = _model(dropout=0.0, batch_size=-1)
    dynamic = MMDynamicsClassifier(
        feature_gate=None,
        confidence_weighting=False,
        **{k: v for k, v in static.get_params().items() if k not in {"modality_weights", "flips"}},
    )
    static.fit(X, y)
    dynamic.fit(X, y)

    np.testing.assert_allclose(static.predict_proba(X), dynamic.predict_proba(X), rtol=1e-9)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, 2], "3 weights.*Got 2"),
        ({"mri": 1.0}, "'mri'"),
        ([1, 1, -1], "not negative"),
        ([0, 0, 0], "not all 0"),
        ("rna", "'modality_weights' parameter of MMStaticClassifier"),
    ],
)
def test_bad_weights(weights, message):
    """Wrong lengths, unknown names, negative weights and nothing but zeros are refused."""
    X, y = _data()

    with pytest.raises(ValueError, match=message):
        _model(modality_weights=weights).fit(X, y)


def _images(n_samples=24):
    """Return bytes of a table and images, the left half of which tells the class, and labels."""
    rng = np.random.default_rng(0)
    y = np.arange(n_samples) % 2
    images = rng.integers(0, 100, size=(n_samples, 16, 16, 3), dtype=np.uint8)
    images[:, :, :8] += (100 * y)[:, None, None, None].astype(np.uint8)
    return {"cell": images, "rna": rng.normal(size=(n_samples, 4))}, y


def test_images_equal_mm_dynamics_without_gates_and_confidences():
    """On images and tables unit weights give what MM dynamics gives with neither gates nor confidences."""
    X, y = _images()
    params = {"hidden": 6, "max_epochs": 3, "lr": 1e-3, "precision": "float64", "random_state": 0}

    static = MMStaticClassifier(flips="both", **params).fit(X, y)
    dynamic = ImageMMDynamics(feature_gate=None, confidence_weighting=False, flips="both", **params).fit(X, y)

    np.testing.assert_allclose(static.predict_proba(X), dynamic.predict_proba(X), rtol=1e-12)


def test_weights_of_images():
    """The block of an image in the fused vector is its weight times its representation."""
    X, y = _images()
    fitted = [
        _model(modality_weights={"cell": weight}, max_epochs=1, lr=1e-12).fit(X, y).transform(X)
        for weight in (1.0, 3.0)
    ]

    np.testing.assert_allclose(fitted[1][:, :6], 3 * fitted[0][:, :6], rtol=1e-6)
    np.testing.assert_allclose(fitted[1][:, 6:], fitted[0][:, 6:], rtol=1e-6)


def test_images_alone_are_learned():
    """A model of images alone tells classes apart that differ in them."""
    X, y = _images(60)
    model = MMStaticClassifier(16, max_epochs=20, random_state=0).fit({"cell": X["cell"][:40]}, y[:40])

    assert model.score({"cell": X["cell"][40:]}, y[40:]) > 0.9


def test_flips_in_training_only():
    """Mirroring changes what is learned, and predictions of a fitted model stay the same."""
    X, y = _images()
    plain, mirrored = (
        _model(flips=flips, standardize=True).fit({"cell": X["cell"]}, y) for flips in (None, "horizontal")
    )

    assert (
        np.abs(plain.predict_proba({"cell": X["cell"]}) - mirrored.predict_proba({"cell": X["cell"]})).max()
        > 1e-6
    )
    np.testing.assert_array_equal(
        mirrored.predict_proba({"cell": X["cell"]}), mirrored.predict_proba({"cell": X["cell"]})
    )


def test_images_of_few_pixels_are_refused():
    """Images of fewer than 4 pixels a side are named, with what to do."""
    with pytest.raises(ValueError, match=r"4 x 4 pixels or more. Got 'cell' with 3 x 9: enlarge or pad"):
        MMStaticClassifier().fit({"cell": np.zeros((6, 3, 9)) + np.arange(6)[:, None, None]}, [0, 1] * 3)
