"""The static check of a proposed program: everything that can be known without running it or paying for it."""

from __future__ import annotations

import ast
import sys

from sandboxes.syntax import parse

KIT_METHODS = (
    "llm",
    "run",
    "call",
    "run_partial",
    "vote",
    "classes",
    "select",
    "extract",
    "repo",
    "remaining",
    "log",
)
TASK_FIELDS = ("id", "prompt", "kind", "entry_point", "visible_tests", "metadata")
_KEYWORDS = {
    "llm": {"prompt", "system", "temperature", "n", "max_tokens", "fields", "stop"},
    "run": {"code", "tests"},
    "call": {"code", "calls"},
    "run_partial": {"code"},
    "classes": {"answers"},
    "vote": {"answers"},
    "select": {"candidates", "tests", "method"},
    "extract": {"text", "kind"},
    "log": set[str](),
}
MAX_SOURCE = 20_000


def check(source: str) -> str:
    """Return what is wrong with a program in one or more lines for its author, or an empty string."""
    if len(source) > MAX_SOURCE:
        return f"the program is too long: {len(source)} characters, at most {MAX_SOURCE}"
    try:
        tree = parse(source)
    except (SyntaxError, ValueError, RecursionError) as error:
        line = getattr(error, "lineno", None)
        where = f" in line {line}" if line else ""
        return f"syntax error{where}: {getattr(error, 'msg', None) or 'the source cannot be parsed'}"
    return "\n".join(dict.fromkeys([*_contract(tree), *_imports(tree), *_names(tree)]))


def fingerprint(source: str) -> str:
    """Return the program without comments, docstrings and layout: the same words, the same fingerprint."""
    tree = parse(source)
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef)
            and ast.get_docstring(node, clean=False) is not None
        ):
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)


def _contract(tree: ast.Module) -> list[str]:
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "forward"]
    if any(isinstance(node, ast.AsyncFunctionDef) for node in ast.walk(tree)):
        return ["no async: forward(task, kit) is a plain function"]
    if len(functions) != 1:
        return [f"expected exactly one top-level function forward(task, kit), found {len(functions)}"]
    forward = functions[0]
    if [arg.arg for arg in forward.args.args] != ["task", "kit"]:
        return ["forward must take exactly (task, kit)"]
    problems = []
    if not any(isinstance(node, ast.Return) and node.value is not None for node in ast.walk(forward)):
        problems.append("forward must return the answer")
    if not any(isinstance(node, ast.Attribute) and node.attr == "llm" for node in ast.walk(tree)):
        problems.append(
            "the program never calls kit.llm: it must ask the model for the solution, "
            "for example reply = kit.llm(task.prompt), and give kit.extract(reply) to kit.run"
        )
    return problems


def _imports(tree: ast.Module) -> list[str]:
    wanted = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    wanted += [node.module or "." for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return [
        f"cannot import {name!r}: only the standard library is there"
        for name in wanted
        if name.split(".")[0] not in sys.stdlib_module_names
    ]


def _names(tree: ast.Module) -> list[str]:
    problems = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id == "kit" and node.attr not in KIT_METHODS:
                problems.append(f"kit has no {node.attr!r}: it has {', '.join(KIT_METHODS)}")
            if node.value.id == "task" and node.attr not in TASK_FIELDS:
                problems.append(f"task has no {node.attr!r}: it has {', '.join(TASK_FIELDS)}")
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "kit"
            and node.func.attr in _KEYWORDS
        ):
            known = _KEYWORDS[node.func.attr]
            problems += [
                f"kit.{node.func.attr} has no argument {word.arg!r}: it takes {', '.join(sorted(known)) or 'values'}"
                for word in node.keywords
                if word.arg and word.arg not in known
            ]
    return problems
