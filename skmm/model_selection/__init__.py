"""Comparisons of models and of modalities, their tables and plots, and search spaces.

`compare_estimators` and `comparison_table` make the tables of a paper, with honest baselines beside the
models; `compare_modalities` and `missing_modality_curve` say what each modality is worth; `search_space` is
what Optuna searches. Each has a display class.
"""

from skmm.model_selection._compare import compare_estimators
from skmm.model_selection._comparison_display import ComparisonDisplay
from skmm.model_selection._history_display import TrainingHistoryDisplay
from skmm.model_selection._missing_curve import missing_modality_curve
from skmm.model_selection._missing_display import MissingModalityDisplay
from skmm.model_selection._modalities import compare_modalities
from skmm.model_selection._modalities_display import ModalitySubsetsDisplay
from skmm.model_selection._search_space import search_space, suggest_params
from skmm.model_selection._table import comparison_table, confusion_matrices

__all__ = [
    "ComparisonDisplay",
    "MissingModalityDisplay",
    "ModalitySubsetsDisplay",
    "PruningCallback",
    "TrainingHistoryDisplay",
    "compare_estimators",
    "compare_modalities",
    "comparison_table",
    "confusion_matrices",
    "missing_modality_curve",
    "search_space",
    "suggest_params",
]


def __getattr__(name):
    """Import what needs torch at its first use."""
    if name == "PruningCallback":
        from skmm.model_selection._pruning import PruningCallback

        return PruningCallback
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    """Return the names of the module, those not yet imported among them."""
    return sorted({*globals(), *__all__})
