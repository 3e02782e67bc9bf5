"""From images and bags of slices to vectors: pretrained backbones, a cache, and pooling of bags."""

from skmm.embedding._cache import clear_memory_cache

__all__ = ["clear_memory_cache"]
