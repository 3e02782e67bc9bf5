"""Fusion strategies are read off the estimators, at any depth."""

import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skmm.compose import ConcatModalities
from skmm.fusion import LateFusionClassifier, MMDynamicsClassifier
from skmm.model_selection._strategy import fusion_strategy

EARLY = make_pipeline(ConcatModalities(), LogisticRegression())


class Middle(LogisticRegression):
    """A model that says where it fuses."""

    _fusion_strategy = "intermediate"


@pytest.mark.parametrize(
    ("estimator", "strategy"),
    [
        (LogisticRegression(), "none"),
        (EARLY, "early"),
        (GridSearchCV(EARLY, {}), "early"),
        (Middle(), "intermediate"),
        (make_pipeline(ConcatModalities(), Middle()), "intermediate"),
        (CalibratedClassifierCV(Middle()), "intermediate"),
        (StackingClassifier([("a", EARLY), ("b", EARLY)]), "late"),
        (LateFusionClassifier(LogisticRegression()), "late"),
        (make_pipeline(ConcatModalities(), LateFusionClassifier()), "late"),
        (MMDynamicsClassifier(), MMDynamicsClassifier._fusion_strategy),
    ],
)
def test_the_latest_strategy_inside_counts(estimator, strategy):
    """Concatenation is early, voting and stacking are late, models say their own; the latest wins."""
    assert fusion_strategy(estimator) == strategy
