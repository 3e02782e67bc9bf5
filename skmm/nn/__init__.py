"""Blocks of networks, made of torch alone: they know nothing of scikit-learn or of containers.

Conventions: the first axis is the batch; ``present`` is bool of shape (batch, n_modalities), True where a
modality was observed; ``mask`` is bool, True where an instance of a padded bag is real.
"""

from skmm.nn._attention import Attention, attend
from skmm.nn._autoencoders import DenoisingAutoencoder, VariationalAutoencoder
from skmm.nn._bag_pooling import AttendedAverage, BagAttentionPooling
from skmm.nn._dropout import AlphaDropout, Dropout, NoiseSource, NoisyModule
from skmm.nn._gates import FeatureGate
from skmm.nn._grouped import ColumnGroups, GroupedLinear
from skmm.nn._image_encoder import ImageEncoder
from skmm.nn._image_flips import RandomFlips
from skmm.nn._image_gate import UNetGate
from skmm.nn._linear import xavier_linear
from skmm.nn._masking import masked_softmax
from skmm.nn._missing import NeutralVector, drop_modalities, renormalize
from skmm.nn._modality_attention import ModalityAttention
from skmm.nn._output import Bag, FusionOutput
from skmm.nn._pooling import GatedAttentionPooling
from skmm.nn._positions import fourier_positions
from skmm.nn._segments import segment_mean, segment_softmax, segment_sum
from skmm.nn._text_cnn import TextCNN, TokenEmbedding
from skmm.nn._tokens import (
    BagTokens,
    FeatureTokens,
    GroupTokens,
    PatchTokens,
    Tokenizer,
    Tokens,
    VectorTokens,
)

__all__ = [
    "AlphaDropout",
    "AttendedAverage",
    "Attention",
    "Bag",
    "BagAttentionPooling",
    "BagTokens",
    "ColumnGroups",
    "DenoisingAutoencoder",
    "Dropout",
    "FeatureGate",
    "FeatureTokens",
    "FusionOutput",
    "GatedAttentionPooling",
    "GroupTokens",
    "GroupedLinear",
    "ImageEncoder",
    "ModalityAttention",
    "NeutralVector",
    "NoiseSource",
    "NoisyModule",
    "PatchTokens",
    "RandomFlips",
    "TextCNN",
    "TokenEmbedding",
    "Tokenizer",
    "Tokens",
    "UNetGate",
    "VariationalAutoencoder",
    "VectorTokens",
    "attend",
    "drop_modalities",
    "fourier_positions",
    "masked_softmax",
    "renormalize",
    "segment_mean",
    "segment_softmax",
    "segment_sum",
    "xavier_linear",
]
