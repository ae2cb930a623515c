"""The names an ADAS program expects, on top of the kit. This file runs inside the sandbox: standard library only.

It is an agent program: ``forward(task, kit)`` executes the published source below, as ADAS does, in a namespace that
has ``LLMAgentBase``, ``Info`` and a few modules, then calls it with an ``AgentSystem`` and the task.

What differs from ADAS, on purpose: values in a reply are handed on as text (:class:`Content`), since programs call text
methods on them; a model that cannot be reached or a spent allowance is an error, never an empty reply; code that the
model wrote runs in a sandbox of its own.
"""

from __future__ import annotations

import ast
import copy
import json
import linecache
import os
import random
import string
import sys
import types
from collections import namedtuple
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from meta_agent.agents.kit import Kit, Task

PUBLISHED = ENTRY = ARRAYS = ""
"""Source and entry of the published program, and the stand-in for numpy; the host appends their values."""

MAX_TOKENS = 1024
"""Of one reply; ADAS allows 1024 (ARC) or 4096."""

Info = namedtuple("Info", ["name", "author", "content", "iteration_idx"])  # noqa: PYI024  # programs unpack it

_ids = random.Random(0)  # noqa: S311  # a generator of its own: ids repeat whatever else a program draws


def random_id(length: int = 4) -> str:
    """Return random letters and digits."""
    return "".join(_ids.choices(string.ascii_letters + string.digits, k=length))


# -- what is asked for --------------------------------------------------------------------------------


class _Style:
    """How replies are asked for on one kind of task."""

    def __init__(self, answer: str, code: str, instruction: str = "{}") -> None:
        self.answer = answer
        """What a field with "answer" in its name must look like."""
        self.code = code
        """What a field with "code" in its name must look like."""
        self.instruction = instruction
        """Where the instruction of a program goes."""

    def describe(self, field: str) -> str:
        """Return the description of an output field."""
        note = self.answer if "answer" in field else self.code if "code" in field else ""
        return f"Your {field}. {note}".strip()


_TEXT = _Style(
    "Only the final answer, as short as the task allows: no explanation.",
    "Only a Python function `transform` that takes the text of the task and returns the answer: no tests.",
)
_GRIDS = _Style(
    "Only the output grid, as the text of a list[list[int]].",
    "Only the Python function `transform`: no tests, they follow later.",
    "# Instruction:\n{}\n\nCode, where it is asked for, is a Python function named `transform`: it takes an input grid "
    "(list[list[int]]) and returns the output grid (list[list[int]]), for the examples and for the test input alike.",
)


def _style(task: Task) -> _Style:
    if task.kind == "code":
        note = f"Only the complete Python function `{task.entry_point}`, with its imports: no tests, no explanation."
        return _Style(note, note)
    return _GRIDS if _pairs(task, "train") else _TEXT


# -- agents -------------------------------------------------------------------------------------------


class LLMAgentBase:
    """One role of the model: replies with a JSON object that has the output fields."""

    kit: Kit
    style = _TEXT

    def __init__(
        self,
        output_fields: list[str],
        agent_name: str,
        role: str = "helpful assistant",
        model: str = "",
        temperature: float = 0.5,
    ) -> None:
        self.output_fields = output_fields
        self.agent_name = agent_name
        self.role = role
        self.model = model
        self.temperature = temperature
        self.id = random_id()

    def __repr__(self) -> str:
        return f"{self.agent_name} {self.id}"

    def __call__(self, input_infos: Iterable[Any], instruction: str, iteration_idx: int = -1) -> list[Any]:
        """Do what :meth:`query` does."""
        return self.query(input_infos, instruction, iteration_idx)

    def generate_prompt(self, input_infos: Iterable[Any], instruction: str) -> tuple[str, str]:
        """Return system and user prompt; inputs that are no ``Info`` are left out."""
        fields = {str(field): self.style.describe(str(field)) for field in self.output_fields}
        system = (
            f"You are a {self.role}.\n\n"
            "Reply with one well-formed JSON object that has exactly these fields, and with nothing else:\n"
            f"{fields}\n"
        )
        inputs = [self._show(info) for info in input_infos if isinstance(info, Info)]
        return system, "\n\n".join([*inputs, self.style.instruction.format(instruction)])

    def query(self, input_infos: Iterable[Any], instruction: str, iteration_idx: int = -1) -> list[Any]:
        """Ask the model; return one ``Info`` a field, in the order of the reply when it has them all."""
        system, prompt = self.generate_prompt(input_infos, instruction)
        fields = [str(field) for field in self.output_fields]
        reply = self.kit.llm(
            prompt,
            system=system,
            temperature=min(2.0, max(0.0, float(self.temperature))),
            max_tokens=MAX_TOKENS,
            fields=fields,
        )
        values = _read_reply(reply, fields)
        given = [field for field in values if field in fields]
        order = given if len(given) == len(fields) else fields
        return [Info(field, repr(self), Content(values.get(field, "")), iteration_idx) for field in order]

    def _show(self, info: Any) -> str:
        name, author, content, index = info
        content = _text(content) if isinstance(content, list | tuple | dict) else content
        if name == "task":
            return f"# Your Task:\n{content}"
        by = f"{author} (yourself)" if author == repr(self) else author
        return (
            f"### {name} by {by}:\n{content}"
            if index == -1
            else f"### {name} #{index + 1} by {by}:\n{content}"
        )


def _read_reply(reply: str, fields: list[str]) -> dict[str, Any]:
    """Return the object in a reply that has most of the fields, the first of equals; empty when there is none."""
    found = list(_objects(reply))
    return max(found, key=lambda one: len(one.keys() & set(fields)), default={})


def _objects(text: str) -> Iterable[dict[str, Any]]:
    """Yield the JSON objects in a text; line breaks in strings and Python's way of writing them are let pass.

    The last may be cut off: what it holds so far counts.
    """
    decoder = json.JSONDecoder(strict=False)
    start = text.find("{")
    while start >= 0:
        end = start + 1
        for whole in (text, f'{text}"}}', f"{text}}}"):
            with suppress(ValueError, RecursionError):
                value, end = decoder.raw_decode(whole, start)
                yield value
                break
        start = text.find("{", end)
    with suppress(ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        value = ast.literal_eval(text[text.index("{") : text.rindex("}") + 1])
        if isinstance(value, dict):
            yield value


def _text(value: Any) -> str:
    """Return a value as text: numbers and booleans as Python writes them, lists and objects as compact JSON."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, bool | int | float):
        return str(value)
    try:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    except (TypeError, ValueError):
        return str(value)


class Content(str):
    """A value of a reply: text to text methods; to an index or a loop, the list or object that the model gave.

    Programs are written for one form and get the other, or nothing at all, so an item that is not there is empty.
    """

    __slots__ = ("parts",)
    parts: Any

    def __new__(cls, value: Any) -> Self:
        """Take a JSON value."""
        self = super().__new__(cls, _text(value))
        self.parts = str(self)
        if isinstance(value, list):
            self.parts = [cls(item) for item in value]
        elif isinstance(value, dict):
            self.parts = {key: cls(item) for key, item in value.items()}
        return self

    def __getitem__(self, index: Any) -> Any:
        try:
            return self.parts[index]
        except LookupError:
            return ""

    def __iter__(self) -> Any:
        return iter(self.parts)

    def __len__(self) -> int:
        return len(self.parts)

    def __getattr__(self, name: str) -> Any:
        return getattr(object.__getattribute__(self, "parts"), name)


# -- the system that a program is a method of -----------------------------------------------------------


class AgentSystem:
    """``self`` of a program. ARC's helpers work on every task: on grids, on visible tests, or on the task's text."""

    forward: Callable[[Any], Any]

    def __init__(self, task: Task, kit: Kit) -> None:
        self._task = task
        self._kit = kit
        self.examples: Sequence[dict[str, Any]] = _examples(task)
        """ARC's pairs of ``input`` and ``output``; for code each visible test; else the task, of unknown output."""
        self.test_iuput = _test_input(task)
        """The spelling is that of ADAS."""

    def run_examples_and_get_feedback(self, code: Any) -> tuple[Any, list[Any], list[Any]]:
        """Run code on the examples; return the feedback and which examples it got right and wrong."""
        source, author = _unwrap(code)
        problems = self._problems(source)
        lines = [f"Example {number}: {problem or 'correct.'}" for number, problem in enumerate(problems)]
        marked = list(zip(self.examples, problems, strict=True))
        correct = [example for example, problem in marked if not problem]
        wrong = [example for example, problem in marked if problem]
        return Info("feedback", author, "\n".join(lines), -1), correct, wrong

    def get_test_output_from_code(self, code: Any) -> Any:
        """Return what code makes of the test input, as the answer; code itself where code is asked for."""
        source, author = _unwrap(code)
        if self._task.kind == "code":
            return Info("answer", author, source, -1)
        ((value, error),) = self._transform(source, [self.test_iuput])
        return Info("answer", author, f"Error: {error}" if error else _text(value), -1)

    def _problems(self, source: str) -> list[str]:
        """Return for each example what is wrong with the code's output, empty when nothing is."""
        if self._task.kind == "code":
            results = [self._kit.run(source, [one["input"]] if one["input"] else []) for one in self.examples]
            return ["" if result.passed else f"wrong. {result.feedback}" for result in results]
        outputs = self._transform(source, [one["input"] for one in self.examples])
        return [
            f"wrong. {error}" if error else _compared(value, one.get("output"))
            for (value, error), one in zip(outputs, self.examples, strict=True)
        ]

    def _transform(self, source: str, inputs: list[Any]) -> list[tuple[Any, str]]:
        """Return value and error of ``transform`` on each input, run in a sandbox of its own."""
        shown = "__import__('json').dumps(transform({!r}), separators=(',', ':'))"
        outputs = []
        for value, error in self._kit.call(source, [shown.format(one) for one in inputs]):
            try:
                outputs.append((None if error else json.loads(ast.literal_eval(value)), error))
            except (ValueError, SyntaxError):
                outputs.append((None, "the output is too long"))
        return outputs


def _examples(task: Task) -> Sequence[dict[str, Any]]:
    if pairs := _pairs(task, "train"):
        return pairs
    if task.kind == "code" and task.visible_tests:
        return [{"input": test, "output": None} for test in task.visible_tests]
    return [{"input": "" if task.kind == "code" else task.prompt, "output": None}]


def _test_input(task: Task) -> Any:
    pairs = _pairs(task, "test")
    return pairs[0]["input"] if pairs else task.prompt


def _pairs(task: Task, name: str) -> list[dict[str, Any]]:
    """Return ARC's pairs in the metadata of a task, if it has any."""
    pairs = task.metadata.get(name)
    found = pairs if isinstance(pairs, list) else []
    return [one for one in found if isinstance(one, dict) and "input" in one]


def _compared(value: Any, expected: Any) -> str:
    if expected is None or value == expected:
        return ""
    return f"wrong. The output was {_text(value)}, expected {_text(expected)}"


def _unwrap(code: Any) -> tuple[str, str]:
    """Return source and author of what was handed over as code."""
    if isinstance(code, Info):
        return _text(code.content), f"{code.author}'s code evaluator"
    return _text(code), "code evaluator"


# -- the program ----------------------------------------------------------------------------------------


def forward(task: Task, kit: Kit) -> Any:
    """Run the published program on a task and return its answer."""
    LLMAgentBase.kit = kit
    LLMAgentBase.style = _style(task)
    program = _namespace()
    lines = PUBLISHED.splitlines(keepends=True)
    linecache.cache["<published>"] = (len(PUBLISHED), None, lines, "<published>")
    exec(compile(PUBLISHED, "<published>", "exec", dont_inherit=True), program)  # noqa: S102  # in the jail
    system = type("AgentSystem", (AgentSystem,), {"forward": program[ENTRY]})(task, kit)
    answer = _answer(system.forward(Info("task", "User", task.prompt, -1)))
    return kit.extract(answer) if task.kind == "code" and isinstance(answer, str) else answer


def _namespace() -> dict[str, Any]:
    """Return the globals of a published program: those names of ADAS's own that need no network."""
    module = types.ModuleType("published")
    sys.modules["published"] = module
    module.__dict__.update(
        {part.__name__: part for part in (LLMAgentBase, Info, AgentSystem, random_id)},
        copy=copy,
        json=json,
        namedtuple=namedtuple,  # noqa: PYI024
        os=os,
        random=random,
        np=_numpy(),
    )
    return module.__dict__


def _numpy() -> types.ModuleType:
    """Return numpy, or where the sandbox has none (the default) what stands in for it."""
    try:
        import numpy  # noqa: ICN001
    except ImportError:
        numpy = types.ModuleType("numpy")
        exec(compile(ARRAYS, "<numpy>", "exec", dont_inherit=True), numpy.__dict__)  # noqa: S102  # our own file
        sys.modules["numpy"] = numpy
        sys.modules["numpy.random"] = numpy.random
    return numpy


def _answer(value: Any) -> Any:
    """Return the answer in what a program returned.

    An ``Info`` stands for its content, a list of them for the one named after the answer, else the last.
    """
    if isinstance(value, Info):
        return _answer(value.content)
    if isinstance(value, list | tuple):
        infos = [one for one in value if isinstance(one, Info)]
        named = [one for one in infos if "answer" in str(one.name)]
        return _answer((named or infos)[-1]) if infos else [_answer(one) for one in value]
    if isinstance(value, dict):
        return {str(key): _answer(one) for key, one in value.items()}
    return value if value is None or isinstance(value, bool | int | float) else str(value)
