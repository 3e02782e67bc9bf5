"""imbalanced-learn's samplers work inside its Pipeline, on the container and after concatenation."""

import numpy as np
import pytest
from imblearn.over_sampling import SMOTE
from imblearn.pipeline import Pipeline
from imblearn.under_sampling import RandomUnderSampler
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

from skmm.compose import ConcatModalities


@pytest.fixture
def imbalanced(mixed):
    """Twenty samples of class "a", and five of "b"."""
    rows = np.concatenate([np.flatnonzero(mixed.y == "a")[:20], np.flatnonzero(mixed.y == "b")[:5]])
    return mixed.X[rows], mixed.y[rows]


def test_under_sampling_the_container(make_pipeline, imbalanced):
    """RandomUnderSampler on the container hands equally many samples of each class to the pipeline."""
    X, y = imbalanced
    sampled, y_sampled = RandomUnderSampler(random_state=0).fit_resample(X, y)
    model = Pipeline([("under", RandomUnderSampler(random_state=0)), *make_pipeline().steps])

    assert np.unique(y_sampled, return_counts=True)[1].tolist() == [5, 5]
    assert len(sampled) == 10
    assert cross_val_score(model, X, y, cv=2, scoring="balanced_accuracy").mean() > 0.7


def test_smote_after_concatenation(imbalanced):
    """SMOTE after ConcatModalities balances the classes of the training folds only."""
    X, y = imbalanced
    X = X[["dense", "sparse"]]
    counts = {}

    class Counting(LogisticRegression):
        def fit(self, X, y, **options):
            counts[len(counts)] = np.unique(y, return_counts=True)[1].tolist()
            return super().fit(X, y, **options)

    model = Pipeline(
        [("concat", ConcatModalities()), ("smote", SMOTE(k_neighbors=1, random_state=0)), ("lr", Counting())]
    )
    scores = cross_val_score(model, X, y, cv=2, scoring="balanced_accuracy")

    assert list(counts.values()) == [[10, 10], [10, 10]]
    assert scores.mean() > 0.7
