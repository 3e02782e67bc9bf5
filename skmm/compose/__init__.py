"""From modalities to modalities, from one table to modalities, and from modalities to one table.

`ModalityTransformer` applies a scikit-learn transformer to each modality, `ModalitySplitter` cuts one wide
table into modalities, and `ConcatModalities` joins modalities into one table (early fusion).
"""

from skmm.compose._concat_modalities import ConcatModalities
from skmm.compose._modality_splitter import ModalitySplitter
from skmm.compose._modality_transformer import ModalityTransformer

__all__ = ["ConcatModalities", "ModalitySplitter", "ModalityTransformer"]
