"""What the tests of ModalityTransformer share."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, TransformerMixin

from skmm import ModalityDict

NAN = np.nan


class Recorder(TransformerMixin, BaseEstimator):
    """Passes data through and remembers what fit was handed."""

    def fit(self, X, y=None, sample_weight=None, groups=None):
        """Remember the arguments."""
        self.seen_ = {"X": X, "y": y, "sample_weight": sample_weight, "groups": groups}
        return self

    def transform(self, X):
        """Return X, counting the rows of each call."""
        self.calls_ = [*getattr(self, "calls_", []), X.shape[0] if hasattr(X, "shape") else len(X)]
        return X


@pytest.fixture(name="recorder")
def _recorder():
    """The class Recorder."""
    return Recorder


@pytest.fixture(name="X")
def _make_X():
    """Six samples: a table that two lack, text that one lacks, images, a DataFrame with a hole."""
    rng = np.random.default_rng(0)
    rna = rng.normal(size=(6, 3))
    rna[[1, 4]] = NAN
    clinical = pd.DataFrame(
        {"sex": ["f", "m", "m", None, "f", "m"], "age": [40.0, 50.0, NAN, NAN, 61.0, 70.0]},
        index=list("abcdef"),
    )
    return ModalityDict(
        {
            "rna": rna,
            "note": ["aa bb", "bb cc", None, "cc", "aa", "dd"],
            "xray": rng.integers(0, 255, (6, 4, 5), dtype=np.uint8),
            "clinical": clinical,
        },
        groups=[0, 0, 1, 1, 2, 2],
    )
