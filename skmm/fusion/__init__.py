"""Fusion classifiers: one published model a file, all of them ordinary scikit-learn classifiers."""

from skmm.fusion._attention_pooling import AttentionPoolingClassifier
from skmm.fusion._base import BaseFusionClassifier
from skmm.fusion._healnet import HEALNetClassifier
from skmm.fusion._image_mm_dynamics import ImageMMDynamics
from skmm.fusion._image_text import ImageTextClassifier
from skmm.fusion._late import LateFusionClassifier
from skmm.fusion._mcat import MCATClassifier
from skmm.fusion._mm_dynamics import MMDynamicsClassifier
from skmm.fusion._mm_static import MMStaticClassifier

__all__ = [
    "AttentionPoolingClassifier",
    "BaseFusionClassifier",
    "HEALNetClassifier",
    "ImageMMDynamics",
    "ImageTextClassifier",
    "LateFusionClassifier",
    "MCATClassifier",
    "MMDynamicsClassifier",
    "MMStaticClassifier",
]
