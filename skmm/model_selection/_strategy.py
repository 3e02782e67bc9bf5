"""Where an estimator joins the modalities: early, intermediate, late or not at all."""

from sklearn.ensemble import StackingClassifier, VotingClassifier

from skmm.compose import ConcatModalities

STRATEGIES = ("late", "intermediate", "early")  # the latest one that occurs tells


def nested_estimators(estimator):
    """The estimator itself and all that its parameters hold, by their prefix."""
    params = estimator.get_params(deep=True)
    return {"": estimator} | {
        name: value
        for name, value in params.items()
        if hasattr(value, "get_params") and not isinstance(value, type)
    }


def _own_strategy(estimator):
    """Strategy of one estimator, regardless of what it holds."""
    if isinstance(estimator, ConcatModalities):
        return "early"
    if isinstance(estimator, (StackingClassifier, VotingClassifier)):
        return "late"
    return getattr(estimator, "_fusion_strategy", "none")


def fusion_strategy(estimator):
    """Infer the fusion strategy of an estimator, through Pipelines and meta-estimators.

    A model says it by its class attribute ``_fusion_strategy``; ConcatModalities is early fusion, voting and
    stacking are late fusion. Where several occur, the latest counts: late fusion of models that concatenate
    is late.
    """
    found = {_own_strategy(part) for part in nested_estimators(estimator).values()}
    return next((strategy for strategy in STRATEGIES if strategy in found), "none")
