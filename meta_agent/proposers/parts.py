"""A program as a list of parts, one of which can be written anew (LLM Guided Evolution's genes)."""

from __future__ import annotations

import ast
import textwrap
from dataclasses import dataclass

from sandboxes.syntax import parse


@dataclass(frozen=True, slots=True)
class Part:
    """Some lines of a source: a statement of ``forward``, or a function beside it."""

    first: int
    """From 1."""
    last: int
    column: int
    """Where it begins in its lines."""


def parts(source: str) -> list[Part]:
    """Return the parts of a program, in their order; what is no code (docstrings, imports) belongs to none."""
    found = []
    for node in parse(source).body:
        if isinstance(node, ast.FunctionDef) and node.name == "forward":
            found += [statement for statement in node.body if not _is_text(statement)]
        elif not isinstance(node, ast.Import | ast.ImportFrom) and not _is_text(node):
            found.append(node)
    return [Part(node.lineno, node.end_lineno or node.lineno, node.col_offset) for node in found]


def text(source: str, part: Part) -> str:
    """Return a part, without its indentation."""
    return textwrap.dedent("\n".join(source.splitlines()[part.first - 1 : part.last]))


def replaced(source: str, part: Part, new: str) -> str:
    """Return the program with a part written anew; the new text may stand at any indentation."""
    lines = source.splitlines()
    lines[part.first - 1 : part.last] = textwrap.indent(
        textwrap.dedent(new.strip("\n")), " " * part.column
    ).splitlines()
    return "\n".join(lines)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
