"""From images, texts and bags of slices to vectors: pretrained backbones, a cache, and pooling of bags."""

from skmm.embedding._attention_pooling import AttentionPooling
from skmm.embedding._average_pooling import AveragePooling
from skmm.embedding._cache import clear_memory_cache
from skmm.embedding._image_embedder import ImageEmbedder
from skmm.embedding._text_embedder import TextEmbedder

__all__ = ["AttentionPooling", "AveragePooling", "ImageEmbedder", "TextEmbedder", "clear_memory_cache"]
