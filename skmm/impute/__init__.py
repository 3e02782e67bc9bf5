"""Imputers: values that a table lacks, and whole modalities that a sample lacks."""

from skmm.impute._pseudo_modality import PseudoModalityImputer
from skmm.impute._random_forest import RandomForestImputer

__all__ = ["PseudoModalityImputer", "RandomForestImputer"]
