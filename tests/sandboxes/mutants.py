"""Broken variants of a program: one small change each, by the usual operators of mutation testing."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_COMPARISONS = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
_ARITHMETIC = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.BitXor: ast.BitOr,
}  # fmt: skip
_CALLS = {
    "min": "max",
    "max": "min",
    "any": "all",
    "all": "any",
    "sum": "max",
    "sorted": "list",
    "abs": "int",
}

_Change = tuple[str, str, Any]
"""Operator, field of the node, what it becomes."""


def mutants(source: str, function: str) -> Iterator[tuple[str, str]]:
    """Yield (operator, changed source) for every place of a function where an operator applies."""
    tree = ast.parse(source)
    (body,) = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == function)
    for node in list(ast.walk(body)):
        for operator, field, value in (*_operators(node), *_values(node), *_shapes(node)):
            kept = getattr(node, field)
            setattr(node, field, value)
            yield operator, ast.unparse(ast.fix_missing_locations(tree))
            setattr(node, field, kept)


def _operators(node: ast.AST) -> Iterator[_Change]:
    match node:
        case ast.Compare(ops=[first, *rest]) if type(first) in _COMPARISONS:
            yield "comparison", "ops", [_COMPARISONS[type(first)](), *rest]
        case ast.BinOp(op=op) | ast.AugAssign(op=op) if type(op) in _ARITHMETIC:
            yield "arithmetic", "op", _ARITHMETIC[type(op)]()
        case ast.BoolOp(op=op):
            yield "boolean", "op", ast.Or() if isinstance(op, ast.And) else ast.And()
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield "boolean", "operand", ast.UnaryOp(ast.Not(), operand)
        case ast.UnaryOp(op=ast.USub()):
            yield "sign", "op", ast.UAdd()


def _values(node: ast.AST) -> Iterator[_Change]:
    match node:
        case ast.Constant(value=bool() as value):
            yield "constant", "value", not value
        case ast.Constant(value=int() | float() as value):
            yield "constant", "value", value + 1
        case ast.Constant(value=str() as value) if len(value) < 20:  # no docstrings
            yield "constant", "value", value + "x"
        case ast.Return(value=value) if value:
            yield "return", "value", ast.Constant(None)
        case ast.Call(func=ast.Name(id=name)) if name in _CALLS:
            yield "call", "func", ast.Name(_CALLS[name])


def _shapes(node: ast.AST) -> Iterator[_Change]:
    match node:
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
            yield "condition", "test", ast.UnaryOp(ast.Not(), test)
        case ast.comprehension(ifs=[first, *rest]):
            yield "condition", "ifs", [ast.UnaryOp(ast.Not(), first), *rest]
        case ast.Slice():
            for field in ("lower", "upper", "step"):
                if getattr(node, field):
                    yield "slice", field, None
        case ast.Subscript(slice=index) if not isinstance(index, ast.Slice | ast.Tuple | ast.Name):
            yield "index", "slice", ast.BinOp(index, ast.Add(), ast.Constant(1))
