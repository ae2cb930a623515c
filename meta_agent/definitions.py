"""Where things are defined in Python sources. This file runs inside the sandbox: standard library only.

The sources are a repository's, which nobody has read: a parser can be made to fail, and is made to fail in there.
"""

from __future__ import annotations

import ast
import warnings


def definitions(sources: list[str]) -> list[list[list[object]]]:
    """Return, for each source, its classes, methods and functions, in the order of their lines.

    Each is ``[kind, name, inside, first, last, signature]``: ``class``, ``method`` or ``function``; the dotted name of
    the class or function around it, empty at the top; first (decorators included) and last line, from 1; and its
    header. A source that is no Python has none.
    """
    warnings.simplefilter("ignore")
    return [_of(source) for source in sources]


def _of(source: str) -> list[list[object]]:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    found: list[list[object]] = []
    pending = [(child, "", False) for child in tree.body]
    while pending:
        node, inside, in_class = pending.pop()
        if not isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            # Definitions under an if, a try or a with belong to what is around it.
            pending += [
                (child, inside, in_class)
                for child in ast.iter_child_nodes(node)
                if isinstance(child, ast.stmt)
            ]
            continue
        is_class = isinstance(node, ast.ClassDef)
        kind = "class" if is_class else "method" if in_class else "function"
        first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        found.append([kind, node.name, inside, first, node.end_lineno, _signature(node)])
        name = f"{inside}.{node.name}" if inside else node.name
        pending += [(child, name, is_class) for child in node.body]
    return sorted(found, key=lambda one: (one[3], -int(str(one[4]))))


def _signature(node: ast.AST) -> str:
    if isinstance(node, ast.ClassDef):
        bases = [ast.unparse(base) for base in (*node.bases, *node.keywords)]
        return f"class {node.name}({', '.join(bases)}):" if bases else f"class {node.name}:"
    assert isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    word = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    return f"{word} {node.name}({ast.unparse(node.args)}){returns}:"
