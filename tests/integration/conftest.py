"""A pipeline from every kind of modality to a fused prediction, small enough to be fitted many times."""

import numpy as np
import pytest


def mean_of_bags(bags):
    """One row a bag: the mean of its instances."""
    return np.stack([bag.mean(axis=0) for bag in bags])


def flatten(images):
    """One row an image, its pixels."""
    return images.reshape(len(images), -1) / 255


@pytest.fixture
def make_pipeline():
    """Return a function that builds the pipeline; its parameters go to the fusion model."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import FunctionTransformer

    from skmm.compose import ModalityTransformer
    from skmm.fusion import MMDynamicsClassifier

    def make(memory=None, **params):
        prepare = ModalityTransformer(
            {
                "image": FunctionTransformer(flatten),
                "bag": FunctionTransformer(mean_of_bags),
                "text": TfidfVectorizer(),
            },
            remainder="passthrough",
        )
        settings = {"hidden": 32, "dropout": 0.2, "max_epochs": 10, "lr": 0.05, "random_state": 0, **params}
        return Pipeline([("prepare", prepare), ("fuse", MMDynamicsClassifier(**settings))], memory=memory)

    return make


@pytest.fixture
def mixed(make_modalities):
    """Sixty samples of every kind, a fifth of the entries missing."""
    return make_modalities(n_samples=60)
