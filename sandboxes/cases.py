"""Tests that are data: what a candidate answers is compared on the host, by value, with what is expected.

The candidate gets inputs and nothing else, so no verdict can be forged; nothing of it is executed here.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sandboxes import guest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandboxes.sandbox import Call, Exchange, Outcome

_SHOWN = 200
"""Characters of a value in a message."""


def arguments(call: Call) -> dict[str, Any]:
    """Return what the candidate is told of a call."""
    return {"args": [guest.encode(item) for item in call.args], "kwargs": {"dict": []}}


def call_failure(call: Call, answer: object) -> str:
    """Return why an answer to a call is wrong, empty when it is right; ``answer`` may be anything JSON can be."""
    if not isinstance(answer, dict):
        return "no answer"
    if "value" not in answer:
        names = answer.get("raised")
        name = names[0] if isinstance(names, list) and names else "an exception"
        return f"raised {name}"[:_SHOWN]
    if _same(guest.encode(call.expected), answer["value"], call.tolerance):
        return ""
    return f"returned {json.dumps(answer['value'])[:_SHOWN]}"


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


def _same(expected: Any, answer: Any, tolerance: float) -> bool:
    """Compare two encoded values as Python's ``==`` would, without hashing what a candidate made."""
    if isinstance(expected, list):
        return (
            isinstance(answer, list)
            and len(answer) == len(expected)
            and all(_same(one, other, tolerance) for one, other in zip(expected, answer, strict=True))
        )
    if isinstance(expected, dict):
        ((kind, inner),) = expected.items()
        if (
            not isinstance(answer, dict)
            or list(answer) != [kind]
            or not isinstance(answer[kind], type(inner))
        ):
            return False
        other = answer[kind]
        if kind in ("dict", "set", "frozenset"):
            inner, other = sorted(inner, key=_text), sorted(other, key=_text)
        return _same(inner, other, tolerance) if isinstance(inner, list) else bool(inner == other)
    if isinstance(answer, list | dict):
        return False
    if tolerance and _is_number(expected) and _is_number(answer):
        return math.isclose(expected, answer, rel_tol=tolerance, abs_tol=tolerance)
    return bool(expected == answer)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(item: Any) -> str:
    """Return a text to sort by; of a pair in a dict, its key comes first."""
    return json.dumps(item)
