"""Code without its words: what the one-call agent asks for, and half as long to learn and to say."""

from __future__ import annotations

import ast
import io
import tokenize


def bare(code: str) -> str:
    """Return Python without docstrings and comments; the rest, layout included, stays as it is.

    A text that does not parse comes back unchanged; so does a docstring that is all its body has.
    """
    try:
        tree = ast.parse(code)
        tokens = list(tokenize.generate_tokens(io.StringIO(code).readline))
    except (SyntaxError, ValueError, RecursionError, tokenize.TokenError):
        return code
    lines = code.split("\n")
    gone: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef | ast.Module):
            gone |= _docstring(node, lines)
    for token in tokens:
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column].rstrip()
            if not lines[row - 1]:
                gone.add(row)
    return "\n".join(line for row, line in enumerate(lines, start=1) if row not in gone).strip("\n")


def _docstring(
    node: ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef | ast.Module, lines: list[str]
) -> set[int]:
    """Return the rows of a node's docstring when they hold nothing else and something follows."""
    if len(node.body) < 2 or ast.get_docstring(node, clean=False) is None:
        return set()
    words = node.body[0]
    last = words.end_lineno or words.lineno
    alone = not lines[words.lineno - 1][: words.col_offset].strip()
    alone = alone and not lines[last - 1].encode()[words.end_col_offset or 0 :].strip()
    return set(range(words.lineno, last + 1)) if alone and node.body[1].lineno > last else set()
