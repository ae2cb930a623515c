"""The one object an agent program is given. This file runs inside the sandbox: standard library only.

A program is ``forward(task, kit)``. It reads ``task``, works through ``kit``, and returns the answer: Python source
when ``task.kind`` is ``"code"``, a short text otherwise. Every ``kit`` method that needs the outside sends one JSON
object to the host and waits for its answer; the host meters, caches and records it.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

Call = Callable[[dict[str, Any]], dict[str, Any]]

MAX_CANDIDATES = 32
ONE_REPLY = "kit.llm returns one text, and a list of texts only with n=2 or more; use append for one text"


class KitError(RuntimeError):
    """The host refused a request: the text says why (no calls left, a prompt that is too long, a bad argument)."""


class Task:
    """The question: ``id, prompt, kind, entry_point, visible_tests, metadata``."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self.id: str = fields["id"]
        self.prompt: str = fields["prompt"]
        self.kind: str = fields["kind"]
        self.entry_point: str = fields["entry_point"]
        self.visible_tests: list[str] = fields["visible_tests"]
        self.metadata: dict[str, Any] = fields["metadata"]


class Result:
    """What a run showed: ``passed``, ``score`` (share of tests passed), ``feedback``, ``output``.

    Of a repository's tests also ``failed``, the names of those that fail.
    """

    def __init__(self, fields: dict[str, Any]) -> None:
        self.failed: list[str] = fields.get("failed", [])
        self.passed: bool = fields["passed"]
        self.score: float = fields["score"]
        self.feedback: str = fields["feedback"]
        self.output: str = fields["output"]

    def __bool__(self) -> bool:
        return self.passed


class Kit:
    """Everything an agent program can do besides thinking in plain Python."""

    def __init__(self, task: Task, call: Call) -> None:
        self._task = task
        self._call = call
        self.repo = Repo(self._ask)

    def _ask(self, op: str, **fields: Any) -> dict[str, Any]:
        reply = self._call({"op": op, **fields})
        if "error" in reply:
            raise KitError(reply["error"])
        return reply

    def llm(
        self,
        prompt: str,
        system: str = "",
        temperature: float = 0.0,
        n: int = 1,
        max_tokens: int = 512,
        fields: Sequence[str] = (),
        stop: Sequence[str] = (),
    ) -> Any:
        """Ask the model; return its reply, or a list of ``n`` replies when ``n`` is greater than 1.

        With ``fields`` the reply is a JSON object of exactly these texts, where the model's server can enforce that.
        It ends before the first text of ``stop``.
        """
        texts = self._ask(
            "llm",
            prompt=str(prompt),
            system=str(system),
            temperature=float(temperature),
            n=int(n),
            max_tokens=int(max_tokens),
            fields=[str(field) for field in fields],
            stop=[stop] if isinstance(stop, str) else [str(text) for text in stop],
        )["texts"]
        return texts if n > 1 else texts[0]

    def run(self, code: str, tests: list[str] | str | None = None) -> Result:
        """Run ``code`` with ``tests`` (default: the visible tests) in a sandbox of its own."""
        chosen = (
            self._task.visible_tests if tests is None else [tests] if isinstance(tests, str) else list(tests)
        )
        return Result(self._ask("run", code=extract_code(str(code)), tests=[str(test) for test in chosen]))

    def call(self, code: str, calls: list[str]) -> list[tuple[str, str]]:
        """Evaluate each of ``calls``, such as ``"f(1)"``, after ``code``; return ``(repr of value, error)`` for each.

        The error is empty when there is a value, and the value is empty when there is an error.
        """
        values = self._ask("call", code=extract_code(str(code)), calls=[str(call) for call in calls])[
            "values"
        ]
        return [(value, error) for value, error in values]

    def run_partial(self, code: str) -> Result:
        """Run code with missing parts: the model is asked for the value of each missing name, call and attribute.

        The same question gets the same value throughout the run. ``score`` is the share of lines that ran. Each
        value costs 1 to 4 calls of the model.
        """
        return Result(self._ask("run_partial", code=extract_code(str(code))))

    def vote(self, answers: list[Any]) -> Any:
        """Return the answer most others agree with: by behaviour for code, by meaning otherwise."""
        return self._chosen("vote", answers)

    def classes(self, answers: list[Any]) -> list[int]:
        """Return a number for each answer: equal numbers behave (code) or mean (text) the same; -1 never runs."""
        texts = [self.extract(str(answer)) for answer in answers]
        return list(self._ask("classes", candidates=texts)["classes"])

    def select(self, candidates: list[str], tests: list[str] | None = None, method: str = "max_pass") -> Any:
        """Return the candidate that is best by ``tests`` (default: the visible ones); ties go to the majority.

        ``method``: ``max_pass`` counts passed tests; ``codet``, ``b4`` and ``mutual_rank`` weigh them by agreement,
        for tests that a model wrote; ``biggest_set`` takes the largest group that passes the same tests;
        ``majority``, ``mbr_exec`` and ``functional_consensus`` compare outputs.
        """
        chosen = self._task.visible_tests if tests is None else [str(test) for test in tests]
        return self._chosen("select", candidates, tests=chosen, method=method)

    def _chosen(self, op: str, options: Any, **fields: Any) -> Any:
        if isinstance(options, str) or len(options) > MAX_CANDIDATES:
            came = "one text" if isinstance(options, str) else f"{len(options)} of them"
            raise KitError(f"expected a list of at most {MAX_CANDIDATES} texts, got {came}: {ONE_REPLY}")
        options = list(options)
        texts = [self.extract(str(option)) for option in options]
        return options[self._ask(op, candidates=texts, **fields)["index"]]

    def extract(self, text: str, kind: str = "") -> str:
        """Return the answer inside a reply: the last complete code block, or the text after ``Answer:``.

        ``kind`` is ``"code"``, ``"answer"`` or ``"patch"``; that of the task by default. The patch is what the edits
        of the reply make of a fresh copy of the repository, see ``repo.apply``; a patch is returned as it is.
        """
        kind = kind or self._task.kind
        if kind == "patch":
            return str(text) if str(text).startswith("diff --git ") else self.repo.patch_of(str(text))
        return extract_code(str(text)) if kind == "code" else extract_answer(str(text))

    @property
    def remaining(self) -> dict[str, float]:
        """What is left for this task: ``calls``, ``tokens``, ``seconds``."""
        return self._ask("remaining")["remaining"]  # type: ignore[no-any-return]

    def log(self, *values: Any) -> None:
        """Write a line into the trace of this task."""
        self._ask("log", text=" ".join(str(value) for value in values))


class Suspect:
    """A function that failing tests run over: ``path, name, first, last, score, code``."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self.path: str = fields["path"]
        self.name: str = fields["name"]
        self.first: int = fields["first"]
        self.last: int = fields["last"]
        self.score: float = fields["score"]
        self.code: str = fields["code"]


class Repo:
    """The repository of a task of kind ``patch``: a copy to search, edit and test.

    What is not there, and an edit that does not match, raises :class:`KitError` with the reason.
    """

    def __init__(self, ask: Callable[..., dict[str, Any]]) -> None:
        self._ask = ask

    def _do(self, do: str, **fields: Any) -> dict[str, Any]:
        return self._ask("repo", do=do, **fields)

    def paths(self) -> list[str]:
        """Return the text files."""
        return list(self._do("paths")["paths"])

    def read(self, path: str, first: int = 1, last: int = 0) -> str:
        """Return the lines ``first`` to ``last`` of a file, all by default."""
        return str(self._do("read", path=str(path), first=int(first), last=int(last))["text"])

    def outline(self, path: str) -> str:
        """Return the signatures of all that a Python file defines."""
        return str(self._do("outline", path=str(path))["text"])

    def search_class(self, name: str, path: str = "") -> str:
        """Return where classes of that name are, with the signatures of their methods."""
        return str(self._do("search_class", name=str(name), path=str(path))["text"])

    def search_method(self, name: str, inside: str = "", path: str = "") -> str:
        """Return the code of methods and functions of that name, ``inside`` a class or anywhere."""
        return str(self._do("search_method", name=str(name), inside=str(inside), path=str(path))["text"])

    def search_code(self, text: str, path: str = "") -> str:
        """Return the lines that hold a text, with the lines around them."""
        return str(self._do("search_code", text=str(text), path=str(path))["text"])

    def around(self, path: str, line: int, window: int = 10) -> str:
        """Return the lines around a line."""
        return str(self._do("around", path=str(path), line=int(line), window=int(window))["text"])

    def edit(self, path: str, search: str, replace: str) -> None:
        """Replace a text that is in a file exactly once; an empty ``search`` makes a new file."""
        self._do("edit", path=str(path), search=str(search), replace=str(replace))

    def rewrite(self, name: str, code: str, path: str = "") -> None:
        """Put code in the place of the whole function or method of that name, dotted where it is needed to tell it."""
        self._do("rewrite", name=str(name), replace=str(code), path=str(path))

    def apply(self, reply: str) -> str:
        """Make the edits that a reply asks for; return why some were refused, empty when none was.

        The functions in its code blocks take the place of those of their names; then its edit blocks are applied.
        """
        edits = [partial(self.rewrite, name, code) for name, code in functions_in(str(reply)).items()]
        edits += [partial(self.edit, *block) for block in edit_blocks(str(reply))]
        refused = [] if edits else ["the reply has no edit of the form that was asked for"]
        for edit in edits:
            try:
                edit()
            except KitError as error:
                refused.append(str(error))
        return "\n".join(refused)

    def patch_of(self, reply: str) -> str:
        """Return the patch that the edits of a reply make of a fresh copy."""
        self.reset()
        self.apply(reply)
        return self.patch()

    def reset(self) -> None:
        """Undo all edits."""
        self._do("reset")

    def patch(self) -> str:
        """Return all edits as one patch: the answer to a task of kind ``patch``."""
        return str(self._do("patch")["text"])

    def test(self, tests: Sequence[str] = ()) -> Result:
        """Run the repository's own tests, all or some by their names, on the copy as it is now."""
        return Result(self._do("test", tests=[str(test) for test in tests]))

    def suspects(self, limit: int = 5) -> list[Suspect]:
        """Return the functions that failing tests run over, the most suspicious first (Ochiai); runs the tests."""
        return [Suspect(fields) for fields in self._do("suspects", limit=int(limit))["suspects"]]


# Compiled once for all sessions: the sandbox loads the kit before it forks.
_EDIT = re.compile(
    r"^[ \t]*<{5,9} ?SEARCH[^\n]*\n(.*?)^[ \t]*={5,9}[ \t]*\n(.*?)^[ \t]*>{5,9} ?REPLACE",
    re.DOTALL | re.MULTILINE,
)
_BLOCK = re.compile(r"```[\w+-]*[ \t]*\n(.*?)(?:\n[ \t]*```|\Z)", re.DOTALL)
_DEFINING = re.compile(r"^\s*(?:def|class|async def) ", re.MULTILINE)
_ANSWER = re.compile(r"(?i)answer\s*(?:is|:)\s*\**\s*([^\n]+)")
_BOXED = re.compile(r"\\boxed\{([^{}]*)\}")
_NUMBER = re.compile(r"-?\$?\d[\d,]*(?:\.\d+)?")


def edit_blocks(text: str) -> list[tuple[str, str, str]]:
    """Return path, text to replace and replacement of each edit block; a path holds for later blocks too."""
    blocks: list[tuple[str, str, str]] = []
    path, end = "", 0
    for found in _EDIT.finditer(text):
        above = [line.strip() for line in text[end : found.start()].splitlines()]
        named = [line for line in above if line and not line.startswith("```")]
        if named:
            path = named[-1].strip("`*# :").removeprefix("./")
        blocks.append((path, found[1], found[2]))
        end = found.end()
    return blocks


def functions_in(text: str) -> dict[str, str]:
    """Return the functions and methods that the code blocks of a reply define, by dotted name; the last of a name."""
    found: dict[str, str] = {}
    for block in _BLOCK.findall(text):
        code = textwrap.dedent(block)
        try:
            pending = [("", node) for node in ast.parse(code).body]
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        lines = code.split("\n")
        for inside, node in pending:
            if isinstance(node, ast.ClassDef):
                pending += [(f"{inside}{node.name}.", child) for child in node.body]
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
                found[inside + node.name] = "\n".join(lines[first - 1 : node.end_lineno])
    return found


def extract_code(text: str) -> str:
    """Return the last fenced block that defines something; else the last block; else the text without fences."""
    blocks: list[str] = _BLOCK.findall(text)
    if not blocks:
        return text.replace("```", "").strip("\n")
    defining = [block for block in blocks if _DEFINING.search(block)]
    return (defining or blocks)[-1].strip("\n")


def extract_answer(text: str) -> str:
    """Return what follows the last ``Answer:``, else the last boxed value, else the last number, else the text."""
    if found := _ANSWER.findall(text):
        return str(found[-1]).strip().rstrip(".").strip("*$ ")
    if found := _BOXED.findall(text):
        return str(found[-1]).strip()
    if found := _NUMBER.findall(text):
        return str(found[-1]).replace("$", "").replace(",", "")
    return text.strip()


def build(fields: dict[str, Any], call: Call) -> tuple[Task, Kit]:
    """Make the two arguments of ``forward``; called by the sandbox guest."""
    task = Task(fields)
    return task, Kit(task, call)
