"""From images and bags of slices to vectors: pretrained backbones, a cache, and pooling of bags."""

from skmm.embedding._attention_pooling import AttentionPooling
from skmm.embedding._average_pooling import AveragePooling
from skmm.embedding._cache import clear_memory_cache

__all__ = ["AttentionPooling", "AveragePooling", "clear_memory_cache"]
