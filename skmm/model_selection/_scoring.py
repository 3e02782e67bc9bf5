"""Scorers as one dict, whatever way they were given."""

from collections.abc import Mapping

from sklearn.metrics import get_scorer as sklearn_scorer

from skmm.metrics import get_scorer, get_scorer_names, paper_scorers


def _scorer(name):
    """Scorer by name: skmm's, which are defined on every fold, before scikit-learn's."""
    return get_scorer(name) if name in get_scorer_names() else sklearn_scorer(name)


def resolve_scorers(scoring):
    """Scorers by name.

    Parameters
    ----------
    scoring : None, str, callable, iterable of str, or dict of str -> str or callable
        None stands for the papers' scorers, without the log-loss, which classifiers without probabilities
        lack.

    Returns
    -------
    dict of str -> callable
        In the order given.
    """
    if scoring is None:
        return paper_scorers([name for name in paper_scorers() if name != "neg_log_loss"])
    if isinstance(scoring, str):
        scoring = (scoring,)
    if callable(scoring):
        scoring = {"score": scoring}
    if not isinstance(scoring, Mapping):
        scoring = {name: name for name in scoring}
    if not scoring:
        raise ValueError("scoring must name at least one metric. Got none instead.")
    return {name: _scorer(value) if isinstance(value, str) else value for name, value in scoring.items()}
