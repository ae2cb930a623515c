"""Parsing Python where other threads parse too."""

from __future__ import annotations

import ast

_ATTEMPTS = 5


def parse(source: str) -> ast.Module:
    """Parse Python as :func:`ast.parse` does, also beside other threads.

    CPython 3.11 counts the depth of a tree for all threads together, now and then finds that it does not add up, and
    raises :class:`SystemError` for a source that is fine.
    """
    for _ in range(_ATTEMPTS - 1):
        try:
            return ast.parse(source)
        except SystemError:
            continue
    return ast.parse(source)
