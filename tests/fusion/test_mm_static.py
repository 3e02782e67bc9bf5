"""MM static: fixed weights in closed form."""

import numpy as np
import pytest

from skmm.fusion import MMDynamicsClassifier, MMStaticClassifier


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
        **{k: v for k, v in static.get_params().items() if k != "modality_weights"},
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
