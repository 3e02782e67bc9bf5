"""Around any classifier: ordered classes, several targets, balanced weights."""

__all__ = []
