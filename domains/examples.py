"""Visible tests: the examples in a docstring, turned into ``assert`` lines.

Docstrings state examples in many ways: doctest blocks, ``f(1) == 2``, ``f(1) => 2``, ``f(1) should return
2``, ``For x = 1 the output should be 2``, ``Input: 1`` above ``Output: 2``. Values are read as literals with
:mod:`ast`, nothing is evaluated, and an example that cannot be read that way is left out.
"""

from __future__ import annotations

import ast
import re
import warnings
from typing import TYPE_CHECKING

from sandboxes import syntax

if TYPE_CHECKING:
    from collections.abc import Iterator

_ARROW = re.compile(
    r"\s*(?:#\s*)?(?:={1,2}>|-{1,2}>|[➞→]|={1,2}(?!=)|returns\b|should\s+(?:return|be|equal)\b)\s*"
)
_INPUT = re.compile(r"\bInput\s*:\s*|\bFor\s+(?=\w+\s*=)")
_OUTPUT = re.compile(r"\s*Output\s*:\s*|[^\n]*?\bthe (?:output|result) should be\s*")
_NAME = re.compile(r"[A-Za-z_]\w*\s*[=:]\s*")
_ATOM = re.compile(r"[-+]?(?:\d+\.\d+|\d+|\.\d+)(?:[eE][-+]?\d+)?|[A-Za-z]+")
_SUM = re.compile(r"[\d .+*/()-]+=[ ]*")
_SPACE = re.compile(r"\s*")
_COMMA = re.compile(r"[,\s]*")
_NOTHING = re.compile(r"[ ]*\n[ ]*(?:\n|>>>|$)")
_AFTER = re.compile(r"(?![\w\"'\[({])[ ]*(?![- +*/%<>=|&])")
_CONSTANTS = {"true": "True", "false": "False", "none": "None", "null": "None"}
_WRAPPERS = {"abs", "len", "list", "round", "set", "sorted", "tuple"}


def visible_tests(prompt: str, entry: str) -> tuple[str, ...]:
    """Return the examples in the docstring of ``entry`` as ``assert`` lines, each once.

    Args:
        prompt: Python source that ends with the header and docstring of the function.
        entry: the function's name.

    """
    text = _docstring(prompt, entry)
    parameters = len(_function(prompt, entry).args.args)
    found = [*_doctests(text, entry), *_calls(text, entry), *_inputs(text, entry, parameters)]
    return tuple(dict.fromkeys(found or _misnamed(text, entry)))


def parse(source: str) -> ast.Module:
    """Parse Python from a data set, whose doubtful escapes are nobody's concern here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        warnings.simplefilter("ignore", DeprecationWarning)  # what Python 3.11 makes of them
        return syntax.parse(source)


def _function(prompt: str, entry: str) -> ast.FunctionDef:
    return next(
        node
        for node in reversed(parse(prompt).body)
        if isinstance(node, ast.FunctionDef) and node.name == entry
    )


def _docstring(prompt: str, entry: str) -> str:
    """Return the docstring as it is written, escapes included, even where a statement stands before it."""
    for node in _function(prompt, entry).body:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            source = ast.get_source_segment(prompt, node) or ""
            return source.strip("\"'")
    return ""


def _doctests(text: str, entry: str) -> Iterator[str]:
    """Read ``>>>`` lines: the value stands behind ``==`` or is printed below; nothing printed means None."""
    for match in re.finditer(r"^\s*>>> (.*)$", text, re.MULTILINE):
        expression = _parse(match[1])
        if expression is None or not _is_call_of(entry, expression):
            continue
        if isinstance(expression, ast.Compare):
            yield f"assert {ast.unparse(expression)}"
        elif _NOTHING.match(text, match.end()):
            yield f"assert {ast.unparse(expression)} is None"
        elif value := _literal(text, _end(_SPACE, text, match.end())):
            yield f"assert {ast.unparse(expression)} == {value[0]}"


def _is_call_of(entry: str, expression: ast.expr) -> bool:
    """Tell whether an expression calls ``entry`` on literals, maybe inside a built-in or beside ``==``."""
    if isinstance(expression, ast.Compare):
        return (
            len(expression.ops) == 1
            and isinstance(expression.ops[0], ast.Eq)
            and _is_call_of(entry, expression.left)
            and _is_literal(expression.comparators[0])
        )
    if (
        not isinstance(expression, ast.Call)
        or not isinstance(expression.func, ast.Name)
        or expression.keywords
    ):
        return False
    if expression.func.id == entry:
        return all(map(_is_literal, expression.args))
    return (
        expression.func.id in _WRAPPERS
        and bool(expression.args)
        and _is_call_of(entry, expression.args[0])
        and all(map(_is_literal, expression.args[1:]))
    )


def _calls(text: str, name: str, entry: str = "") -> Iterator[str]:
    """Read ``name(literals) ARROW literal``; the assert calls ``entry`` instead of ``name``, if given."""
    if re.search(rf"\b{name}\s*\([a-z]\w*\)\s*(?:=|->)[^\n]*\b{name}\s*\(", text):
        # Base cases of a recurrence look like examples, but may not be of what the function returns.
        text = text.rpartition("Example")[2] if "Example" in text else ""
    for match in re.finditer(rf"\b{name}\s*\(", text):
        call = _closed(text, match.start())
        if call is None or not _is_call_of(name, call[0]):
            continue
        arrow = _ARROW.match(text, call[1])
        if arrow is None:
            continue
        if value := _literal(text, _end(_SUM, text, arrow.end())):
            source = ast.unparse(call[0])
            yield f"assert {entry + source[len(name) :] if entry else source} == {value[0]}"


def _misnamed(text: str, entry: str) -> list[str]:
    """Read examples that call the function by another name, if there is exactly one such name."""
    names = {match[1] for match in re.finditer(r"\b([A-Za-z_]\w*)\s*\(", text)}
    found = [tests for name in sorted(names) if (tests := list(_calls(text, name, entry)))]
    return found[0] if len(found) == 1 else []


def _inputs(text: str, entry: str, parameters: int) -> Iterator[str]:
    """Read ``Input: x = 1, y = 2`` / ``Output: 3`` and ``For x = 1, y = 2 the output should be 3``."""
    for match in _INPUT.finditer(text):
        position = match.end()
        arguments: list[str] = []
        while len(arguments) < parameters:
            value = _literal(text, _end(_NAME, text, position))
            if value is None:
                break
            arguments.append(value[0])
            position = _end(_COMMA, text, value[1])
        output = _OUTPUT.match(text, position)
        if len(arguments) == parameters and output and (value := _literal(text, output.end())):
            yield f"assert {entry}({', '.join(arguments)}) == {value[0]}"


def _literal(text: str, start: int) -> tuple[str, int] | None:
    """Return the literal that begins at ``start``, in normal form, and where it ends."""
    if text[start : start + 1] in tuple("([{\"'"):
        closed = _closed(text, start)
        if closed is None or not _is_literal(closed[0]):
            return None
        source, end = ast.unparse(closed[0]), closed[1]
    else:
        atom = _ATOM.match(text, start)
        if atom is None:
            return None
        source, end = _CONSTANTS.get(atom[0].lower(), atom[0]), atom.end()
        expression = _parse(source)
        if expression is None or not _is_literal(expression):
            return None
        source = ast.unparse(expression)
    return (source, end) if _AFTER.match(text, end) else None


def _end(optional: re.Pattern[str], text: str, start: int) -> int:
    """Return where ``optional`` ends if it begins at ``start``, else ``start``."""
    match = optional.match(text, start)
    return match.end() if match else start


def _closed(text: str, start: int) -> tuple[ast.expr, int] | None:
    """Return the shortest expression from ``start`` that ends with a bracket or quote, and where it ends."""
    paragraph = text.find("\n\n", start)
    for match in re.compile(r"[)\]}\"']").finditer(
        text, start + 1, paragraph if paragraph > 0 else len(text)
    ):
        expression = _parse(text[start : match.end()])
        if expression is not None:
            return expression, match.end()
    return None


def _parse(source: str) -> ast.expr | None:
    try:
        (statement,) = parse(source).body
    except (SyntaxError, ValueError):
        return None
    return statement.value if isinstance(statement, ast.Expr) else None


def _is_literal(expression: ast.expr) -> bool:
    try:
        ast.literal_eval(expression)
    except (ValueError, TypeError):
        return False
    return True
