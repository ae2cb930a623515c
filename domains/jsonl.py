"""A user's own tasks: a JSONL file with a ``prompt`` and either an ``answer`` or ``tests`` in each row.

A prompt with an ``answer`` asks for a short text or a number; one with ``tests`` asks for code::

    {"prompt": "What is the capital of France?", "answer": "Paris"}
    {"prompt": "Write double(n).", "tests": ["assert double(2) == 4", "assert double(-1) == -2"]}

Optional keys: ``id`` (text or number, unique), ``metadata`` (an object that the agent sees), and for code
``entry_point`` (the function under test; read from the tests when they call a single unknown one),
``visible_tests`` (shown to the agent) and ``setup`` (Python run before the tests).
"""

from __future__ import annotations

import ast
import builtins
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, cast

from domains.benchmark import Benchmark, Item, from_pools
from domains.domain import DomainError, SplitName, Task
from domains.examples import parse
from domains.scoring import HiddenTests, Target, Text, expected_answer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from domains.data import Row
    from sandboxes import Json

SHARES: Mapping[SplitName, int] = {"search": 1, "selection": 1, "test": 2}

_KEYS = ("prompt", "answer", "tests", "id", "entry_point", "visible_tests", "setup", "metadata")

_ANSWERS = (
    "the answer is a short text or a number, compared after case, spacing and outer punctuation are set aside"
)
_CODE = "the answer is Python source that defines task.entry_point; hidden tests mark it, all must pass"


def jsonl(path: Path, *, sizes: Mapping[SplitName, int] | None = None, seed: int = 0) -> Benchmark:
    """Load a JSONL file; a quarter of the rows each for ``search`` and ``selection``, half for ``test``.

    Raises:
        DomainError: a file that cannot be read or has fewer than 3 rows, a broken row (file, line and
            reason), or sizes that are too large.

    """
    rows = _rows(path)
    if len(rows) < len(SHARES):
        raise DomainError(
            f"{path}: expected at least {len(SHARES)} rows, one for each split, found {len(rows)}"
        )
    kinds = {row.kind for row in rows}
    how = " ".join(
        f"Where task.kind is {kind!r}, {text}."
        for kind, text in (("answer", _ANSWERS), ("code", _CODE))
        if kind in kinds
    )
    return from_pools(
        str(path),
        f"The user's own tasks, {len(rows)} in all. {how}",
        [(SHARES, _unique(rows))],
        sizes=sizes,
        seed=seed,
        key=_mixed_key if len(kinds) > 1 else None,
    )


def _mixed_key(answer: Json) -> str:
    is_code = isinstance(answer, str) and any(word in answer for word in ("def ", "class ", "lambda ", "```"))
    return HiddenTests.key(answer) if is_code else Text.key(answer)


@dataclass(frozen=True, slots=True)
class _Row:
    """One row, with the place it came from for error messages."""

    path: Path
    line: int
    values: Row

    @property
    def kind(self) -> str:
        return "code" if "tests" in self.values else "answer"

    def item(self) -> Item:
        """Return the task of the row; broken rows raise :class:`DomainError`."""
        for key in self.values:
            if key not in _KEYS:
                self.fail(f"unknown key {key!r}; the keys are {', '.join(_KEYS)}")
        prompt = self.text("prompt")
        if not prompt.strip():
            self.fail("'prompt' is missing or empty")
        if ("answer" in self.values) == ("tests" in self.values):
            self.fail("give either 'answer' or 'tests'")
        name = self.values.get("id", f"{self.path.stem}/{self.line}")
        if isinstance(name, bool) or not isinstance(name, str | int) or name == "":
            self.fail(f"'id' must be a text or a number, not {json.dumps(name)}")
        return self._code(str(name), prompt) if self.kind == "code" else self._answer(str(name), prompt)

    def _answer(self, name: str, prompt: str) -> Item:
        answer = self.values["answer"]
        if not isinstance(answer, str | int | float) or not str(answer).strip():
            self.fail(f"'answer' must be a text, a number or a truth value, not {json.dumps(answer)[:60]}")
        for key in ("entry_point", "visible_tests", "setup"):
            if key in self.values:
                self.fail(f"{key!r} belongs to rows with 'tests'")
        target: Target = expected_answer(answer)
        return Item(Task(name, prompt, "answer", metadata=self.metadata()), target)

    def _code(self, name: str, prompt: str) -> Item:
        tests, visible, setup = self.python("tests"), self.python("visible_tests"), self.text("setup")
        if not tests:
            self.fail("'tests' holds no test")
        self.parse("setup", setup)
        entry = self.text("entry_point") or _only_unknown_call([*tests, *visible], setup)
        if entry and not entry.isidentifier():
            self.fail(f"'entry_point' must be the name of a function, not {entry!r}")
        task = Task(name, prompt, "code", entry, visible, self.metadata())
        return Item(task, HiddenTests(entry, tests, setup=setup))

    def metadata(self) -> dict[str, Json]:
        """Return what the agent is given beside the prompt."""
        value = self.values.get("metadata", {})
        if not isinstance(value, dict):
            self.fail(f"'metadata' must be an object, not {json.dumps(value)[:60]}")
        return value

    def text(self, key: str) -> str:
        """Return a text value, empty when the key is absent."""
        value = self.values.get(key, "")
        if not isinstance(value, str):
            self.fail(f"{key!r} must be a text, not {json.dumps(value)[:60]}")
        return value

    def python(self, key: str) -> tuple[str, ...]:
        """Return the tests under a key: a list of texts, or one text."""
        value = self.values.get(key, [])
        tests = [value] if isinstance(value, str) else value
        if not isinstance(tests, list) or not all(isinstance(test, str) for test in tests):
            self.fail(f"{key!r} must be a list of texts or one text, not {json.dumps(value)[:60]}")
        for test in cast("list[str]", tests):
            self.parse(key, test)
        return tuple(test for test in cast("list[str]", tests) if test.strip())

    def parse(self, key: str, source: str) -> None:
        """Fail unless ``source`` is Python."""
        try:
            parse(source)
        except (SyntaxError, ValueError) as error:
            reason = error.msg if isinstance(error, SyntaxError) else error
            self.fail(f"{key!r} is not Python: {reason}: {source[:60]!r}")

    def fail(self, reason: str) -> NoReturn:
        """Raise the error that names the file, the line and the reason."""
        raise DomainError(f"{self.path}, line {self.line}: {reason}")


def _rows(path: Path) -> list[_Row]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DomainError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DomainError(f"{path}: cannot be read: {error}") from error
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            reason = (
                f"{error.msg} (column {error.colno})"
                if isinstance(error, json.JSONDecodeError)
                else str(error)
            )
            raise DomainError(f"{path}, line {number}: not JSON: {reason}") from error
        if not isinstance(values, dict):
            raise DomainError(f"{path}, line {number}: expected a JSON object, found {line.strip()[:60]}")
        rows.append(_Row(path, number, values))
    return rows


def _unique(rows: list[_Row]) -> list[Item]:
    """Return the items; an id or prompt that comes twice would let a task sit in two splits."""
    items: list[Item] = []
    lines: dict[tuple[str, str], int] = {}
    for row in rows:
        item = row.item()
        for field, value in (("id", item.task.id), ("prompt", item.task.prompt)):
            if (field, value) in lines:
                row.fail(f"the {field} is that of line {lines[field, value]}")
            lines[field, value] = row.line
        items.append(item)
    return items


def _only_unknown_call(tests: list[str], setup: str) -> str:
    """Return the function that tests call and nothing defines; an empty text unless there is just one."""
    nodes = [node for source in (*tests, setup) for node in ast.walk(parse(source))]
    known = set(vars(builtins))
    known |= {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    known |= {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    known |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    known |= {
        (alias.asname or alias.name).partition(".")[0]
        for node in nodes
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    called = {
        node.func.id for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    } - known
    return called.pop() if len(called) == 1 else ""
