"""Captum's methods give what they are defined as, in the form of the input."""

import re
import sys

import numpy as np
import pytest

from skmm.fusion import AttentionPoolingClassifier, HEALNetClassifier, ImageTextClassifier
from skmm.inspection import attribute

CAPTUM = {
    "saliency": lambda x, w: np.abs(w) + 0 * x,
    "input_x_gradient": lambda x, w: x * w,
    "feature_ablation": lambda x, w: (x - 0.5) * w,
    "occlusion": lambda x, w: (x - 0.5) * w,
}


@pytest.mark.parametrize("method", CAPTUM)
def test_captum_explains_a_linear_model(linear, method):
    """Each method gives what it is defined as; what is ignored or missing is zero."""
    model, X = linear
    options = {} if method in {"saliency", "input_x_gradient"} else {"baseline": {"rna": 0.5}}

    found = attribute(model, X, "well", method=method, **options)

    expected = CAPTUM[method](X["rna"], model.weights("rna")) * X.is_present("rna")[:, None]
    np.testing.assert_allclose(found["rna"], expected, atol=1e-9)
    assert not found["ignored"].any()
    assert not found["scan"][4].any()
    assert found.completeness_error is None
    assert found.method == method
    if method != "saliency":
        seen = X["scan"] / 255 * np.moveaxis(model.weights("scan").reshape(3, 4, 5), 0, -1)
        expected = seen if method == "input_x_gradient" else seen.mean(axis=-1, keepdims=True) + 0 * seen
        np.testing.assert_allclose(found["scan"][0], expected[0], atol=1e-9)


def test_windows_and_masks_are_those_of_the_caller(linear):
    """The effect of a window, or of all with a number, is shared by its values, so that sums are effects."""
    model, X = linear
    X = X[[0, 1]]
    seen = X["scan"] / 255 * np.moveaxis(model.weights("scan").reshape(3, 4, 5), 0, -1)
    mask = np.repeat([[7, 7, 7, 2, 2]], 4, axis=0)

    windows = attribute(
        model,
        X,
        "well",
        method="occlusion",
        sliding_window_shapes={"scan": (4, 1), "rna": 3},
        strides={"scan": 1},
    )
    masked = attribute(
        model, X, "well", method="feature_ablation", feature_mask={"scan": mask, "rna": [0, 1, 1]}
    )

    np.testing.assert_allclose(windows["scan"].sum(axis=(1, 3)), seen.sum(axis=(1, 3)), atol=1e-6)
    np.testing.assert_allclose(
        windows["rna"][:, 0], (X["rna"] * model.weights("rna")).mean(axis=1), atol=1e-6
    )
    parts = masked["scan"][:, :, :3], masked["scan"][:, :, 3:]
    for part, expected in zip(parts, (seen[:, :, :3], seen[:, :, 3:]), strict=True):
        np.testing.assert_allclose(
            part, (expected.mean(axis=(1, 2, 3), keepdims=True) + 0 * expected), atol=1e-6
        )
    expected = X["rna"] * model.weights("rna")
    np.testing.assert_allclose(masked["rna"][:, 0], expected[:, 0], atol=1e-6)
    np.testing.assert_allclose(masked["rna"][:, 1], expected[:, 1:].mean(axis=1), atol=1e-6)


@pytest.mark.parametrize(("window", "stride", "covered"), [(2, None, [1, 1, 1]), (2, 1, [1, 2, 1])])
def test_windows_share_their_effects_by_the_values_that_they_cover(linear, window, stride, covered):
    """A window that reaches over the border gives all of its effect; those that overlap add theirs."""
    model, X = linear
    X = X[[0, 1]]
    seen = X["scan"] / 255 * np.moveaxis(model.weights("scan").reshape(3, 4, 5), 0, -1)
    options = {"sliding_window_shapes": {"rna": window, "scan": (3, 2)}}
    if stride is not None:
        options["strides"] = {"rna": stride}

    found = attribute(model, X, "well", method="occlusion", **options)

    effects = X["rna"] * model.weights("rna") * np.asarray(covered)
    np.testing.assert_allclose(found["rna"].sum(axis=1), effects.sum(axis=1), atol=1e-6)
    np.testing.assert_allclose(found["scan"].sum(axis=(1, 2, 3)), seen.sum(axis=(1, 2, 3)), atol=1e-6)
    corner = seen[:, 3:, 4:].mean(axis=(1, 2, 3))  # of a window of 3 x 2 one pixel lies inside
    np.testing.assert_allclose(found["scan"][:, 3, 4].mean(axis=1), corner, atol=1e-6)


def test_strides_leave_no_gaps(linear):
    """A stride beyond the window is refused, by name."""
    model, X = linear

    with pytest.raises(ValueError, match=r"strides\['rna'\] must not be larger than the window"):
        attribute(model, X, "well", method="occlusion", strides={"rna": 2})


@pytest.mark.parametrize("method", CAPTUM)
def test_captum_takes_bags_and_texts(fitted, method):
    """Instances and tokens are features; missing ones are zero."""
    for cls in (AttentionPoolingClassifier, HEALNetClassifier, ImageTextClassifier):
        model, X = fitted(cls)

        found = attribute(model, X[:6], method=method)

        for name in found:
            assert not found.totals[name][~X[:6].is_present(name)].any()
        assert all(
            np.isfinite(np.concatenate([np.ravel(e) for e in values])).all() for values in found.values()
        )


def test_captum_is_an_extra(linear, monkeypatch):
    """Where it is not installed the message tells how to install it; integrated gradients do without."""
    model, X = linear
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    monkeypatch.setitem(sys.modules, "captum", None)

    assert attribute(model, X)["rna"].any()
    with pytest.raises(ImportError, match=re.escape('needs the package "captum.attr"')):
        attribute(model, X, method="saliency")
