"""Published ADAS archives: a JSON list of programs, with thought, name, code, generation and fitness.

Nothing here executes a program. The published fitness becomes a :class:`~archive.records.Claim`: it was measured
by others, on another model, and is never mixed with what was measured here.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from archive import ArchiveError, Claim, Member, Program, Run, program_id
from meta_agent.adas_compat import published_entry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from archive import Archive

_NUMBER = r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(%?)"


class Figures(NamedTuple):
    """A published fitness, as shares of 1; None where the text does not say."""

    point: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass
class Report:
    """What an import brought in."""

    run: str
    rows: int
    programs: int = 0
    """Different ones; a row that repeats a program adds its claims only."""
    claims: int = 0
    broken: list[tuple[int, str]] = field(default_factory=list)
    """Row number (from 1) and reason of each row that was left out."""

    def row(self) -> dict[str, Any]:
        """Return all fields, for JSON."""
        return {**asdict(self), "broken": [{"row": number, "reason": why} for number, why in self.broken]}

    def lines(self) -> Iterator[str]:
        """Yield it in words."""
        yield (
            f"run {self.run}: {self.programs} programs with {self.claims} claims, "
            f"from {self.rows - len(self.broken)} of {self.rows} rows"
        )
        for number, why in self.broken:
            yield f"row {number} left out: {why}"


def import_results(archive: Archive, path: Path, domain: str | None = None) -> Report:
    """Add a published archive as a run of its own; importing the same rows again changes nothing.

    A broken row is reported and the others are imported.

    Args:
        archive: Where to.
        path: A JSON file: a list of objects with ``code`` and, as far as there are any, ``name``, ``thought``,
            ``generation`` and keys with ``fitness`` in their name.
        domain: What the programs were made for; by default the name of the file.

    Raises:
        ArchiveError: The file cannot be read or is no such list.
    """
    rows = _rows(path)
    domain = domain or path.stem
    digest = hashlib.sha256(json.dumps([domain, rows], sort_keys=True).encode()).hexdigest()
    run = Run(f"published-{digest[:8]}", "import", domain, "published", {"file": path.name}, state="done")
    archive.add_run(run)
    report = Report(run.id, len(rows))
    places: dict[str, Member] = {}
    taken: dict[int, int] = {}
    for number, row in enumerate(rows, 1):
        try:
            program, generation = _program(row, number), _generation(row)
            member = places.get(program.id) or Member(
                run.id, program.id, generation, taken.get(generation, 0), proposer="published"
            )
            claims = [
                _claim(run.id, number, key, program.id, row[key]) for key in row if "fitness" in key.lower()
            ]
            archive.add_all([program, member, *claims])
        except (ArchiveError, _BrokenRowError) as error:
            report.broken.append((number, str(error)))
            continue
        if program.id not in places:
            places[program.id] = member
            taken[generation] = member.slot + 1
        report.claims += len(claims)
    report.programs = len(places)
    return report


def read_fitness(text: str) -> Figures:
    """Return the figures in a published fitness; all None when it cannot be read as shares of 1.

    Read are ``"95% Bootstrap Confidence Interval: (30.5%, 46.9%), Median: 38.3%"``, ``"0.38 (0.31, 0.47)"``,
    ``"38.3% ± 4.1%"`` and a number alone. Without a percent sign a number above 1 is taken as a percentage.
    """
    rest = re.sub(r"\d+\.?\d*\s*%\s*(?=(?:\w+\s+)?(?:confidence|ci\b))", "", text, flags=re.IGNORECASE)
    pair = re.search(rf"[(\[]\s*{_NUMBER}\s*(?:,|;|to|-|\u2013)\s*{_NUMBER}\s*[)\]]", rest)
    if pair:
        rest = rest[: pair.start()] + " " + rest[pair.end() :]
    numbers = re.findall(rf"(?<![\w.]){_NUMBER}", rest)
    spread = re.search(rf"(?:±|\+/-|\+-)\s*{_NUMBER}", rest)
    low, high = (_share(*pair.groups()[:2]), _share(*pair.groups()[2:])) if pair else (None, None)
    point = _share(*numbers[0]) if len(numbers) == (2 if spread else 1) else None
    if spread and point is not None and pair is None:
        wide = _share(*spread.groups()) or 0.0
        low, high = max(0.0, point - wide), min(1.0, point + wide)
    whole = low is not None and high is not None and low <= high
    return Figures(point, low, high) if whole else Figures(point)


class _BrokenRowError(ValueError):
    """A row that cannot be imported, and why."""


def _rows(path: Path) -> list[Any]:
    try:
        rows = json.loads(path.read_bytes())
    except OSError as error:
        raise ArchiveError(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ArchiveError(f"{path}: not JSON ({error})") from error
    if not isinstance(rows, list) or not rows:
        raise ArchiveError(f"{path}: expected a list of programs, as ADAS writes its results")
    return rows


def _program(row: Any, number: int) -> Program:
    if not isinstance(row, dict):
        raise _BrokenRowError(f"expected an object, got {type(row).__name__}")
    code = row.get("code")
    if not isinstance(code, str) or not code.strip():
        raise _BrokenRowError('no program: expected its text under "code"')
    try:
        ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise _BrokenRowError(f"the program is not Python: {error}") from None
    if published_entry(code) is None:
        raise _BrokenRowError("the program has no forward(self, taskInfo)")
    name = row.get("name")
    return Program(
        source=code,
        name=name.strip() if isinstance(name, str) and name.strip() else f"row {number}",
        thought=_words(row.get("thought", "")),
        origin="import",
        id=program_id(code),
    )


def _words(value: Any) -> str:
    """Return a thought as text; meta agents sometimes write an object of headings."""
    if isinstance(value, dict):
        return "\n".join(f"{str(key).strip('*: ')}: {_words(one)}" for key, one in value.items())
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)


def _generation(row: dict[str, Any]) -> int:
    """Return the generation, 0 for seeds (``"initial"``, or none given)."""
    value = row.get("generation", "initial")
    if value in ("initial", None):
        return 0
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _BrokenRowError(f'generation: expected "initial" or a number, got {json.dumps(value)[:40]}')
    return value


def _claim(run: str, number: int, what: str, program: str, value: Any) -> Claim:
    text = value if isinstance(value, str) else json.dumps(value)
    return Claim(run, number, what, program, text, *read_fitness(text))


def _share(number: str, percent: str) -> float | None:
    exact = Decimal(number)
    value = float(exact / 100 if percent or exact > 1 else exact)
    return value if 0 <= value <= 1 else None
