"""Models of a user's own on the base class."""

import pickle

import numpy as np
import pytest
import torch

from skmm.fusion import BaseFusionClassifier
from skmm.nn import Dropout, FusionOutput, xavier_linear


class _Mixed(torch.nn.Module):
    """A network of a table, an image and a bag."""

    def __init__(self, shapes, n_classes):
        super().__init__()
        self.shapes = shapes
        sizes = [int(np.prod(shape)) for shape in shapes.values()]
        self.encoders = torch.nn.ModuleList(xavier_linear(size, 4) for size in sizes)
        self.dropout = Dropout(0.2)
        self.classifier = xavier_linear(4 * len(sizes), n_classes)

    def forward(self, inputs, present):
        """Average the instances of bags, flatten images, encode and concatenate what is present."""
        parts = []
        for (name, shape), encoder, here in zip(self.shapes.items(), self.encoders, present.T, strict=True):
            x = inputs[name]
            if not isinstance(x, torch.Tensor):
                sums = torch.zeros(len(present), *shape)
                owners = torch.repeat_interleave(torch.arange(len(present)), x.offsets.diff())
                sums.index_add_(0, owners, x.values)
                x = sums / x.offsets.diff().clamp(min=1)[:, None]
            parts.append(self.dropout(torch.relu(encoder(x.flatten(1)))) * here[:, None])
        fused = torch.cat(parts, dim=1)
        return FusionOutput(self.classifier(fused), fused=fused)


class _MixedClassifier(BaseFusionClassifier):
    """The estimator of `_Mixed`."""

    _accepts = ("table", "image", "bag")

    def __init__(self, *, max_epochs=40, lr=0.02, random_state=0):
        super().__init__(max_epochs=max_epochs, lr=lr, random_state=random_state)

    def _make_module(self, shapes, n_classes):
        """Note the shapes, and return the network."""
        self.shapes_ = shapes
        return _Mixed(shapes, n_classes)


def test_a_new_model_of_other_kinds(make_modalities):
    """One hook is enough for tables, images and bags: shapes, missing entries and persistence work."""
    X, y, _ = make_modalities(("dense", "sparse", "image", "bag"), n_samples=60)
    model = _MixedClassifier().fit(X, y)

    assert model.shapes_ == {"bag": (3,), "dense": (5,), "image": (1, 8, 8), "sparse": (5,)}
    assert model.score(X, y) > 0.9
    twin = pickle.loads(pickle.dumps(model))
    np.testing.assert_allclose(twin.predict_proba(X[[3, 1]]), model.predict_proba(X)[[3, 1]], atol=1e-6)
    assert set(model.get_params()) == {"max_epochs", "lr", "random_state"}


def test_a_network_may_return_logits_alone():
    """A module that returns a tensor trains and predicts; transform says what it lacks."""

    class Plain(torch.nn.Module):
        """Logits of one table."""

        def __init__(self, size, n_classes):
            super().__init__()
            self.affine = xavier_linear(size, n_classes)

        def forward(self, inputs, present):
            """Return logits."""
            return self.affine(inputs["x"])

    class PlainClassifier(BaseFusionClassifier):
        """Its estimator."""

        def __init__(self, *, random_state=0):
            super().__init__(lr=0.02, random_state=random_state)

        def _make_module(self, shapes, n_classes):
            """Return the network."""
            return Plain(*shapes["x"], n_classes)

    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    X = {"rna": rng.normal(size=(60, 6)) + 2.5 * np.eye(3, 6)[y]}
    model = PlainClassifier().fit(X["rna"], y)

    assert model.score(X["rna"], y) > 0.8
    with pytest.raises(NotImplementedError, match="fused=vector"):
        model.transform(X["rna"])
