"""What a piece of code does, as a value that can be compared: its outputs on shared inputs.

The inputs are the arguments in the visible tests and simple mutations of them (MBR-exec, Shi et al. 2022, arXiv
2204.11454, uses the test inputs alone). No expected output is used.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from sandboxes import Limits, Sandbox
from sandboxes.syntax import parse

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_INPUTS = 12
LIMITS = Limits(wall_s=20.0, cpu_s=4.0)

_PROBE = """

def __probe__(inputs):
    import ast
    seen = []
    for text in inputs:
        try:
            seen.append(repr({entry}(*ast.literal_eval(text)))[:500])
        except Exception:
            seen.append(None)
    return seen
"""


class Behaviour:
    """Measures candidates for one task by running them on the same inputs."""

    def __init__(self, sandbox: Sandbox, entry: str, visible_tests: Sequence[str]) -> None:
        self.sandbox = sandbox
        self.entry = entry
        self.inputs = probe_inputs(entry, visible_tests)
        self.cpu_s = 0.0

    def outputs(self, code: str) -> tuple[str | None, ...]:
        """Return what ``code`` returns on each input, None where it fails.

        Without inputs the normalised source stands for an output: equal programs then agree.
        """
        if not self.inputs:
            return (_normal_form(code),)
        outcome = self.sandbox.run(
            code + _PROBE.replace("{entry}", self.entry),
            entry="__probe__",
            args=[list(self.inputs)],
            limits=LIMITS,
        )
        self.cpu_s += outcome.cpu_s
        seen = outcome.value
        if not isinstance(seen, list) or len(seen) != len(self.inputs):
            return (None,) * len(self.inputs)
        return tuple(None if value is None else str(value) for value in seen)


def values_as_numbers(rows: Sequence[Sequence[str | None]]) -> list[list[int]]:
    """Return a number for each value: the same for equal values in a column, -1 for None."""
    columns = [
        {value: number for number, value in enumerate(dict.fromkeys(column)) if value is not None}
        for column in zip(*rows, strict=True)
    ]
    return [
        [-1 if value is None else known[value] for value, known in zip(row, columns, strict=True)]
        for row in rows
    ]


def probe_inputs(entry: str, tests: Sequence[str]) -> tuple[str, ...]:
    """Return argument tuples, as literals, found in calls of ``entry`` in ``tests``, then mutations of them."""
    found: list[tuple[object, ...]] = []
    for test in tests:
        try:
            tree = parse(test)
        except SyntaxError:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == entry:
                try:
                    found.append(tuple(ast.literal_eval(arg) for arg in node.args))
                except ValueError:
                    continue
    mutated = [
        (*args[:i], other, *args[i + 1 :])
        for args in found
        for i in range(len(args))
        for other in _mutations(args[i])
    ]
    return tuple(dict.fromkeys(repr(args) for args in [*found, *mutated]))[:MAX_INPUTS]


def _mutations(value: object) -> list[object]:
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, 0]
    if isinstance(value, float):
        return [value + 0.5]
    if isinstance(value, str | list | tuple):
        return [value[::-1], value[:1], value * 2]
    return []


def _normal_form(code: str) -> str | None:
    try:
        return ast.unparse(parse(code))
    except (SyntaxError, ValueError, RecursionError):
        return None
