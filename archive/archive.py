"""The archive: an append-only store of programs, their lineage and every rollout."""

from __future__ import annotations

import hashlib
import json
import math
import os
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self, TypeVar

from sqlalchemy import (
    URL,
    ColumnElement,
    Engine,
    Select,
    Table,
    and_,
    create_engine,
    event,
    func,
    make_url,
    select,
    true,
    update,
)
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from archive import schema
from archive.errors import ArchiveError
from archive.matrix import OutcomeMatrix
from archive.records import (
    Alarm,
    Call,
    Claim,
    Drop,
    Evaluation,
    Failure,
    Member,
    Opening,
    Program,
    Remark,
    Rollout,
    Run,
    Split,
    program_id,
)
from archive.schema import TABLES, Packed
from archive.statistics import interval_from_sums

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from types import TracebackType

    from sqlalchemy.engine import Connection

Record = (
    Run | Program | Member | Claim | Opening | Evaluation | Rollout | Drop | Failure | Alarm | Remark | Call
)
R = TypeVar("R", bound=Record)
Row = dict[str, Any]

FLUSH_ROWS = 500
"""Buffered rollouts and calls are written when there are this many,"""
FLUSH_SECONDS = 0.5
"""or when the oldest is this old: what a ``kill -9`` can lose."""


def default_path() -> str:
    """Return the archive to use by default: ``$ADAS_ARCHIVE``, else a file in the user's data folder."""
    from platformdirs import user_data_path

    return os.environ.get("ADAS_ARCHIVE") or str(user_data_path("adas") / "archive.db")


class Spent(NamedTuple):
    """What the uncached model calls of a run came to."""

    calls: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None
    """None when the price of any of them is unknown."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One evaluation in figures; all are computed from its rollouts when asked for."""

    evaluation: Evaluation
    name: str
    """Of the program."""
    n: int
    """Rollouts present; the evaluation is complete at ``evaluation.tasks``."""
    mean: float
    low: float
    """Lower end of the 95% interval of the mean (:func:`archive.statistics.mean_interval`)."""
    high: float
    calls: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None
    """None when the price of any rollout is unknown."""
    seconds: float


_SCORED, _CALLED = schema.rollouts.c, schema.calls.c
ROLLOUT_SUMS = (
    func.count(),
    func.sum(_SCORED.score),
    func.sum(_SCORED.score * _SCORED.score),
    func.sum(_SCORED.calls),
    func.sum(_SCORED.prompt_tokens),
    func.sum(_SCORED.completion_tokens),
    func.coalesce(func.sum(_SCORED.cost_usd), 0.0),
    func.count(_SCORED.cost_usd),
    func.sum(_SCORED.seconds),
)
"""What :func:`standing` is made of: number of rollouts; sums of score, squared score, calls, prompt and completion
tokens, and cost; number of those whose cost is known; sum of seconds."""
CALL_SUMS = (
    func.count(),
    func.coalesce(func.sum(_CALLED.prompt_tokens), 0),
    func.coalesce(func.sum(_CALLED.completion_tokens), 0),
    func.coalesce(func.sum(_CALLED.cost_usd), 0.0),
    func.count(_CALLED.cost_usd),
)
"""What :class:`Spent` is made of: number of calls; sums of prompt and completion tokens, and cost; number of those
whose cost is known."""


class Archive:
    """An append-only store of runs, programs, lineage, failures, evaluations, rollouts and model calls.

    Adding what is already there changes nothing, so that a search that was killed may add its last steps
    again; adding something else under the same key is refused. ``created``, when 0, is set to the present.

    Rollouts and calls are buffered and written in batches of :data:`FLUSH_ROWS`, at the latest after
    :data:`FLUSH_SECONDS`; everything else is written at once. Every reader of this object sees what was added
    before. Safe to use from many threads. Several processes may use one file.
    """

    def __init__(self, url_or_path: str | Path) -> None:
        """Open an archive, creating it (and its folder) when absent.

        Args:
            url_or_path: A SQLite file, or any SQLAlchemy URL (``postgresql+psycopg://...``).

        Raises:
            ArchiveError: It cannot be opened, is no archive, or comes from a newer version (it is left
                unchanged).
        """
        url = _url(url_or_path)
        self.name = url.database or "" if url.drivername.startswith("sqlite") else url.render_as_string()
        self._reader = _engine(url, self.name)
        self._writer = self._reader.execution_options(adas_write=True)
        self.dialect = self._reader.dialect.name
        """``sqlite`` or ``postgresql``."""
        self._writing = threading.RLock()
        self._buffering = threading.RLock()  # taken after _writing where both are held
        self._buffer: list[tuple[Record, Row]] = []
        self._tasks: dict[str, set[str]] = {}
        self._run_ids: set[str] = set()
        self._timer: threading.Timer | None = None
        self._trouble: ArchiveError | None = None
        self._clock = 0.0
        self._closed = False
        try:
            with self._guard():
                schema.prepare(self._reader, self._writer, self.name)
        except ArchiveError:
            self._reader.dispose()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Write what is buffered and close the database; idempotent.

        Raises:
            ArchiveError: The buffer could not be written; it is kept, and ``close`` may be tried again.
        """
        if self._closed:
            return
        self.flush()
        self._closed = True
        self._reader.dispose()

    # Adding

    def add_run(self, run: Run) -> None:
        """Add a run; neither its state nor its time of creation tells two runs of one id apart.

        Raises:
            ArchiveError: Another run has this id.
        """
        self.add_all([run])

    def set_run_state(self, run: str, state: Literal["running", "paused", "done"]) -> None:
        """Change the state of a run, the only thing in an archive that changes.

        Raises:
            ArchiveError: No such run.
        """
        self.flush()
        with self._write() as connection:
            changed = connection.execute(
                update(schema.runs).where(schema.runs.c.id == run).values(state=state)
            )
            if changed.rowcount != 1:
                raise ArchiveError(f"no run {run!r} in {self.name}")

    def add_program(self, program: Program) -> Program:
        """Add a program and return the one that the archive holds.

        A program is its code: when the code is there already, the first name, thought and origin stay.

        Raises:
            ArchiveError: The id is not the :func:`~archive.records.program_id` of the source.
        """
        self.add_all([program])
        return self.program(program.id)

    def add_member(self, member: Member) -> None:
        """Add a program's place in a run.

        Raises:
            ArchiveError: The run, the program or a parent is unknown, the program has another place in this
                run, or the place (generation and slot) is taken.
        """
        self.add_all([member])

    def add_failure(self, failure: Failure) -> None:
        """Add a failed proposal or repair step. Two failures that differ in anything but time are both kept.

        Raises:
            ArchiveError: The run is unknown.
        """
        self.add_all([failure])

    def add_drop(self, drop: Drop) -> None:
        """Add why an evaluation ends before its last task.

        Raises:
            ArchiveError: The evaluation is unknown, or was dropped for another reason.
        """
        self.add_all([drop])

    def add_alarm(self, alarm: Alarm) -> None:
        """Add an alarm; the same one again changes nothing.

        Raises:
            ArchiveError: The run is unknown.
        """
        self.add_all([alarm])

    def add_remark(self, remark: Remark) -> None:
        """Add what a person said of a program.

        Raises:
            ArchiveError: The run or the program is unknown.
        """
        self.add_all([remark])

    def add_evaluation(self, evaluation: Evaluation) -> None:
        """Add an evaluation; adding it again with more ``tasks`` raises the number it is asked to cover.

        Raises:
            ArchiveError: The run or program is unknown, or it is on the test split and the run did not open
                that for this program (:meth:`open_split`).
        """
        self.add_all([evaluation])

    def add_rollout(self, rollout: Rollout) -> None:
        """Add the outcome of one program on one task (buffered).

        When the task is already there, score, answer, failure, reason, calls, tokens and cost must be the
        same; the first timing and trace stay.

        Raises:
            ArchiveError: The evaluation is unknown, the score is not within 0 to 1, another outcome is there,
                or an earlier batch could not be written.
        """
        row = self._row(rollout)
        with self._buffering:
            self._raise_trouble()
            tasks = self._known_tasks(rollout.evaluation)
            if new := rollout.task not in tasks:
                tasks.add(rollout.task)
                self._keep(rollout, row)
        if not new:
            self.flush()
            with self._read() as connection:
                self._settle(connection, rollout)
        self._flush_if_full()

    def add_call(self, call: Call) -> None:
        """Add one model call to the ledger of a run (buffered). Calls that differ in anything are all kept.

        Raises:
            ArchiveError: The run is unknown, or an earlier batch could not be written.
        """
        row = self._row(call)
        with self._buffering:
            self._raise_trouble()
            self._check_run(call.run)
            self._keep(call, row)
        self._flush_if_full()

    def open_split(self, run: str, split: Split, programs: Iterable[str]) -> Opening:
        """Record that a run opens a split for some programs, and return the record.

        The test split is sealed: a run opens it once. The identical opening again (a resumed run) is allowed.

        Raises:
            ArchiveError: The run opened the test split for other programs before; or the run is unknown.
        """
        opening = Opening(run=run, split=split, programs=tuple(sorted(set(programs))))
        self.add_all([opening])
        return next(o for o in self.openings(run) if (o.split, o.programs) == (split, opening.programs))

    def add_all(self, records: Iterable[Record]) -> None:
        """Add records of any kind in one transaction: all of them, or none when one is refused.

        A record must come after those it names (see :data:`archive.schema.TABLES` for an order).

        Raises:
            ArchiveError: As for the single methods.
        """
        self.flush()
        with self._write() as connection:
            for kind, group in groupby(records, type):
                while chunk := list(islice(group, FLUSH_ROWS)):
                    if kind in (Rollout, Call):
                        self._insert(connection, [(record, self._row(record)) for record in chunk])
                        continue
                    for record in chunk:
                        self._add(connection, record)
        with self._buffering:
            self._tasks.clear()

    def flush(self) -> None:
        """Write buffered rollouts and calls.

        Raises:
            ArchiveError: They could not be written (they stay in the buffer), or one contradicts what another
                process wrote meanwhile.
        """
        self._raise_trouble()
        with self._writing:  # waits for a flush in progress: afterwards every reader sees its rows
            with self._buffering:
                batch, self._buffer = self._buffer, []
                if self._timer:
                    self._timer.cancel()
                    self._timer = None
            if not batch:
                return
            try:
                with self._write() as connection:
                    kept = self._store(connection, batch)
            except BaseException:
                with self._buffering:
                    self._buffer[:0] = batch
                raise
            if kept:
                with self._read() as connection:
                    for record in kept:
                        self._settle(connection, record)

    # Reading

    def run(self, run: str) -> Run:
        """Return a run by its id or an unambiguous beginning of it.

        Raises:
            ArchiveError: There is none, or several begin like this.
        """
        table = schema.runs
        found = self._select(Run, table.c.id == run) or self._select(Run, _starts(table.c.id, run))
        return self._only(found, "run", run)

    def runs(self) -> list[Run]:
        """Return all runs, oldest first."""
        return self._select(Run)

    def program(self, key: str) -> Program:
        """Return a program by its id, its name, or an unambiguous beginning of its id.

        Raises:
            ArchiveError: There is none, or several fit.
        """
        table = schema.programs
        for condition in (table.c.id == key, table.c.name == key, _starts(table.c.id, key)):
            if found := self._select(Program, condition):
                return self._only(found, "program", key)
        return self._only([], "program", key)

    def programs(self, run: str | None = None) -> list[Program]:
        """Return all programs, or those of one run, oldest first."""
        if run is None:
            return self._select(Program)
        member = schema.members.c
        return self._select(
            Program, schema.programs.c.id.in_(select(member.program).where(member.run == run))
        )

    def members(self, run: str | None = None) -> list[Member]:
        """Return the members of a run (or of all runs), by generation and slot."""
        return self._select(Member, _equal(schema.members, run=run))

    def claims(self, run: str | None = None, program: str | None = None) -> list[Claim]:
        """Return what was published of programs elsewhere, by run and row; ``program`` is a full id."""
        return self._select(Claim, _equal(schema.claims, run=run, program=program))

    def failures(self, run: str | None = None) -> list[Failure]:
        """Return the failures of a run (or of all runs), oldest first."""
        return self._select(Failure, _equal(schema.failures, run=run))

    def drops(self, run: str | None = None, program: str | None = None) -> list[Drop]:
        """Return which evaluations ended early, and why, oldest first; ``run`` and ``program`` are full ids."""
        evaluation = schema.evaluations
        fits = select(evaluation.c.id).where(_equal(evaluation, run=run, program=program))
        return self._select(Drop, schema.drops.c.evaluation.in_(fits))

    def alarms(self, run: str | None = None, program: str | None = None) -> list[Alarm]:
        """Return the alarms of a run (or of all runs), oldest first; ``program`` is a full id."""
        return self._select(Alarm, _equal(schema.alarms, run=run, program=program))

    def remarks(self, run: str | None = None, program: str | None = None) -> list[Remark]:
        """Return what people said of the programs of a run (or of all runs), oldest first; ``program`` is a full id."""
        return self._select(Remark, _equal(schema.remarks, run=run, program=program))

    def openings(self, run: str | None = None) -> list[Opening]:
        """Return which splits a run (or any run) opened, for which programs."""
        return self._select(Opening, _equal(schema.openings, run=run))

    def evaluations(
        self, run: str | None = None, program: str | None = None, split: Split | None = None
    ) -> list[Evaluation]:
        """Return the evaluations that fit, oldest first; ``run`` and ``program`` are full ids."""
        return self._select(Evaluation, _equal(schema.evaluations, run=run, program=program, split=split))

    def rollouts(self, evaluation: str) -> list[Rollout]:
        """Return the rollouts of an evaluation, in the order in which they were made."""
        return self._select(Rollout, schema.rollouts.c.evaluation == evaluation)

    def calls(self, run: str | None = None) -> list[Call]:
        """Return the model calls of a run (or of all runs), oldest first."""
        return self._select(Call, _equal(schema.calls, run=run))

    def spent(self, run: str) -> Spent:
        """Return what the uncached calls of a run came to."""
        call = schema.calls.c
        sums = select(*CALL_SUMS).where(call.run == run, call.cached.is_(False))
        n, prompt, completion, cost, priced = self.rows(sums)[0]
        return Spent(n, int(prompt), int(completion), float(cost) if priced == n else None)

    def matrix(self, evaluations: Sequence[Evaluation]) -> OutcomeMatrix:
        """Return the scores of evaluations on all their tasks.

        Raises:
            ArchiveError: They differ in domain, its version, or the scorer, so that their scores do not
                compare.
        """
        if len({(e.domain, e.domain_version, e.scorer) for e in evaluations}) > 1:
            raise ArchiveError(
                "these evaluations differ in domain, data version or scorer: their scores do not compare"
            )
        rollout = schema.rollouts.c
        cells: dict[str, dict[str, float]] = {e.id: {} for e in evaluations}
        wanted = select(rollout.evaluation, rollout.task, rollout.score).where(rollout.evaluation.in_(cells))
        for evaluation, task, score in self.rows(wanted):
            cells[evaluation][task] = score
        tasks = sorted({task for row in cells.values() for task in row})
        scores = tuple(tuple(cells[e.id].get(task) for task in tasks) for e in evaluations)
        return OutcomeMatrix(tuple(evaluations), tuple(tasks), scores)

    def standings(
        self,
        run: str | None = None,
        program: str | None = None,
        split: Split | None = None,
        domain: str | None = None,
    ) -> list[Standing]:
        """Return the evaluations that fit and have a rollout, each with its figures, oldest first."""
        fits = _equal(schema.evaluations, run=run, program=program, split=split, domain=domain)
        evaluation, rollout, one = schema.evaluations.c, schema.rollouts.c, schema.programs.c
        sums = (
            select(rollout.evaluation, *ROLLOUT_SUMS)
            .where(rollout.evaluation.in_(select(evaluation.id).where(fits)))
            .group_by(rollout.evaluation)
        )
        summed = {row[0]: tuple(row)[1:] for row in self.rows(sums)}
        theirs = one.id.in_(select(evaluation.program).where(fits))
        names = dict(map(tuple, self.rows(select(one.id, one.name).where(theirs)))) if summed else {}
        return [
            standing(e, names[e.program], *summed[e.id])
            for e in self._select(Evaluation, fits)
            if e.id in summed
        ]

    def best(
        self,
        run: str | None = None,
        domain: str | None = None,
        split: Split = "search",
        limit: int | None = None,
    ) -> list[Standing]:
        """Return evaluations on a split, best first.

        They are ranked by the lower end of the 95% interval, so that a few lucky tasks do not beat many good
        ones; then by mean, then by fewer tokens.
        """
        ranked = sorted(
            self.standings(run=run, domain=domain, split=split),
            key=lambda s: (-s.low, -s.mean, s.prompt_tokens + s.completion_tokens, s.evaluation.id),
        )
        return ranked[:limit]

    def rows(self, statement: Select[Any], *, fresh: bool = True) -> Sequence[Any]:
        """Return what a SELECT over the tables of :mod:`archive.schema` finds.

        Args:
            statement: What to look for.
            fresh: Commit what waits first, so that it is found too.
        """
        if fresh:
            self.flush()
        with self._read() as connection:
            return connection.execute(statement).all()

    # Inside

    def _row(self, record: Record) -> Row:
        """Return what is stored for a record, checked and stamped."""
        if isinstance(record, Rollout):
            _check(record)
        kind = type(record)
        row: Row = {name: getattr(record, name) for name in _FIELDS[kind]}
        if row.get("created") == 0:
            row["created"] = time.time() if kind is Rollout else self._now()
        if kind in (Failure, Alarm, Remark, Call):
            timed = kind in (Remark, Call)
            row["digest"] = _digest({k: v for k, v in row.items() if timed or k != "created"})
        for name, packed in _PACKED[kind]:
            row[name] = packed.pack(row[name])
        return row

    def _now(self) -> float:
        """Return the time, never the same twice: two equal calls at one moment are two calls."""
        with self._buffering:
            self._clock = max(time.time(), math.nextafter(self._clock, math.inf))
            return self._clock

    def _keep(self, record: Record, row: Row) -> None:
        self._buffer.append((record, row))
        if self._timer is None:
            self._timer = threading.Timer(
                FLUSH_SECONDS, self._flush_late
            )  # no daemon: runs before a normal exit
            self._timer.start()

    def _flush_late(self) -> None:
        try:
            self.flush()
        except ArchiveError as error:
            self._trouble = error  # for the next caller

    def _flush_if_full(self) -> None:
        if len(self._buffer) >= FLUSH_ROWS:
            self.flush()

    def _raise_trouble(self) -> None:
        if trouble := self._trouble:
            self._trouble = None
            raise trouble

    def _known_tasks(self, evaluation: str) -> set[str]:
        if evaluation not in self._tasks:
            held = schema.rollouts.c
            if not self.rows(
                select(schema.evaluations.c.id).where(schema.evaluations.c.id == evaluation), fresh=False
            ):
                raise ArchiveError(f"no evaluation {evaluation!r} in {self.name}: add it before its rollouts")
            rows = self.rows(select(held.task).where(held.evaluation == evaluation), fresh=False)
            self._tasks[evaluation] = {row[0] for row in rows}
        return self._tasks[evaluation]

    def _check_run(self, run: str) -> None:
        if run not in self._run_ids:
            if not self.rows(select(schema.runs.c.id).where(schema.runs.c.id == run), fresh=False):
                raise ArchiveError(f"no run {run!r} in {self.name}: add it before its calls")
            self._run_ids.add(run)

    def _add(self, connection: Connection, record: Record) -> None:
        """Add one record, or see that it is there already."""
        if isinstance(record, Program) and record.id != program_id(record.source):
            raise ArchiveError(
                f"program id {record.id!r} is not that of its source, {program_id(record.source)!r}"
            )
        if isinstance(record, Opening):
            record = replace(record, programs=tuple(sorted(set(record.programs))))
            self._check_seal(connection, record)
        if isinstance(record, Evaluation):
            self._check_opened(connection, record)
        if isinstance(record, Member):
            self._check_parents(connection, record)
        self._insert(connection, [(record, self._row(record))])
        if isinstance(record, Evaluation):
            table = schema.evaluations
            grown = and_(table.c.id == record.id, table.c.tasks < record.tasks)
            connection.execute(update(table).where(grown).values(tasks=record.tasks))

    def _check_seal(self, connection: Connection, opening: Opening) -> None:
        held = schema.openings.c
        before = select(held.programs).where(held.run == opening.run, held.split == opening.split)
        if opening.split == "test" and any(row[0] != opening.programs for row in connection.execute(before)):
            raise ArchiveError(
                f"run {opening.run!r} opened its test split before, for other programs: it is opened once"
            )

    def _check_opened(self, connection: Connection, evaluation: Evaluation) -> None:
        if evaluation.split != "test":
            return
        held = schema.openings.c
        opened = select(held.programs).where(held.run == evaluation.run, held.split == "test")
        if not any(evaluation.program in row[0] for row in connection.execute(opened)):
            raise ArchiveError(
                f"run {evaluation.run!r} did not open its sealed test split for program {evaluation.program}"
            )

    def _check_parents(self, connection: Connection, member: Member) -> None:
        if member.program in member.parents:
            raise ArchiveError(f"program {member.program} cannot be its own parent")
        one = schema.programs.c.id
        known = {row[0] for row in connection.execute(select(one).where(one.in_(member.parents)))}
        if unknown := set(member.parents) - known:
            raise ArchiveError(
                f"parents of {member.program} are not in {self.name}: {', '.join(sorted(unknown))}"
            )

    def _insert(self, connection: Connection, batch: list[tuple[Record, Row]]) -> None:
        """Insert records; raise when a different one is there under the same key."""
        for record in self._store(connection, batch):
            self._settle(connection, record)

    def _store(self, connection: Connection, batch: list[tuple[Record, Row]]) -> list[Record]:
        """Insert records that are not there yet; return those among which some were."""
        insert = _insert_for(connection.dialect.name)
        doubtful: list[Record] = []
        for kind in dict.fromkeys(type(record) for record, _ in batch):
            records = [record for record, _ in batch if type(record) is kind]
            rows = [row for record, row in batch if type(record) is kind]
            done = connection.execute(insert(TABLES[kind]).on_conflict_do_nothing(), rows)
            if done.rowcount != len(rows):
                doubtful += records
        return doubtful

    def _settle(self, connection: Connection, record: Record) -> None:
        """See that a record which was not inserted is there already, as far as it matters."""
        kind = type(record)
        table, what = TABLES[kind], kind.__name__.lower()
        if "digest" in table.c:
            return
        key = [column.name for column in table.primary_key]
        what = f"{what} {' '.join(repr(getattr(record, name)) for name in key)}"
        same_key = and_(*(table.c[name] == getattr(record, name) for name in key))
        row = connection.execute(_selection(kind).where(same_key)).first()
        if row is None:  # a member has a second key
            raise ArchiveError(f"{what}: its generation and slot are taken by another program")
        held = kind(**row._asdict())
        for name in _FIELDS[kind]:
            if name not in _MAY_DIFFER[kind] and _differ(getattr(held, name), getattr(record, name)):
                raise ArchiveError(f"{what} is there already with another {name}: an archive is append-only")

    def _select(self, kind: type[R], *conditions: ColumnElement[bool]) -> list[R]:
        return [kind(**row._asdict()) for row in self.rows(_selection(kind).where(*conditions))]

    def _only(self, found: list[R], what: str, key: str) -> R:
        if len(found) == 1:
            return found[0]
        if not found:
            raise ArchiveError(f"no {what} {key!r} in {self.name}")
        ids = ", ".join(str(getattr(record, "id", "")) for record in found[:5])
        raise ArchiveError(
            f"{len(found)} {what}s fit {key!r}: give one id of {ids}{', ...' * (len(found) > 5)}"
        )

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        with self._guard(), self._reader.begin() as connection:
            yield connection

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        with self._writing, self._guard(), self._writer.begin() as connection:
            yield connection

    @contextmanager
    def _guard(self) -> Iterator[None]:
        """Turn the database's errors into ours."""
        try:
            yield
        except (DBAPIError, PoolTimeoutError, OverflowError) as error:
            raise ArchiveError(f"{self.name}: {_explain(error)}") from error


_FIELDS = {kind: tuple(field.name for field in fields(kind)) for kind in TABLES}
_PACKED = {
    kind: [(column.name, column.type) for column in table.c if isinstance(column.type, Packed)]
    for kind, table in TABLES.items()
}

_MAY_DIFFER: dict[type, set[str]] = {
    Run: {"state", "created"},
    Program: {"source", "name", "thought", "origin", "created"},  # the id says that the source is the same
    Member: set(),
    Claim: set(),
    Opening: {"created"},
    Evaluation: {"tasks", "created"},
    Rollout: {"seconds", "cpu_seconds", "trace", "created"},
    Drop: {"created"},
}
"""Fields in which a record added again may differ from the one that is there."""

_ORDER: dict[type, tuple[str, ...]] = {
    Run: ("created", "id"),
    Program: ("created", "id"),
    Member: ("run", "generation", "slot"),
    Claim: ("run", "number", "what"),
    Opening: ("created", "run", "split"),
    Evaluation: ("created", "id"),
    Rollout: ("created", "task"),
    Drop: ("created", "evaluation"),
    Failure: ("created", "digest"),
    Alarm: ("created", "digest"),
    Remark: ("created", "digest"),
    Call: ("created", "digest"),
}

_ADVICE = {
    "database or disk is full": "the disk is full; free some space and resume (what was stored is safe)",
    "database is locked": "another process has been writing for too long; try again",
    "file is not a database": "not an archive; choose another path",
    "FOREIGN KEY constraint failed": "a record names a run, program or evaluation that is not there",
    "attempt to write a readonly database": "no permission to write; choose another path",
}


def _explain(error: DBAPIError | PoolTimeoutError | OverflowError) -> str:
    cause = str(error.orig) if isinstance(error, DBAPIError) else str(error)
    return _ADVICE.get(cause, cause.splitlines()[0] if cause else type(error).__name__)


def _url(url_or_path: str | Path) -> URL:
    if isinstance(url_or_path, str) and "://" in url_or_path:
        try:
            url = make_url(url_or_path)
        except ArgumentError:
            raise ArchiveError(
                "the archive's URL cannot be read: expected dialect://user:password@host/name"
            ) from None
    else:
        url = URL.create("sqlite", database=str(Path(url_or_path).expanduser()))
    if url.get_backend_name() == "sqlite":
        if url.database in (None, "", ":memory:"):
            raise ArchiveError("an archive needs a file: give a path")
        try:
            Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ArchiveError(f"no folder for the archive {url.database}: {error.strerror}") from error
    return url


def _engine(url: URL, name: str) -> Engine:
    """Return an engine; with the option ``adas_write`` its transactions begin with SQLite's write lock."""
    is_sqlite = url.get_backend_name() == "sqlite"
    try:
        engine = create_engine(url, pool_size=8, max_overflow=8, pool_timeout=120)
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise ArchiveError(f"{name}: no driver for {url.drivername}; pip install one ({error})") from error
    if is_sqlite:
        event.listen(engine, "connect", _on_connect)
        event.listen(engine, "begin", _on_begin)
    return engine


def _on_connect(connection: Any, _: object) -> None:
    connection.isolation_level = None  # we begin transactions ourselves, below
    for pragma in ("busy_timeout = 30000", "foreign_keys = ON", "synchronous = NORMAL"):
        connection.execute(f"PRAGMA {pragma}")


def _on_begin(connection: Connection) -> None:
    write = connection.get_execution_options().get("adas_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _insert_for(dialect: str) -> Callable[[Table], Any]:
    """Return the ``insert`` that knows ``on_conflict_do_nothing`` in a dialect."""
    if dialect == "sqlite":
        from sqlalchemy.dialects.sqlite import insert
    else:
        from sqlalchemy.dialects.postgresql import insert  # type: ignore[assignment]
    return insert


def _selection(kind: type) -> Select[Any]:
    table = TABLES[kind]
    return select(*(table.c[name] for name in _FIELDS[kind])).order_by(*(table.c[n] for n in _ORDER[kind]))


def _equal(table: Table, **values: str | None) -> ColumnElement[bool]:
    return and_(true(), *(table.c[name] == value for name, value in values.items() if value is not None))


def _starts(column: ColumnElement[str], beginning: str) -> ColumnElement[bool]:
    return column.startswith(beginning, autoescape=True)


def _differ(a: object, b: object) -> bool:
    """Compare as JSON sees it: tuples are lists, and the order of keys is nothing."""
    return a != b and _canonical(a) != _canonical(b)


def _digest(values: Row) -> str:
    return hashlib.sha256(_canonical(values)).hexdigest()[:32]


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _check(rollout: Rollout) -> None:
    if not 0 <= rollout.score <= 1:
        raise ArchiveError(f"score of task {rollout.task!r}: expected 0 to 1, got {rollout.score}")
    for name in ("cost_usd", "seconds", "cpu_seconds"):
        if not math.isfinite(getattr(rollout, name) or 0):
            raise ArchiveError(f"{name} of task {rollout.task!r}: expected a finite number")


def standing(evaluation: Evaluation, name: str, *figures: Any) -> Standing:
    """Return an evaluation in figures.

    Args:
        evaluation: Whose rollouts were summed.
        name: Of its program.
        figures: What :data:`ROLLOUT_SUMS` selects.
    """
    n, total, squares, calls, prompt, completion, cost, priced, seconds = figures
    mean = interval_from_sums(n, total, squares)
    return Standing(
        evaluation=evaluation,
        name=name,
        n=n,
        mean=mean.mean,
        low=mean.low,
        high=mean.high,
        calls=int(calls),
        prompt_tokens=int(prompt),
        completion_tokens=int(completion),
        cost_usd=cost if priced == n else None,
        seconds=seconds,
    )
