"""Text that models and programs wrote, made fit for a page."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from markupsafe import Markup, escape
from pygments import highlight as paint
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from archive.report import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST = 20_000
"""Characters of one text that a page shows; the rest is a link away."""
LONGEST_CODE = 100_000
"""Characters of code that are coloured and compared."""
_DIFF_LINES = 4_000
_FORMAT = HtmlFormatter(nowrap=True)


@dataclass(frozen=True, slots=True)
class Piece:
    """A text as far as a page shows it."""

    html: Markup
    hidden: int
    """Characters that are not shown."""


def clip(text: str, found: str = "", longest: int = LONGEST) -> Piece:
    """Return the beginning of a text, with what was searched for marked; from its first occurrence if that is later."""
    start = 0
    if found and (at := text.casefold().find(found.casefold())) > longest // 2:
        start = at - longest // 4
    shown = printable(text[start : start + longest])
    return Piece(mark(("… " if start else "") + shown, found), len(text) - len(text[start : start + longest]))


def mark(text: str, found: str) -> Markup:
    """Return escaped text in which each occurrence of ``found`` is a ``<mark>``, whatever its case."""
    if not found:
        return escape(text)
    parts = re.split(f"({re.escape(found)})", text, flags=re.IGNORECASE)
    pieces = (Markup("<mark>{}</mark>").format(p) if i % 2 else escape(p) for i, p in enumerate(parts))
    return Markup("").join(pieces)


def code(source: str) -> list[Markup]:
    """Return the lines of Python source, coloured; beyond :data:`LONGEST_CODE` characters they are plain, then cut."""
    text = printable(source[: 2 * LONGEST_CODE])
    if len(text) > LONGEST_CODE:
        return [escape(line) for line in text.split("\n")]
    # Safe: pygments escapes the text, and what it adds are spans with classes of its own.
    return [Markup(line) for line in paint(text, PythonLexer(stripnl=False), _FORMAT).split("\n")[:-1]]  # noqa: S704


def difference(old: str, new: str) -> list[tuple[str, str]]:
    """Return the unified diff of two sources as (``add``, ``del``, ``hunk`` or ``same``, line)."""
    lines: Iterable[str] = difflib.unified_diff(
        printable(old[:LONGEST_CODE]).splitlines(),
        printable(new[:LONGEST_CODE]).splitlines(),
        lineterm="",
        n=3,
    )
    kinds = {"+": "add", "-": "del", "@": "hunk"}
    return [(kinds.get(line[:1], "same"), line) for line in islice(lines, 2, _DIFF_LINES)]
