"""Around any classifier: ordered classes, several targets, balanced weights."""

from skmm.multiclass._class_weight import ClassWeightClassifier
from skmm.multiclass._multi_target import MultiTargetClassifier
from skmm.multiclass._ordinal_cascade import OrdinalCascadeClassifier

__all__ = ["ClassWeightClassifier", "MultiTargetClassifier", "OrdinalCascadeClassifier"]
