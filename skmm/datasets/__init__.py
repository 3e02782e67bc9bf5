"""Data sets in several modalities: bundled, made, downloaded, thinned out, and paired within class."""

from ._digits import load_digits_views
from ._home import get_data_home
from ._missing import drop_modalities
from ._pairing import pair_within_class
from ._rosmap import fetch_rosmap
from ._synthetic import make_multimodal_classification

__all__ = [
    "drop_modalities",
    "fetch_rosmap",
    "get_data_home",
    "load_digits_views",
    "make_multimodal_classification",
    "pair_within_class",
]
