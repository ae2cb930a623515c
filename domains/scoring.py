"""Marking: what an answer is compared with, and how.

Each class here is the hidden half of a task. ``mark`` turns any JSON value into a score of 0 or 1 and never
raises for a bad answer; its reason is one short line that gives away neither a hidden test nor the expected
answer. ``key`` turns an answer into a text that is equal for answers that mean the same. Answers are
untrusted: on the host they are only searched for text and numbers, never compiled, and code is executed in
the sandbox alone.
"""

from __future__ import annotations

import builtins
import hashlib
import io
import json
import re
import textwrap
import tokenize
import unicodedata
from dataclasses import Field, dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, Protocol

from domains.domain import Score
from sandboxes import Json, Limits, Outcome, Sandbox

LIMITS = Limits(wall_s=60.0, cpu_s=15.0, memory_mb=512)
"""What marking one answer may use; processor time decides, so that a busy machine fails no right answer."""

LONGEST_CODE = 200_000
"""Characters of source that are executed; no honest answer comes near."""

_TAIL = 20_000
"""Characters at the end of an answer that are searched for its result."""


class Target(Protocol):
    """What the answers to one task are compared with: a frozen dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    def mark(self, answer: Json, sandbox: Sandbox, /) -> Score:
        """Score an answer, whatever its type."""

    @staticmethod
    def key(answer: Json) -> str:
        """Return a canonical text of an answer."""


def scorer_digest(*parameters: object) -> str:
    """Return 16 hex digits of SHA-256 over this file, the limits and further parameters of a scorer."""
    source = Path(__file__).read_bytes()
    return hashlib.sha256(source + repr((LIMITS, *parameters)).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, repr=False)
class HiddenTests:
    """Python tests for a code answer, run by a judge in another process than the candidate's."""

    entry: str
    """The function under test; empty when there are several (tests then share the candidate's process)."""
    tests: tuple[str, ...]
    """Each raises on failure."""
    setup: str = ""
    """Run by the judge before the tests."""
    preamble: str = ""
    """Imports and helpers that the prompt gives: put before the answer."""
    stub: str = ""
    """Unfinished source that an answer without ``entry`` is taken to continue."""
    epilogue: str = ""
    """Python put after the answer."""

    def mark(self, answer: Json, sandbox: Sandbox, /) -> Score:
        """Run the tests on the code of the answer; 1 when all pass."""
        code = extract_code(answer, self.entry)
        if not code.strip():
            return Score(0.0, "no code in the answer")
        if len(code) > LONGEST_CODE:
            return Score(0.0, "the code is too long")
        outcome = sandbox.check(
            self._program(code), self.tests, setup=self.setup, entry=self.entry or None, limits=LIMITS
        )
        right = len(outcome.passed) == len(self.tests) and all(outcome.passed)
        passed = "passed" if outcome.cheat_proof else "passed (its tests could be cheated)"
        return Score(float(right), passed if right else _failure(outcome), outcome.cpu_s)

    def _program(self, code: str) -> str:
        if self.stub and not _defines(code, self.entry):
            return self.stub + code
        future = "".join(_FUTURE.findall(code))
        return "\n".join((future, self.preamble, _FUTURE.sub("", code), self.epilogue))

    @staticmethod
    def key(answer: Json) -> str:
        """Return the tokens of the code without comments and layout."""
        code = extract_code(answer)[:LONGEST_CODE]
        try:
            tokens = [
                token.string or tokenize.tok_name[token.type]
                for token in tokenize.generate_tokens(io.StringIO(code).readline)
                if token.type not in (tokenize.COMMENT, tokenize.NL)
            ]
        except (tokenize.TokenError, SyntaxError):
            return "\n".join(line.rstrip() for line in code.splitlines() if line.strip())
        return " ".join(token for token in tokens if not token.isspace())


@dataclass(frozen=True, slots=True, repr=False)
class Number:
    """An expected number, compared exactly as a decimal."""

    expected: Decimal

    def mark(self, answer: Json, _: Sandbox, /) -> Score:
        """Compare the final number of the answer."""
        number = find_number(answer)
        if number is None:
            return Score(0.0, "no number in the answer")
        right = number == self.expected
        return Score(float(right), "right" if right else "wrong answer")

    @staticmethod
    def key(answer: Json) -> str:
        """Return the final number in its shortest form, or the normalised text when there is none."""
        number = find_number(answer)
        if number is None:
            return normal_text(answer)
        text = f"{number:f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
        return "0" if text == "-0" else text


@dataclass(frozen=True, slots=True, repr=False)
class Text:
    """An expected short text, compared after :func:`normal_text`."""

    expected: str

    def mark(self, answer: Json, _: Sandbox, /) -> Score:
        """Compare the text of the answer."""
        text = normal_text(answer)
        if not text:
            return Score(0.0, "empty answer")
        right = text == normal_text(self.expected)
        return Score(float(right), "right" if right else "wrong answer")

    @staticmethod
    def key(answer: Json) -> str:
        """Return the normalised text."""
        return normal_text(answer)


def expected_number(text: str) -> Number:
    """Return the target for an answer that data states as ``18`` or ``2,125``."""
    return Number(Decimal(text.strip().replace(",", "")))


def expected_answer(answer: str | float) -> Number | Text:
    """Return the target for an answer of a user's own: a number where the whole text is one, else a text."""
    text = str(answer).strip()
    number = find_number(text) if _NUMBER.fullmatch(text) else None
    return Text(normal_text(answer)) if isinstance(answer, bool) or number is None else Number(number)


def extract_code(answer: Json, entry: str = "") -> str:
    """Return the Python source in an answer, or an empty text when there is none.

    The source is the largest fenced block (one that defines ``entry``, if any does; a fence may be left open
    at the end), or the whole text when nothing is fenced.
    """
    if not isinstance(answer, str):
        return ""
    answer = _printable(answer)
    blocks = _fenced_blocks(answer)
    if not blocks:
        return answer.strip("\n")
    return max(blocks, key=lambda block: (_defines(block, entry), len(block)))


def find_number(answer: Json) -> Decimal | None:
    r"""Return the final number of an answer.

    It is what ``\boxed{}`` or ``####`` marks, else the last one in the text.

    Understands ``$1,234.50``, ``1 234``, ``45%``, ``-3``, ``.5``, ``1e3``, units after the number, ``3,5`` as
    a decimal comma, and the digits of other scripts. None when there is no number.
    """
    if isinstance(answer, bool) or not isinstance(answer, int | float | str):
        return None
    if isinstance(answer, int):
        return Decimal(answer)
    if isinstance(answer, float):
        number = Decimal(repr(answer))
        return number if number.is_finite() else None
    for text in (_final(answer[-_TAIL:]), answer[-_TAIL:]):
        found = list(_NUMBER.finditer(text.replace(r"\$", "$").replace("{,}", ",").replace(r"\,", "")))
        if found:
            return _decimal(found[-1])
    return None


def normal_text(answer: Json) -> str:
    """Return an answer's text in one case, with single spaces and no punctuation or quotes around it."""
    if isinstance(answer, str):
        text = _final(_printable(answer[-_TAIL:]))
    else:
        try:
            text = json.dumps(answer, ensure_ascii=False, sort_keys=True)
        except (ValueError, RecursionError):  # too deep, or an integer too long to print
            return ""
    text = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return text.strip(_AROUND) or text


_AROUND = " .,;:!?\"'`*\u201c\u201d\u2018\u2019\u00ab\u00bb\u3001\u3002\uff01\uff0c\uff1f"
"""Punctuation and quotes, those of Chinese and Japanese included."""

_SEPARATOR = r"[,'_ \u00a0\u2009\u202f]"
"""Stands between thousands."""

_NUMBER = re.compile(
    r"""
    (?P<sign>(?<![\w.)\]])[-\u2212])?   # a minus that is not a difference or a hyphen
    [ ]?[$€£¥₹]?[ ]?
    (?:
        (?P<grouped>\d{1,3}(?P<separator>SEPARATOR)\d{3}(?!\d)(?:(?P=separator)\d{3}(?!\d))*(?:\.\d+)?)
      | (?P<dotted>\d{1,3}(?:\.\d{3}){2,}(?![\d.]))
      | (?P<comma>\d+,\d{1,2}(?![\d,]))
      | (?P<plain>\d+(?:\.\d+)?|\.\d+)
    )
    (?:[eE](?P<exponent>[+-]?\d{1,3})(?!\w))?
    """.replace("SEPARATOR", _SEPARATOR),
    re.VERBOSE,
)


def _decimal(match: re.Match[str]) -> Decimal:
    if match["grouped"]:
        digits = match["grouped"].replace(match["separator"], "")
    elif match["dotted"]:
        digits = match["dotted"].replace(".", "")
    else:
        digits = (match["comma"] or match["plain"]).replace(",", ".")
    sign = "-" if match["sign"] else ""
    return Decimal(f"{sign}{digits}E{match['exponent'] or 0}")


def _final(text: str) -> str:
    r"""Return what the last ``\boxed{}`` holds, or else what follows the last ``####``, or else the text."""
    boxed = re.findall(r"\\boxed\s*\{([^{}]*(?:\{[^{}]*\}[^{}]*)*)\}", text)
    if boxed:
        return str(boxed[-1])
    return text.rpartition("####")[2]


def _fenced_blocks(text: str) -> list[str]:
    blocks: list[str] = []
    block: list[str] | None = None
    mark = ""
    for line in text.replace("\r\n", "\n").split("\n"):
        bare = line.strip()
        if block is None:
            if bare.startswith(("```", "~~~")):
                block, mark = [], bare[:3]
        elif bare.startswith(mark):
            blocks.append("\n".join(block))
            block = None
        else:
            block.append(line)
    if block is not None:
        blocks.append("\n".join(block))
    return [textwrap.dedent(block) for block in blocks]


def _defines(code: str, entry: str) -> bool:
    return (
        bool(entry)
        and re.search(
            rf"^\s*(?:(?:async\s+)?def|class)\s+{re.escape(entry)}\b|^{re.escape(entry)}\s*[:=]",
            code,
            re.MULTILINE,
        )
        is not None
    )


def _printable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")


_FUTURE = re.compile(r"^from __future__ import .*\n?", re.MULTILINE)
"""Comes first in a module, so before the preamble."""

_EXCEPTIONS = frozenset(
    name
    for name, value in vars(builtins).items()
    if isinstance(value, type) and issubclass(value, BaseException)
)

_KILLED = {
    "wall": "timeout",
    "cpu": "timeout",
    "cap": "timeout",
    "memory": "out of memory",
    "output": "too much output",
    "signal": "crashed",
}
STOPPED = frozenset(_KILLED.values())
"""Reasons of marks that a busy machine may have a part in."""


def _failure(outcome: Outcome) -> str:
    """Say in a word or two why a candidate failed.

    Only names of built-in exceptions pass: a program could otherwise send hidden test inputs out through a
    name of its own.
    """
    if outcome.killed_by:
        return _KILLED[outcome.killed_by]
    if outcome.error:
        line = outcome.error.rstrip().rpartition("\n")[2]
    else:
        line = next((failure for failure in outcome.failures if failure), "").partition("\n")[0]
    name = re.match(r"(?:\w+\.)*(\w+)(?::|$)", line)
    if name and name[1] == "AssertionError":
        return "wrong answer"
    return name[1] if name and name[1] in _EXCEPTIONS else "error"
