"""The one exception of this package."""

from __future__ import annotations


class ArchiveError(ValueError):
    """An archive cannot do what was asked; one line says what was expected, what came and what to do."""
