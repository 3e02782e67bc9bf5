"""Fixtures that many folders use."""
