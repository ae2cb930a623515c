"""Runs code with missing parts: asks a model for each value that is missing. Inside the sandbox: standard library only.

Every name that is read, every call by name and every attribute that is read is looked up first. Where the look-up
fails, the model is asked for a Python literal. A question that was answered before gets the same value again. A
model that gives no literal in three tries is asked for a type, whose fixed value then stands in. A module that
cannot be imported stands for an object of which every attribute is missing.

Source: SelfPiCo, Xue et al. 2024, arXiv 2407.16974; the interpreter that emulates leaves is that of CoGEX, Weir et
al. 2024, arXiv 2405.16337.
"""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Callable  # noqa: TC003 - annotations of a file that runs in the sandbox
from pathlib import Path
from types import CodeType, FrameType, SimpleNamespace
from typing import Any

PROGRAM = "def forward(task, kit):\n    return kit(task['code'])\n"
"""The program of a session whose kit is this file."""
TRIES = 3
TYPES: dict[str, Any] = {
    "none": None,
    "boolean": True,
    "string": "text",
    "integer": 1,
    "float": 1.0,
    "list": [1, 2],
    "tuple": (1, 2),
    "set": {1, 2},
    "dictionary": {"key": 1},
}
"""Type -> the value that stands in for it."""
_FILE = "<partial>"


def source() -> str:
    """Return this file's text, which the sandbox guest executes."""
    return Path(__file__).read_text()


def build(task: dict[str, Any], call: Callable[[dict[str, Any]], dict[str, Any]]) -> tuple[Any, Any]:
    """Make the two arguments of :data:`PROGRAM`'s ``forward``; called by the sandbox guest."""
    return task, lambda code: Run(code, lambda prompt: _ask(call, prompt))()


def _ask(call: Callable[[dict[str, Any]], dict[str, Any]], prompt: str) -> str:
    """Return the model's reply; nothing when no call is left."""
    reply = call({"op": "llm", "prompt": prompt, "max_tokens": 128})
    return str(reply["texts"][0]) if "texts" in reply else ""


class Run:
    """One execution of partial code.

    Args:
        code: Python source.
        ask: returns the model's reply to a prompt.
    """

    def __init__(self, code: str, ask: Callable[[str], str]) -> None:
        self.code = code
        self.ask = ask
        self.values: dict[str, Any] = {}
        """What was asked -> the value given."""

    def __call__(self) -> dict[str, Any]:
        """Run the code; return ``coverage`` (share of its lines that ran), ``values`` and ``error`` (or empty)."""
        try:
            tree = ast.fix_missing_locations(_Instrument().visit(ast.parse(self.code)))
            program = compile(tree, _FILE, "exec")
            lines = _lines(compile(self.code, _FILE, "exec"))
        except (SyntaxError, ValueError, RecursionError) as problem:
            return {"coverage": 0.0, "values": {}, "error": f"{type(problem).__name__}: {problem}"}
        seen: set[int] = set()
        error = ""
        sys.settrace(_watch(seen))
        try:
            exec(program, {"__name__": "__main__", "__partial__": self})  # noqa: S102
        except BaseException as problem:  # noqa: BLE001
            error = f"{type(problem).__name__}: {problem}"
        finally:
            sys.settrace(None)
        coverage = len(seen & lines) / len(lines) if lines else 1.0
        return {
            "coverage": coverage,
            "values": {key: repr(value)[:200] for key, value in self.values.items()},
            "error": error,
        }

    def name(self, name: str, look: Callable[[], Any]) -> Any:
        """Return the value of a name, missing or not."""
        try:
            return look()
        except NameError:
            return self._value(f"the variable `{name}`")

    def attribute(self, owner: Any, name: str) -> Any:
        """Return the value of an attribute, missing or not."""
        try:
            return getattr(owner, name)
        except AttributeError:
            return self._value(f"`.{name}` of {_shown(owner)}")

    def call(self, name: str, look: Callable[[], Any], *args: Any, **named: Any) -> Any:
        """Call what a look-up finds; where it finds nothing, return the value that the call could have."""
        try:
            function = look()
        except (NameError, AttributeError):
            shown = [repr(arg)[:400] for arg in args] + [
                f"{key}={value!r}"[:400] for key, value in named.items()
            ]
            return self._value(f"the call `{name}({', '.join(shown)})`")
        return function(*args, **named)

    def missing(self, module: str) -> Any:
        """Return what stands for a module that cannot be imported."""
        return SimpleNamespace(module=module)

    def _value(self, what: str) -> Any:
        if what not in self.values:
            trace = sys.gettrace()
            sys.settrace(None)
            self.values[what] = self._asked(what)
            sys.settrace(trace)
        return self.values[what]

    def _asked(self, what: str) -> Any:
        prompt = (
            f"```python\n{self.code}\n```\n\nWhat is the value of {what}? It is not defined above. Reply with one "
            "Python literal (a number, a quoted text, a list, a dict, True, False or None) and nothing else."
        )
        refused = ""
        for _ in range(TRIES):
            reply = self.ask(prompt + refused).strip().removeprefix("```python").strip("`\n ")
            try:
                return ast.literal_eval(reply)
            except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
                refused = f"\n\nThis reply is no literal ({type(error).__name__}): {reply[:100]}"
        kind = self.ask(
            f"```python\n{self.code}\n```\n\nWhich type has {what}? Reply with one of: {', '.join(TYPES)}."
        ).lower()
        return next((value for word, value in TYPES.items() if word in kind), None)


class _Instrument(ast.NodeTransformer):
    """Sends every look-up through :class:`Run`."""

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if not isinstance(node.ctx, ast.Load) or hasattr(builtins, node.id):
            return node
        return _through("name", node, ast.Constant(node.id), _later(node))

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        if not isinstance(node.ctx, ast.Load) or node.attr.startswith("__"):
            return node
        return _through("attribute", node, node.value, ast.Constant(node.attr))

    def visit_Call(self, node: ast.Call) -> ast.AST:
        node.args = [self.visit(arg) for arg in node.args]
        node.keywords = [self.visit(word) for word in node.keywords]
        target = node.func
        if isinstance(target, ast.Name) and not hasattr(builtins, target.id):
            return _through(
                "call", node, ast.Constant(target.id), _later(target), *node.args, words=node.keywords
            )
        if isinstance(target, ast.Attribute) and not target.attr.startswith("__"):
            bare = isinstance(target.value, ast.Call) and ast.unparse(target.value) == "super()"
            if not bare:
                name = ast.Constant(ast.unparse(target))
                target.value = self.visit(target.value)
                return _through("call", node, name, _later(target), *node.args, words=node.keywords)
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        if not isinstance(node.target, ast.Name):
            return self.generic_visit(node)
        before = ast.copy_location(ast.Name(node.target.id, ast.Load()), node)
        value = ast.copy_location(ast.BinOp(self.visit(before), node.op, self.visit(node.value)), node)
        return ast.copy_location(ast.Assign([node.target], value), node)

    def visit_Import(self, node: ast.Import) -> ast.AST:
        names = [alias.asname or alias.name.partition(".")[0] for alias in node.names]
        return _or_missing(node, [(name, alias.name) for name, alias in zip(names, node.names, strict=True)])

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:
        return _or_missing(node, [])  # its names stay undefined, and are asked for where they are used

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        # A look-up in a class body would not see the class's own names from inside a lambda.
        for item in node.body:
            if isinstance(item, ast.FunctionDef):
                item.body = [self.visit(line) for line in item.body]
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.body = [self.visit(line) for line in node.body]  # not its annotations and decorators
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.value = self.visit(node.value) if node.value else None
        return node


def _later(node: ast.expr) -> ast.expr:
    nothing = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
    return ast.copy_location(ast.Lambda(nothing, node), node)


def _through(
    method: str, node: ast.expr, *args: ast.expr, words: list[ast.keyword] | None = None
) -> ast.expr:
    run = ast.Attribute(ast.Name("__partial__", ast.Load()), method, ast.Load())
    return ast.copy_location(ast.Call(run, list(args), words or []), node)


def _or_missing(node: ast.Import | ast.ImportFrom, names: list[tuple[str, str]]) -> ast.AST:
    stands = [ast.parse(f"{name} = __partial__.missing({module!r})").body[0] for name, module in names]
    for line in stands:
        for part in ast.walk(line):
            ast.copy_location(part, node)
    handler = ast.ExceptHandler(ast.Name("ImportError", ast.Load()), None, stands or [ast.Pass()])
    return ast.copy_location(ast.Try([node], [handler], [], []), node)


def _lines(code: CodeType) -> set[int]:
    """Return the numbers of the lines that have something to run."""
    own = {line for *_, line in code.co_lines() if line}
    return own.union(*(_lines(inner) for inner in code.co_consts if isinstance(inner, CodeType)))


def _watch(seen: set[int]) -> Callable[[FrameType, str, Any], Any]:
    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename != _FILE:
            return None
        if event == "line":
            seen.add(frame.f_lineno)
        return trace

    return trace


def _shown(owner: Any) -> str:
    return f"module `{owner.module}`" if isinstance(owner, SimpleNamespace) else f"`{owner!r}`"[:200]
