"""What `attribute` does not take, and what it says then."""

import re

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

from skmm import ModalityDict
from skmm.embedding import AttentionPooling
from skmm.fusion import ImageTextClassifier, LateFusionClassifier
from skmm.inspection import attribute
from skmm.multiclass import MultiTargetClassifier, OrdinalCascadeClassifier
from skmm.nn import FusionOutput


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "guess"}, "'method' parameter of attribute must be 'integrated_gradients' or 'saliency'"),
        ({"n_steps": 0}, "'n_steps' parameter of attribute must be an int in the range"),
        ({"rule": "simpson"}, "'rule' parameter of attribute must be"),
        ({"rule": "riemann_trapezoid", "n_steps": 1}, "needs n_steps of 2 at least"),
        ({"batch_size": -1}, "'batch_size' parameter"),
        ({"token_score": "sum"}, "'token_score' parameter"),
        ({"steps": 5}, "takes no further arguments. Got ['steps']"),
        ({"method": "saliency", "n_steps": 9}, "n_steps and rule belong to method='integrated_gradients'"),
        ({"method": "saliency", "baseline": {"rna": 0}}, "has no baseline"),
        ({"method": "saliency", "abs": 3}, "'abs' parameter of attribute must be True or False"),
        ({"method": "occlusion", "strides": 3}, "strides must be a dict by modality. Got int"),
        ({"method": "occlusion", "strides": {"mri": 3}}, "strides names 'mri'"),
        ({"method": "occlusion", "sliding_window_shapes": {"scan": (5, 1)}}, "not larger than (4, 5)"),
        (
            {"method": "occlusion", "sliding_window_shapes": {"scan": 1.5}},
            "must be a whole number, or 2 of them",
        ),
        ({"method": "feature_ablation", "feature_mask": {"rna": [1, 2]}}, "whole numbers of shape (3,)"),
        ({"modalities": "mri"}, "modalities must be among"),
        ({"baseline": 0}, "baseline must be a dict"),
        ({"baseline": {"mri": 0}}, "baseline names 'mri'"),
        ({"baseline": {"rna": [1, 2]}}, "must be a number or have shape (3,) or (10, 3). Got (2,)"),
        ({"baseline": {"rna": np.nan}}, "must be finite"),
        ({"baseline": {"rna": "mean"}}, "must be a number or an array of numbers"),
        ({"baseline": {"scan": 300}}, "must lie within 0 and 255, as uint8 does"),
    ],
)
def test_arguments_are_checked(linear, options, message):
    """What is not allowed is told before anything is computed."""
    model, X = linear

    with pytest.raises(ValueError, match=re.escape(message)):
        attribute(model, X, **options)


def test_other_estimators_are_refused_with_what_is_possible(linear, linear_classifier):
    """The message names what was handed over, and where there is a way around, the way."""
    _, X = linear
    X = X[X.is_present("rna")]
    table, y = X["rna"], np.arange(9) % 3
    ordinal = OrdinalCascadeClassifier(linear_classifier(), order="sorted").fit(X[["rna"]], y)
    targets = MultiTargetClassifier(linear_classifier()).fit(X[["rna"]], pd.DataFrame({"a": y % 2}))
    late = LateFusionClassifier(LogisticRegression()).fit(X[["rna"]], y % 2)
    pooling = AttentionPooling(max_epochs=1, random_state=0).fit([table, table], [0, 1])

    for model, hint in (
        (ordinal, "attribute(model.estimators_[k], X)"),
        (targets, "attribute(model.estimators_[target], X)"),
        (late, "Its classifiers, in estimators_"),
        (KMeans(2, n_init=1, random_state=0).fit(table), "Got KMeans instead."),
    ):
        with pytest.raises(ValueError, match="derive from BaseFusionClassifier.*" + re.escape(hint)):
            attribute(model, X[["rna"]])
    with pytest.raises(ValueError, match="its attention_weights tell"):
        attribute(pooling, ModalityDict({"slides": [table, table]}, kinds={"slides": "bag"}))
    for stage in (ordinal.estimators_[0], targets.estimators_["a"]):
        assert attribute(stage, X[["rna"]])["rna"].any()
    with pytest.raises(NotFittedError, match="GridSearchCV instance is not fitted yet"):
        attribute(GridSearchCV(linear_classifier(), {"lr": [1.0]}), X)
    with pytest.raises(NotFittedError, match="LinearClassifier"):
        attribute(linear_classifier(), X)


def test_texts_have_no_baseline_of_their_own(fitted):
    """The vector of a word begins at zero."""
    model, X = fitted(ImageTextClassifier)

    with pytest.raises(ValueError, match="is text, whose baseline is a vector of zeros"):
        attribute(model, X, baseline={"text": 0})


class Root(torch.nn.Module):
    """The root of the first column."""

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(()))

    def forward(self, inputs, present):
        """Logits; too large where the second column is."""
        values = torch.exp(inputs["rna"][:, 1]) + torch.sqrt(self.scale * inputs["rna"][:, 0].abs())
        return FusionOutput(torch.stack([values, -values], dim=1))


def test_what_is_not_finite_is_told(linear_classifier, monkeypatch):
    """A gradient that is not finite, and an answer that overflows, raise; neither is handed on as NaN."""
    monkeypatch.setattr(linear_classifier, "_make_module", lambda self, shapes, n_classes: Root())
    model = linear_classifier().fit({"rna": np.ones((4, 2))}, [0, 1, 0, 1])

    assert attribute(model, {"rna": np.ones((2, 2))}, 1)["rna"].all()
    with pytest.raises(ValueError, match=r"no finite gradient for 2 samples \(rows 0, 1\), as a square root"):
        attribute(model, {"rna": np.ones((2, 2))}, 1, n_steps=5, rule="riemann_left")
    with pytest.raises(ValueError, match="overflows in 1 samples"):
        attribute(model, {"rna": np.array([[1.0, 1.0], [1.0, 1000.0]])}, 1)
