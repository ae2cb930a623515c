"""SelfCodeAlign: a model makes its own tasks, answers them, tests its answers, and learns from those that pass.

Wei et al. (2024), SelfCodeAlign: Self-Alignment for Code Generation, arXiv 2410.24198,
https://github.com/bigcode-project/selfcodealign. One model does everything: seed function -> concepts -> instruction ->
several responses, each with tests -> sandbox -> selection. The prompts are chats here, because the local models are
instruction-tuned; examples are fewer, because a small model reads little.

:func:`self_invoking` is the recipe of HumanEval Pro (Yu et al. 2024, arXiv 2412.21199), with the call of the base
function enforced by counting it, which the published data does not do.
"""

from __future__ import annotations

import ast
import json
import random
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Literal, Protocol

from meta_agent.broker import STOP
from meta_agent.learning.duplicates import Seen
from meta_agent.learning.harvest import Harvest
from meta_agent.learning.rows import Row
from meta_agent.llm.llm import Completion, Message, Request
from sandboxes import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from meta_agent.learning.heldout import Heldout
    from sandboxes import Sandbox

LIMITS = Limits(wall_s=30.0, cpu_s=10.0, memory_mb=1024)
FORBIDDEN = frozenset(
    {"argparse", "os", "subprocess", "sys", "setuptools", "distutils", "matplotlib", "seaborn"}
)
UNFINISHED = re.compile(r"(?i)todo|fixme|\bbug\b|notimplemented|your code here")
LONGEST_SEED = 150
"""Lines of a seed function."""
LONGEST_INSTRUCTION = 200
"""Words."""
LEVELS = ("easy", "medium", "hard")
CATEGORIES = ("function", "function", "class", "program")
"""A function is asked for twice as often."""

JUDGE = (
    "Does this docstring suffice for a programmer to write the function again without seeing its body? "
    "Reply with yes or no only.\n\n```python\n{source}\n```"
)
CONCEPTS = (
    "Name two to five programming concepts that this code uses, as one line of short phrases with commas, "
    "and nothing else.\n\nCode:\n```python\ndef mean(xs):\n    return sum(xs) / len(xs)\n```\n"
    "Concepts: arithmetic mean, list aggregation\n\nCode:\n```python\n{source}\n```\nConcepts:"
)
INSTRUCTION = (
    "Write one programming task for a Python programmer. It asks for one {category}, is {level}, needs these concepts: "
    "{concepts}; but does not name them. Say exactly which inputs come and what must be returned, and give the name of "
    "the {category}. At most 120 words, no code, no solution. Reply with the task only."
)
RESPONSE = (
    "{instruction}\n\nReply with two ```python blocks: first the solution, then tests of it: five plain assert "
    "statements, without functions around them."
)
INVOKE = (
    "This function exists:\n\n```python\n{source}\n```\n\nWrite a harder task that is solved by calling {name} several "
    "times or on parts of the input. Say exactly what must be returned and name the new function. At most 100 words. "
    "Reply with the task only."
)
INVOKED = (
    "This function exists, do not write it again:\n\n```python\n{source}\n```\n\nTask:\n{instruction}\n\nReply with "
    "two ```python blocks: first the new function, which must call {name}, then tests of it: five plain assert "
    "statements."
)
COUNTED = """

def __counted__(__function__):
    def __call__(*args, **kwargs):
        __call__.count += 1
        return __function__(*args, **kwargs)
    __call__.count = 0
    return __call__

{name} = __counted__({name})
"""
"""Put between a base function and what must call it."""


class Gateway(Protocol):
    """The part of the gateway that synthesis needs."""

    def complete(self, request: Request, role: Literal["agent", "meta"] = "agent") -> Completion:
        """Return one completion."""


@dataclass(frozen=True, slots=True)
class Seed:
    """A function to start from."""

    name: str
    source: str
    origin: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A response with its tests."""

    solution: str
    tests: str


@dataclass
class Synthesis:
    """Makes tasks and verified answers, stage after stage; every stage is counted and kept, so a repetition goes on.

    Args:
        gateway: to the model that does everything.
        model: its name.
        sandbox: where answers meet their tests.
        folder: one file a stage.
        heldout: what no task may give away.
        responses: a task.
        temperature: of all stages but the judge.
        seed: of the draws and choices.
        workers: requests and executions at once.
        report: is told of each stage.
    """

    gateway: Gateway
    model: str
    sandbox: Sandbox
    folder: Path
    heldout: Heldout
    responses: int = 10
    temperature: float = 0.7
    seed: int = 0
    workers: int = 8
    report: Callable[[str], None] = lambda _text: None
    counts: Counter[str] = field(default_factory=Counter)

    def __call__(self, seeds: Sequence[Seed]) -> Harvest:
        """Return instruction -> answer rows that passed their own tests.

        Self-made tests are weak: the card says how many rows there are, not how many are right.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self.counts.clear()
        chosen = self._stage("seeds", lambda: [asdict(seed) for seed in self.chosen(seeds)])
        concepts = self._stage("concepts", lambda: self._concepts([Seed(**one) for one in chosen]))
        tasks = self._stage("instructions", lambda: self._instructions(concepts))
        answered = self._stage("responses", lambda: self._responses(tasks))
        passing = self._stage("passing", lambda: self._passing(answered))
        rows = self._selected(passing)
        self.counts["rows written"] = len(rows)
        return Harvest(tuple(rows), dict(self.counts))

    # Seeds

    def chosen(self, seeds: Iterable[Seed]) -> Iterator[Seed]:
        """Yield the seeds that every filter lets through, the model's judgement last."""
        near = Seen()
        kept = []
        for seed in seeds:
            self.counts["functions seen"] += 1
            if reason := unfit(seed.source):
                self.counts[f"seed: {reason}"] += 1
            elif self.heldout.given_away(seed.source):
                self.counts["seed: held-out text"] += 1
            elif near.repeats("seeds", seed.source):
                self.counts["seed: near duplicate"] += 1
            else:
                kept.append(seed)
        verdicts = self._ask([JUDGE.format(source=seed.source) for seed in kept], 0.0, 4)
        for seed, verdict in zip(kept, verdicts, strict=True):
            if verdict.strip().lower().startswith("yes"):
                yield seed
            else:
                self.counts["seed: the docstring does not suffice"] += 1

    # Stages

    def _concepts(self, seeds: Sequence[Seed]) -> list[dict[str, str]]:
        replies = self._ask([CONCEPTS.format(source=seed.source) for seed in seeds], self.temperature, 60)
        lines = [reply.strip().split("\n")[0].removeprefix("Concepts:").strip() for reply in replies]
        return [
            {"seed": seed.name, "origin": seed.origin, "source": seed.source, "concepts": line}
            for seed, line in zip(seeds, lines, strict=True)
            if line
        ]

    def _instructions(self, concepts: Sequence[dict[str, str]]) -> list[dict[str, str]]:
        draw = random.Random(f"{self.seed}/instructions")  # noqa: S311
        prompts = [
            INSTRUCTION.format(
                category=draw.choice(CATEGORIES), level=draw.choice(LEVELS), concepts=one["concepts"]
            )
            for one in concepts
        ]
        replies = self._ask(prompts, self.temperature, 250)
        return [
            {**one, "instruction": reply.strip()}
            for one, reply in zip(concepts, replies, strict=True)
            if self._asks(reply.strip())
        ]

    def _asks(self, instruction: str) -> bool:
        words = len(instruction.split())
        if words > LONGEST_INSTRUCTION or words < 5 or "```" in instruction:
            self.counts["instruction: too long, too short or with code"] += 1
        elif self.heldout.given_away(instruction):
            self.counts["instruction: held-out text"] += 1
        else:
            return True
        return False

    def _responses(self, tasks: Sequence[dict[str, str]]) -> list[dict[str, str]]:
        prompts = [
            RESPONSE.format(instruction=task["instruction"]) for task in tasks for _ in range(self.responses)
        ]
        replies = self._ask(prompts, self.temperature, 700, stop=())
        found = []
        for place, reply in enumerate(replies):
            answer = self._answer(reply)
            if answer:
                found.append({**tasks[place // self.responses], **asdict(answer)})
        return found

    def _answer(self, reply: str) -> Answer | None:
        self.counts["responses"] += 1
        answer = split(reply)
        if answer is None:
            self.counts["response: no solution with tests"] += 1
        elif UNFINISHED.search(answer.solution):
            self.counts["response: unfinished"] += 1
            answer = None
        return answer

    def _passing(self, answered: Sequence[dict[str, str]]) -> list[dict[str, str]]:
        with ThreadPoolExecutor(self.workers) as crowd:
            passed = list(crowd.map(lambda one: self.passes(one["solution"], one["tests"]), answered))
        self.counts["response: fails its tests"] += passed.count(False)
        return [one for one, good in zip(answered, passed, strict=True) if good]

    def passes(self, solution: str, tests: str, setup: str = "") -> bool:
        """Run a solution with its tests in the sandbox."""
        return self.sandbox.run(f"{setup}\n{solution}\n\n{tests}", limits=LIMITS).ok

    def _selected(self, passing: Sequence[dict[str, str]]) -> list[Row]:
        """Return one answer a task: shuffled, then unique by instruction, by answer and by the names it defines."""
        shuffled = list(passing)
        random.Random(f"{self.seed}/selection").shuffle(shuffled)  # noqa: S311
        seen: set[object] = set()
        rows = []
        for one in shuffled:
            marks: list[object] = ["".join(one["instruction"].split()), "".join(one["solution"].split())]
            marks.append(defined(one["solution"]))
            if any(mark in seen for mark in marks):
                self.counts["answer: like another"] += 1
            elif self.heldout.given_away(f"{one['instruction']}\n{one['solution']}"):
                self.counts["answer: held-out text"] += 1
            else:
                seen.update(marks)
                rows.append(self._row(one))
        return rows

    def _row(self, one: dict[str, str]) -> Row:
        return Row(
            "sft",
            "self-made",
            "self-made",
            "",
            (Message("user", one["instruction"]),),
            f"```python\n{one['solution']}\n```",
            source={
                "seed": one["seed"],
                "origin": one["origin"],
                "concepts": one["concepts"],
                "tests": one["tests"],
            },
        )

    # Self-invoking tasks

    def self_invoking(self, seeds: Sequence[Seed]) -> Harvest:
        """Return harder tasks that need a base function, with answers that pass their tests and do call it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.counts.clear()
        tasks = self._stage("invoking-instructions", lambda: self._invoking(seeds))
        answered = self._stage("invoking-responses", lambda: self._invoked(tasks))
        passing = self._stage("invoking-passing", lambda: self._calling(answered))
        rows = [
            replace(
                row,
                form="self-invoking",
                prompt=(Message("user", INVOKED_TASK.format(**one)),),
            )
            for one, row in ((one, self._row({**one, "concepts": ""})) for one in _first_each(passing))
        ]
        self.counts["rows written"] = len(rows)
        return Harvest(tuple(rows), dict(self.counts))

    def _invoking(self, seeds: Sequence[Seed]) -> list[dict[str, str]]:
        self.counts["functions seen"] += len(seeds)
        prompts = [INVOKE.format(source=seed.source, name=seed.name) for seed in seeds]
        replies = self._ask(prompts, self.temperature, 250)
        return [
            {"seed": seed.name, "origin": seed.origin, "source": seed.source, "instruction": reply.strip()}
            for seed, reply in zip(seeds, replies, strict=True)
            if self._asks(reply.strip())
        ]

    def _invoked(self, tasks: Sequence[dict[str, str]]) -> list[dict[str, str]]:
        prompts = [
            INVOKED.format(source=task["source"], name=task["seed"], instruction=task["instruction"])
            for task in tasks
            for _ in range(self.responses)
        ]
        replies = self._ask(prompts, self.temperature, 700, stop=())
        return [
            {**tasks[place // self.responses], **asdict(answer)}
            for place, reply in enumerate(replies)
            if (answer := self._answer(reply))
        ]

    def _calling(self, answered: Sequence[dict[str, str]]) -> list[dict[str, str]]:
        def verdict(one: dict[str, str]) -> str:
            if one["seed"] in defined(one["solution"], bare=False):
                return "response: writes the base function again"
            if re.search(rf"\b{re.escape(one['seed'])}\b", one["tests"]):
                return "response: its tests call the base function"
            setup = one["source"] + COUNTED.format(name=one["seed"])
            if not self.passes(one["solution"], one["tests"], setup):
                return "response: fails its tests"
            called = f"{one['tests']}\nassert {one['seed']}.count > 0"
            return (
                ""
                if self.passes(one["solution"], called, setup)
                else "response: does not call the base function"
            )

        with ThreadPoolExecutor(self.workers) as crowd:
            verdicts = list(crowd.map(verdict, answered))
        self.counts.update(reason for reason in verdicts if reason)
        return [one for one, reason in zip(answered, verdicts, strict=True) if not reason]

    # Inside

    def _ask(
        self, prompts: Sequence[str], temperature: float, max_tokens: int, stop: tuple[str, ...] = STOP
    ) -> list[str]:
        """Return the replies to prompts; equal prompts are drawn anew, each with the next sample index."""
        drawn: Counter[str] = Counter()
        requests = []
        for prompt in prompts:
            sample = 0 if temperature == 0 else self.seed * 1000 + drawn[prompt]
            drawn[prompt] += 1
            requests.append(
                Request(self.model, (Message("user", prompt),), temperature, max_tokens, stop, sample=sample)
            )
        with ThreadPoolExecutor(self.workers) as crowd:
            return [completion.text for completion in crowd.map(self.gateway.complete, requests)]

    def _stage(self, name: str, make: Callable[[], list[dict[str, str]]]) -> list[dict[str, str]]:
        """Return what a stage made, from its file when that is there; count what comes out."""
        file = self.folder / f"{name}.json"
        if file.is_file():
            kept = json.loads(file.read_text())
            self.counts.update(kept["counts"])
            made: list[dict[str, str]] = kept["made"]
        else:
            before = Counter(self.counts)
            made = make()
            self.counts[f"after {name}"] = len(made)
            counts = {key: count - before[key] for key, count in self.counts.items() if count != before[key]}
            part = file.with_suffix(".part")
            part.write_text(json.dumps({"counts": counts, "made": made}))
            part.replace(file)
        self.report(f"{name}: {len(made)}")
        return made


INVOKED_TASK = "This function exists:\n\n```python\n{source}\n```\n\n{instruction}"


def read_seeds(paths: Iterable[Path]) -> Iterator[Seed]:
    """Yield the top-level functions of Python files; files that do not parse give none."""
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8")
            tree = ast.parse(text)
        except (OSError, UnicodeDecodeError, SyntaxError, ValueError):
            continue
        for node in tree.body:
            if isinstance(node, ast.FunctionDef):
                yield Seed(node.name, ast.get_source_segment(text, node) or "", f"{path.name}:{node.lineno}")


def unfit(source: str) -> str:
    """Return why a function is no seed, an empty text when it may be one."""
    try:
        (function,) = ast.parse(source).body
    except (SyntaxError, ValueError):
        return "does not parse"
    if not isinstance(function, ast.FunctionDef):
        return "is no function"
    nodes = list(ast.walk(function))
    imports = {
        name.partition(".")[0]
        for node in nodes
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
        )
    }
    tests = {
        "has no docstring": not ast.get_docstring(function),
        "has no arguments": not (function.args.args or function.args.posonlyargs),
        "returns no value": not any(isinstance(node, ast.Return) and node.value for node in nodes),
        "is too long": len(source.split("\n")) > LONGEST_SEED,
        "is unfinished": bool(UNFINISHED.search(source)),
        "imports what is not wanted": bool(imports & FORBIDDEN),
        "needs names from elsewhere": bool(_free_names(function)),
    }
    return next((reason for reason, holds in tests.items() if holds), "")


def _free_names(function: ast.FunctionDef) -> set[str]:
    """Return the names that a function takes from its module, where a type checker would stumble."""
    import builtins

    nodes = list(ast.walk(function))
    known = set(vars(builtins)) | {function.name}
    known |= {node.id for node in nodes if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)}
    known |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    known |= {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    known |= {node.name for node in nodes if isinstance(node, ast.ExceptHandler) and node.name}
    known |= {
        (alias.asname or alias.name).partition(".")[0]
        for node in nodes
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    return {node.id for node in nodes if isinstance(node, ast.Name)} - known


def split(reply: str) -> Answer | None:
    """Return the solution and the tests of a reply, None unless there are both and the tests do test.

    Tests need an ``assert`` and a statement that runs: not only definitions.
    """
    blocks = re.findall(r"```(?:python|py)?[ \t]*\n(.*?)(?:\n[ \t]*```|\Z)", reply, re.DOTALL)
    if len(blocks) < 2:
        return None
    solution, tests = blocks[0].strip("\n"), blocks[1].strip("\n")
    try:
        body = ast.parse(tests).body
        ast.parse(solution)
    except (SyntaxError, ValueError):
        return None
    definitions = (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom, ast.AsyncFunctionDef)
    runs = any(not isinstance(node, definitions) for node in body)
    asserts = any(isinstance(node, ast.Assert) for statement in body for node in ast.walk(statement))
    return Answer(solution, tests) if runs and asserts and defined(solution) else None


def defined(source: str, *, bare: bool = True) -> frozenset[str]:
    """Return the names of the functions and classes of a text; ``bare``: in small letters without underscores."""
    names = [
        node.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef)
    ]
    return frozenset(name.lower().replace("_", "") if bare else name for name in names)


def _first_each(passing: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    return list({one["instruction"]: one for one in reversed(passing)}.values())[::-1]
