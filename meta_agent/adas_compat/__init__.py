"""Published ADAS programs (``forward(self, taskInfo)``, Hu et al. 2024, arXiv 2408.08435), run as they are.

Nothing of a published program is ever executed by the host. :func:`runnable` gives it as data to
:mod:`meta_agent.adas_compat.runtime`, an agent program like any other, which executes it inside the jail under
the names that ADAS gives it.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

from sandboxes.syntax import parse

MOST_CALLS = 120
"""Model calls a published program may make on one task: they know no limit, and the hungriest of 174 makes 113."""


def runnable(source: str) -> str:
    """Return what the sandbox executes for a program: itself, or the runtime with the published program in it."""
    entry = published_entry(source)
    if entry is None:
        return source
    return f"{_read('runtime')}\n\nPUBLISHED = {source!r}\nENTRY = {entry!r}\nARRAYS = {_read('arrays')!r}\n"


@cache
def published_entry(source: str) -> str | None:
    """Return the name of the function that makes a source an ADAS program, None when it is of another kind.

    That is the top-level function whose first parameter is ``self``: ``forward``, or the only one.
    """
    try:
        body = parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    names = {
        node.name
        for node in body
        if isinstance(node, ast.FunctionDef) and [arg.arg for arg in node.args.args][:1] == ["self"]
    }
    return "forward" if "forward" in names else names.pop() if len(names) == 1 else None


@cache
def _read(name: str) -> str:
    return (Path(__file__).parent / f"{name}.py").read_text()
