"""Checks of skmm's contract, for estimators of your own; every estimator of the package passes them."""

from skmm.testing._data import make_modalities
from skmm.testing._discovery import all_estimators
from skmm.testing._run import check_multimodal_estimator, parametrize_with_multimodal_checks

__all__ = [
    "all_estimators",
    "check_multimodal_estimator",
    "make_modalities",
    "parametrize_with_multimodal_checks",
]
