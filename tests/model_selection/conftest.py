"""Small data and models for the comparisons."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmm import ModalityDict
from skmm.compose import ConcatModalities, ModalityTransformer


@pytest.fixture
def study():
    """X and y: 60 samples in 20 groups; "strong" tells the class, "weak" a little, "noise" nothing."""
    rng = np.random.default_rng(0)
    y = np.repeat(["a", "b", "c"], 20)
    level = np.repeat([0.0, 1.0, 2.0], 20)[:, None]
    values = {
        "strong": 2 * level + rng.normal(size=(60, 3)),
        "weak": level + rng.normal(size=(60, 2)),
        "noise": rng.normal(size=(60, 2)),
    }
    order = rng.permutation(60)
    groups = np.arange(60) % 20
    return ModalityDict(values, groups=groups)[order], y[order]


@pytest.fixture
def early():
    """Logistic regression on the concatenation, with a transformer that names each modality."""
    prepare = ModalityTransformer({name: StandardScaler() for name in ("strong", "weak", "noise")})
    return make_pipeline(prepare, ConcatModalities(), LogisticRegression())
