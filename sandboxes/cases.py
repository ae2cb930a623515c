"""Tests that are data: what a candidate answers is compared on the host, by value, with what is expected.

The candidate gets inputs and nothing else, so no verdict can be forged; nothing of it is executed here.
"""

from __future__ import annotations

import ast
import builtins
import functools
import json
import math
import reprlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sandboxes import guest
from sandboxes.sandbox import Call
from sandboxes.syntax import parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandboxes.sandbox import Exchange, Outcome

_SHOWN = 200
"""Characters of a value in a message."""
_LONG = 2000
"""Bytes of an encoded value that is not shown any more."""
_TRACE = 2000
"""Characters of a traceback in a message."""


def arguments(call: Call) -> dict[str, Any]:
    """Return what the candidate is told of a call."""
    return {"args": [guest.encode(item) for item in call.args], "kwargs": {"dict": []}}


def call_failure(call: Call, answer: object, entry: str = "") -> str:
    """Return why an answer to a call of ``entry`` is wrong, empty when it is right.

    ``answer`` may be anything JSON can be.
    """
    if not isinstance(answer, dict):
        return "no answer"
    if "value" not in answer:
        return _raised(answer)
    try:
        if _same(guest.encode(call.expected), answer["value"], call.tolerance):
            return ""
    except RecursionError:
        return "AssertionError: returned a value nested too deeply"
    asked = f"{entry}({', '.join(map(_shown, map(guest.encode, call.args)))})"
    return f"AssertionError\n  last call: {asked} returned {_shown(answer['value'])}"


def _raised(answer: dict[str, Any]) -> str:
    """Return an exception and its place as a judge would show them: the nearest builtin type of its name."""
    names = answer.get("raised")
    names = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
    known = (name for name in names if isinstance(getattr(builtins, name, None), type))
    name = next(known, "Exception")
    name = names[0] if name in ("Exception", "BaseException", "object") and names else name
    return f"{name[:_SHOWN]}: raised by the candidate\n{str(answer.get('trace', ''))[:_TRACE]}".rstrip()


def _shown(value: Any) -> str:
    """Return an encoded value as Python writes it, cut."""
    try:
        return reprlib.repr(guest.decode(value)) if len(json.dumps(value)) < _LONG else "a long value"
    except (ValueError, TypeError, RecursionError):
        return "no value"


def exchange_failure(exchange: Exchange, output: str) -> str:
    """Return why an output is wrong, empty when it is right: white space at the ends of lines does not count."""
    lines, expected = (text.rstrip().splitlines() for text in (output, exchange.stdout))
    if [line.rstrip() for line in lines] == [line.rstrip() for line in expected]:
        return ""
    return f"printed {output[:_SHOWN]!r}"


def summary(exchanges: Sequence[Exchange], runs: Sequence[Outcome]) -> Outcome:
    """Return one outcome for a program's runs, one an exchange; how the first that failed ended is told."""
    failures = [
        (run.error or "") if not run.ok else exchange_failure(exchange, run.stdout)
        for exchange, run in zip(exchanges, runs, strict=True)
    ]
    return replace(
        next((run for run in runs if not run.ok), runs[-1]),
        passed=tuple(not failure for failure in failures),
        failures=tuple(failures),
        cpu_s=sum(run.cpu_s for run in runs),
        wall_s=sum(run.wall_s for run in runs),
        peak_mb=max(run.peak_mb for run in runs),
        mode="stdio",
    )


def as_calls(tests: Sequence[str], entry: str) -> list[Call] | None:
    """Return tests of the form ``assert entry(literal, ...) == literal`` as calls, None when one is of another form.

    The verdict is the same, and takes no judge.
    """
    return _read_calls(tuple(tests), entry)


@functools.lru_cache(1024)
def _read_calls(tests: tuple[str, ...], entry: str) -> list[Call] | None:
    try:
        calls = [_read_call(test, entry) for test in tests]
        for call in calls:
            arguments(call)
            guest.encode(call.expected)
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        return None
    return calls


def _read_call(test: str, entry: str) -> Call:
    """Return one test as a call; raises :class:`ValueError` when it is of another form."""
    match parse(test).body:
        case [
            ast.Assert(
                test=ast.Compare(
                    left=ast.Call(func=ast.Name(id=name), args=args, keywords=[]),
                    ops=[ast.Eq()],
                    comparators=[expected],
                ),
                msg=None,
            )
        ] if name == entry:
            return Call(tuple(map(ast.literal_eval, args)), ast.literal_eval(expected))
    raise ValueError("not a call compared with a literal")


_SETS = ("set", "frozenset")
_KINDS = {"bytearray": "bytes", "frozenset": "set"}
"""Types whose values equal those of another one."""


def _same(expected: Any, answer: Any, tolerance: float) -> bool:
    """Compare two encoded values as Python's ``==`` would, without hashing what a candidate made."""
    one, other = _number(expected), _number(answer)
    if one is not None or other is not None:
        if one is None or other is None:
            return False
        if tolerance and not isinstance(expected, bool) and not isinstance(answer, bool):
            return _close(one, other, tolerance)
        return one == other
    if isinstance(expected, list):
        return (
            isinstance(answer, list)
            and len(answer) == len(expected)
            and all(_same(one, other, tolerance) for one, other in zip(expected, answer, strict=True))
        )
    if isinstance(expected, dict):
        return _same_kind(expected, answer, tolerance)
    return not isinstance(answer, list | dict) and bool(expected == answer)


def _close(one: float, other: float, tolerance: float) -> bool:
    try:
        return math.isclose(one, other, rel_tol=tolerance, abs_tol=tolerance)
    except OverflowError:  # an integer beyond all floats
        return one == other


def _same_kind(expected: dict[str, Any], answer: Any, tolerance: float) -> bool:
    ((kind, inner),) = expected.items()
    if not isinstance(answer, dict) or len(answer) != 1:
        return False
    ((other_kind, other),) = answer.items()
    if _KINDS.get(kind, kind) != _KINDS.get(other_kind, other_kind) or not isinstance(other, type(inner)):
        return False
    if kind in ("dict", *_SETS):
        inner, other = sorted(inner, key=_text), sorted(other, key=_text)
    return _same(inner, other, tolerance)


def _number(value: Any) -> int | float | None:
    """Return the number that an encoded value stands for, None when it stands for something else."""
    if isinstance(value, int | float):
        return value
    if isinstance(value, dict) and list(value) in (["int"], ["float"]):
        ((kind, text),) = value.items()
        try:
            return int(text, 16) if kind == "int" else float(text)
        except (TypeError, ValueError):
            return None
    return None


def _text(item: Any) -> str:
    """Return a text to sort by, the same for equal values; of a pair in a dict, its key comes first."""
    return json.dumps(_plain(item))


def _plain(item: Any) -> Any:
    number = _number(item)
    if number is not None:
        if isinstance(number, float) and not number.is_integer():
            return repr(number)
        return hex(int(number))
    if isinstance(item, list):
        return [_plain(each) for each in item]
    if isinstance(item, dict):
        return [[_KINDS.get(kind, kind), _plain_inner(kind, inner)] for kind, inner in item.items()]
    return ["text", item]


def _plain_inner(kind: str, inner: Any) -> Any:
    plain = _plain(inner)
    return sorted(plain, key=json.dumps) if kind in ("dict", *_SETS) and isinstance(plain, list) else plain
