"""The scorers of the papers' tables, by name, and the errors of confidences."""

from ._confidence import confidence_errors
from ._scorers import get_scorer, get_scorer_names, paper_scorers
from ._scores import aligned_log_loss, roc_auc_ovr_score

__all__ = [
    "aligned_log_loss",
    "confidence_errors",
    "get_scorer",
    "get_scorer_names",
    "paper_scorers",
    "roc_auc_ovr_score",
]
