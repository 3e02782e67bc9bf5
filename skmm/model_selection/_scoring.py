"""Scorers as one dict, whatever way they were given."""

from collections.abc import Mapping

import numpy as np
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
    given = scoring
    if isinstance(scoring, str):
        scoring = (scoring,)
    if callable(scoring):
        scoring = {"score": scoring}
    if not isinstance(scoring, Mapping):
        scoring = {name: name for name in (scoring if np.iterable(scoring) else ())}
    named = all(isinstance(name, str) for name in scoring)
    if not scoring or not named or not all(isinstance(s, str) or callable(s) for s in scoring.values()):
        raise ValueError(
            "scoring must be a name, a callable, names, or a dict {name: name or callable}, at least one. "
            f"Got {given!r} instead."
        )
    return {name: _scorer(value) if isinstance(value, str) else value for name, value in scoring.items()}
