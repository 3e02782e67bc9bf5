"""Blocks of networks, made of torch alone: they know nothing of scikit-learn or of containers.

Conventions: the first axis is the batch; ``present`` is bool of shape (batch, n_modalities), True where a
modality was observed; ``mask`` is bool, True where an instance of a padded bag is real.
"""

from skmm.nn._dropout import Dropout, NoiseSource, NoisyModule
from skmm.nn._gates import FeatureGate
from skmm.nn._linear import xavier_linear
from skmm.nn._masking import masked_softmax
from skmm.nn._missing import NeutralVector, drop_modalities, renormalize
from skmm.nn._output import Bag, FusionOutput

__all__ = [
    "Bag",
    "Dropout",
    "FeatureGate",
    "FusionOutput",
    "NeutralVector",
    "NoiseSource",
    "NoisyModule",
    "drop_modalities",
    "masked_softmax",
    "renormalize",
    "xavier_linear",
]
