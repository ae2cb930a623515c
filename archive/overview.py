"""An archive in figures: small enough to keep in memory, and brought up by what came since the last look.

Every figure is summed from the rollouts themselves. In SQLite rows are numbered in the order in which they are
committed, and an archive only grows, so that a look reads what is new and nothing else; other databases are summed
anew, at most every :data:`PATIENCE_S` seconds.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, func, literal_column, select, true

from archive import schema
from archive.archive import CALL_SUMS, ROLLOUT_SUMS, Spent, standing
from archive.errors import ArchiveError
from archive.records import Evaluation, Member

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import ColumnElement, Table

    from archive.archive import Archive, Standing
    from archive.records import Run, Split

PATIENCE_S = 5.0
_FEW = 500  # ids that one statement may name
_MINUTE_S = 60.0


@dataclass(slots=True)
class RunFigures:
    """One run in figures."""

    run: Run
    members: dict[str, Member] = field(default_factory=dict)
    """By program, by generation and slot as they came; their diffs are left out."""
    evaluations: dict[str, Evaluation] = field(default_factory=dict)
    """By id."""
    rollouts: int = 0
    failures: int = 0
    spent: Spent = field(default_factory=lambda: Spent(0, 0, 0, 0.0))
    """Uncached model calls."""
    recent: list[tuple[float, int]] = field(default_factory=list)
    """(monotonic time, rollouts) of the looks of the last minute that saw new ones."""

    @property
    def asked(self) -> int:
        """Return the rollouts that the evaluations begun so far were asked for."""
        return sum(evaluation.tasks for evaluation in self.evaluations.values())

    @property
    def proposers(self) -> list[str]:
        """Return who wrote its members, by name."""
        return sorted({member.proposer for member in self.members.values() if member.proposer})

    @property
    def generation(self) -> int:
        """Return the last generation that has a member."""
        return max((member.generation for member in self.members.values()), default=0)

    @property
    def pace(self) -> float | None:
        """Return rollouts a minute over the last minute; None when none came."""
        now = time.monotonic()
        seen = [look for look in self.recent if now - look[0] < _MINUTE_S]
        if len(seen) < 2:
            return None
        return _MINUTE_S * (self.rollouts - seen[0][1]) / max(1.0, now - seen[0][0])


class Overview:
    """All runs of an archive in figures; call :meth:`refresh` before a look. Not safe for several threads at once."""

    def __init__(self, archive: Archive) -> None:
        """Hold an archive; nothing is read before :meth:`refresh`."""
        self.archive = archive
        self.version = 0
        """Grows whenever a look saw something new."""
        self._numbered = archive.dialect == "sqlite"
        self._looked = 0.0
        self._clear()

    def _clear(self) -> None:
        self.runs: dict[str, RunFigures] = {}
        """By id, oldest first."""
        self.names: dict[str, str] = {}
        """Of programs, by id."""
        self._seen: dict[str, int] = {}
        self._run_of: dict[str, str] = {}
        self._sums: dict[str, list[Any]] = {}
        self._standings: dict[str, Standing] = {}

    def refresh(self) -> None:
        """Take in what was added to the archive since the last time.

        Raises:
            ArchiveError: It cannot be read; the next time begins anew.
        """
        try:
            self._refresh()
        except ArchiveError:
            self._clear()
            raise

    def _refresh(self) -> None:
        if not self._numbered:
            if self._looked and time.monotonic() - self._looked < PATIENCE_S:
                return
            self._clear()
            self.version += 1
        # From the last table back to the first: then no new row names one that lies beyond a bound.
        new = {table.name: self._new(table) for table in reversed(_TABLES)}
        self._take_runs()
        for table, take in zip(_TABLES, self._takers(), strict=True):
            condition = new[table.name]
            if condition is not None:
                take(condition)
        self._looked = time.monotonic()

    def standing(self, evaluation: str) -> Standing | None:
        """Return an evaluation in figures; None before its first rollout."""
        if evaluation not in self._standings and (sums := self._sums.get(evaluation)):
            held = self.runs[self._run_of[evaluation]].evaluations[evaluation]
            self._standings[evaluation] = standing(held, self.names[held.program], *sums)
        return self._standings.get(evaluation)

    def standings(self, run: str, split: Split) -> dict[str, Standing]:
        """Return how the programs of a run stand on a split, by id: of each the fullest evaluation, then the last."""
        found: dict[str, Standing] = {}
        for evaluation in self.runs[run].evaluations.values():
            one = self.standing(evaluation.id) if evaluation.split == split else None
            if one is None:
                continue
            other = found.get(evaluation.program)
            if other is None or (one.n, evaluation.created) >= (other.n, other.evaluation.created):
                found[evaluation.program] = one
        return found

    # Inside

    def _new(self, table: Table) -> ColumnElement[bool] | None:
        """Return what holds for the rows that came since the last look; None when there are none."""
        if not self._numbered:
            return true()
        number: ColumnElement[int] = literal_column(f"{table.name}.rowid")
        last = self.archive.rows(select(func.max(number)).select_from(table))[0][0] or 0
        seen = self._seen.get(table.name, 0)
        if last == seen:
            return None
        self._seen[table.name] = last
        self.version += 1
        return and_(number > seen, number <= last) if seen else number <= last

    def _takers(self) -> tuple[Callable[[ColumnElement[bool]], None], ...]:
        """Return what takes in the new rows of each of the tables."""
        return (
            self._take_programs,
            self._take_members,
            self._take_evaluations,
            self._take_failures,
            self._take_calls,
            self._take_rollouts,
        )

    def _take_runs(self) -> None:
        for run in self.archive.runs():
            held = self.runs.get(run.id)
            if held is None:
                self.runs[run.id] = RunFigures(run)
            elif held.run != run:
                held.run = run
            else:
                continue
            self.version += 1

    def _take_programs(self, new: ColumnElement[bool]) -> None:
        held = schema.programs.c
        self.names.update(tuple(row) for row in self.archive.rows(select(held.id, held.name).where(new)))

    def _take_members(self, new: ColumnElement[bool]) -> None:
        held = schema.members.c
        wanted = (held[one.name] for one in fields(Member) if one.name != "diff")
        for row in self.archive.rows(select(*wanted).where(new).order_by(held.generation, held.slot)):
            self.runs[row.run].members[row.program] = Member(**row._asdict())

    def _take_evaluations(self, new: ColumnElement[bool]) -> None:
        held = schema.evaluations.c
        for row in self.archive.rows(select(*(held[one.name] for one in fields(Evaluation))).where(new)):
            self.runs[row.run].evaluations[row.id] = Evaluation(**row._asdict())
            self._run_of[row.id] = row.run
            self._standings.pop(row.id, None)

    def _take_failures(self, new: ColumnElement[bool]) -> None:
        run = schema.failures.c.run
        for name, count in self.archive.rows(select(run, func.count()).where(new).group_by(run)):
            self.runs[name].failures += count

    def _take_calls(self, new: ColumnElement[bool]) -> None:
        call = schema.calls.c
        wanted = select(call.run, *CALL_SUMS).where(new, call.cached.is_(False)).group_by(call.run)
        for run, n, prompt, completion, cost, priced in self.archive.rows(wanted):
            old = self.runs[run].spent
            known = old.cost_usd is not None and priced == n
            self.runs[run].spent = Spent(
                old.calls + n,
                old.prompt_tokens + int(prompt),
                old.completion_tokens + int(completion),
                (old.cost_usd or 0.0) + cost if known else None,
            )

    def _take_rollouts(self, new: ColumnElement[bool]) -> None:
        evaluated = schema.rollouts.c.evaluation
        wanted = select(evaluated, *ROLLOUT_SUMS).where(new).group_by(evaluated)
        touched: set[str] = set()
        changed: list[str] = []
        for evaluation, *sums in self.archive.rows(wanted):
            old = self._sums.get(evaluation)
            self._sums[evaluation] = [a + b for a, b in zip(old, sums, strict=True)] if old else sums
            self._standings.pop(evaluation, None)
            run = self._run_of[evaluation]
            self.runs[run].rollouts += sums[0]
            touched.add(run)
            if old:
                changed.append(evaluation)
        for run in touched:
            figures, now = self.runs[run], time.monotonic()
            figures.recent = [look for look in figures.recent if now - look[0] < _MINUTE_S]
            figures.recent.append((now, figures.rollouts))
        # An evaluation may be asked for more tasks later: the one field of a row that grows.
        for start in range(0, len(changed), _FEW):
            self._take_evaluations(schema.evaluations.c.id.in_(changed[start : start + _FEW]))


_TABLES = (
    schema.programs,
    schema.members,
    schema.evaluations,
    schema.failures,
    schema.calls,
    schema.rollouts,
)
