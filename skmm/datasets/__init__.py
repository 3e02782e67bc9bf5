"""Data sets in several modalities: bundled, synthetic and downloaded ones, and simulated missingness."""

from ._digits import load_digits_views
from ._home import get_data_home
from ._missing import drop_modalities
from ._rosmap import fetch_rosmap
from ._synthetic import make_multimodal_classification

__all__ = [
    "drop_modalities",
    "fetch_rosmap",
    "get_data_home",
    "load_digits_views",
    "make_multimodal_classification",
]
