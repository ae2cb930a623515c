"""The pages: what each shows, read from the archive when it is asked for, a page at a time.

Figures come from an :class:`~archive.overview.Overview`; texts, traces and single outcomes are read for the page that
shows them. Nothing is written, unless the server was started to allow remarks.
"""

from __future__ import annotations

import json
import shlex
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from heapq import nsmallest
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

from fastapi import FastAPI, Form, Query, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from sqlalchemy import func, literal_column, select
from starlette.exceptions import HTTPException

from archive import report, schema
from archive.errors import ArchiveError
from archive.overview import Overview
from archive.records import Member, Remark, Rollout
from archive.views import UNITS, cost_a_task
from archive.web import charts, heat, text, tree
from archive.web.guard import LOOPBACK, Guard
from archive.web.templates import HERE, templates

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import ColumnElement

    from archive.archive import Archive, Standing
    from archive.overview import RunFigures
    from archive.records import Split

PAGE = 50
"""Rows of a table on one page."""
STEPS = 100
"""Steps of a rollout on one page."""
LONGEST_REMARK = 10_000
_PATIENCE_S = 0.3  # a first look that takes longer is waited for on a page of its own
_UNITS = tuple(UNITS)
_ORDERS = ("score", "mean", "generation", "name", "cost")


class LoadingError(Exception):
    """The archive is still being read for the first time."""


@dataclass(frozen=True)
class Page:
    """A part of a longer list."""

    number: int
    size: int
    total: int

    @property
    def last(self) -> int:
        """Return the number of the last page, from 1."""
        return max(1, -(-self.total // self.size))

    @property
    def start(self) -> int:
        """Return the position of its first row."""
        return (min(self.number, self.last) - 1) * self.size

    @property
    def end(self) -> int:
        """Return the position behind its last row."""
        return min(self.total, self.start + self.size)


class Desk:
    """What the pages are made of: the archive, its figures, and the templates."""

    def __init__(self, archive: Archive, *, allow_edit: bool) -> None:
        """Begin to read the archive, in a thread of its own."""
        self.archive = archive
        self.allow_edit = allow_edit
        self._overview = Overview(archive)
        self._reading = threading.Lock()
        self._read = threading.Event()
        self._templates = templates()
        self._templates.globals.update(allow_edit=allow_edit, archive_name=Path(archive.name).name)
        threading.Thread(target=self._read_first, daemon=True).start()

    def _read_first(self) -> None:
        with suppress(ArchiveError), self._reading:  # the first page tries again, and says why it failed
            self._overview.refresh()
        self._read.set()

    @contextmanager
    def look(self) -> Iterator[Overview]:
        """Yield the figures as they are now; they are ours until the end of the block.

        Raises:
            LoadingError: The archive is still being read for the first time.
        """
        if not self._read.wait(_PATIENCE_S):
            raise LoadingError
        with self._reading:
            self._overview.refresh()
            yield self._overview

    def page(self, template: str, **values: Any) -> HTMLResponse:
        """Return a page."""
        return HTMLResponse(self._templates.get_template(template).render(now=time.time(), **values))


def build_app(archive: Archive, *, allow_edit: bool = False, hosts: frozenset[str] = LOOPBACK) -> FastAPI:
    """Return the application.

    Args:
        archive: What it shows.
        allow_edit: Let people tag, note and pin programs; what they say is added to the archive.
        hosts: Values of the Host header that are answered.
    """
    app = FastAPI(title="adas archive", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(Guard, hosts=hosts)
    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
    desk = Desk(archive, allow_edit=allow_edit)
    _add_run_pages(app, desk)
    _add_program_pages(app, desk)
    _add_rollout_pages(app, desk)

    @app.exception_handler(LoadingError)
    def loading(_request: Request, _error: Exception) -> Response:
        answer = desk.page("loading.html")
        answer.status_code, answer.headers["Refresh"] = 503, "1"
        return answer

    @app.exception_handler(ArchiveError)
    def wrong(_request: Request, error: Exception) -> Response:
        return _wrong(desk, 404 if str(error).startswith("no ") else 409, str(error))

    @app.exception_handler(HTTPException)
    def missing(_request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return _wrong(desk, error.status_code, error.detail)

    return app


def _wrong(desk: Desk, status: int, words: str) -> Response:
    answer = desk.page("error.html", status=status, words=words)
    answer.status_code = status
    return answer


def _figures(overview: Overview, run: str) -> RunFigures:
    if run not in overview.runs:
        raise ArchiveError(f"no run {run!r} in this archive")
    return overview.runs[run]


def _one_of(value: str, allowed: tuple[str, ...]) -> str:
    return value if value in allowed else allowed[0]


def _split(value: str) -> Split:
    return cast("Split", _one_of(value, report.SPLITS))


Number = Annotated[int, Query(ge=1, le=1_000_000)]


def _add_run_pages(app: FastAPI, desk: Desk) -> None:  # noqa: C901
    archive = desk.archive

    def runs_page(template: str, number: int, seen: int = -1) -> Response:
        with desk.look() as overview:
            if overview.version == seen:
                return Response(status_code=204)
            runs = list(reversed(overview.runs.values()))
            page = Page(number, PAGE, len(runs))
            shown = [
                {
                    "figures": one,
                    "best": _surest(overview.standings(one.run.id, "search")),
                    "test": _surest(overview.standings(one.run.id, "test")),
                }
                for one in runs[page.start : page.end]
            ]
            return desk.page(template, rows=shown, page=page, version=overview.version, nav="runs")

    @app.get("/")
    def runs(page: Number = 1) -> Response:
        return runs_page("runs.html", page)

    @app.get("/live")
    def runs_live(page: Number = 1, seen: int = -1) -> Response:
        return runs_page("runs_live.html", page, seen)

    def run_page(template: str, run: str, split: str, unit: str, seen: int = -1) -> Response:
        with desk.look() as overview:
            if overview.version == seen:
                return Response(status_code=204)
            held = _figures(overview, run)
            standings = overview.standings(run, _split(split))
            unit = _one_of(unit, _UNITS)
            return desk.page(
                template,
                held=held,
                tab="overview",
                split=_split(split),
                splits=report.SPLITS,
                unit=unit,
                units=_UNITS,
                ranked=nsmallest(10, standings.values(), key=lambda s: (-s.low, -s.mean, s.evaluation.id)),
                test=sorted(overview.standings(run, "test").values(), key=lambda s: -s.mean),
                over_time=charts.over_time(list(held.members.values()), standings),
                against_cost=charts.against_cost(list(standings.values()), unit),
                latest=_latest(archive, overview, run),
                config=json.dumps(held.run.config, indent=2, sort_keys=True, ensure_ascii=False),
                alarms=archive.alarms(run)[:PAGE],
                openings=archive.openings(run),
                pinned=_pinned(archive.remarks()),
                names=overview.names,
                version=overview.version,
            )

    @app.get("/runs/{run}")
    def run_overview(run: str, split: str = "search", unit: str = "tokens") -> Response:
        return run_page("run.html", run, split, unit)

    @app.get("/runs/{run}/live")
    def run_live(run: str, split: str = "search", unit: str = "tokens", seen: int = -1) -> Response:
        return run_page("run_live.html", run, split, unit, seen)

    @app.get("/runs/{run}/lineage")
    def lineage(
        run: str, root: str = "", start: Annotated[int, Query(ge=0)] = 0, proposer: str = ""
    ) -> Response:
        with desk.look() as overview:
            held = _figures(overview, run)
            drawing = tree.draw(
                held.members, overview.names, overview.standings(run, "search"), root, start, proposer
            )
            return desk.page(
                "lineage.html",
                held=held,
                tab="lineage",
                drawing=drawing,
                root=root,
                start=start,
                step=tree.MOST_CHILDREN,
                proposer=proposer,
                proposers=held.proposers,
                trail=[(one, overview.names.get(one, "?")) for one in tree.path_to(held.members, root)],
                names=overview.names,
            )

    @app.get("/runs/{run}/programs")
    def programs(
        run: str,
        page: Number = 1,
        order: str = "score",
        split: str = "search",
        proposer: str = "",
        q: str = "",
    ) -> Response:
        with desk.look() as overview:
            held = _figures(overview, run)
            order, standings = _one_of(order, _ORDERS), overview.standings(run, _split(split))
            strangers = {one: Member(run, one, -1) for one in standings if one not in held.members}
            rows = [
                (member, overview.names[one], standings.get(one))
                for one, member in (held.members | strangers).items()
                if (not proposer or member.proposer == proposer)
                and (not q or q.casefold() in overview.names[one].casefold() or one.startswith(q))
            ]
            rows.sort(key=lambda row: _rank(order, row[0].generation, row[0].slot, row[1], row[2]))
            where = Page(page, PAGE, len(rows))
            return desk.page(
                "programs.html",
                held=held,
                tab="programs",
                rows=rows[where.start : where.end],
                page=where,
                order=order,
                orders=_ORDERS,
                split=_split(split),
                splits=report.SPLITS,
                proposer=proposer,
                proposers=held.proposers,
                q=q,
                names=overview.names,
            )

    @app.get("/runs/{run}/outcomes")
    def outcomes(
        run: str,
        page: Number = 1,
        split: str = "search",
        order: str = "score",
        columns: str = "difficulty",
        tasks: Annotated[int, Query(ge=0)] = 0,
    ) -> Response:
        with desk.look() as overview:
            held = _figures(overview, run)
            orders = ("score", "generation", "name", "cost", "cluster")
            order, columns = _one_of(order, orders), _one_of(columns, ("difficulty", "name", "cluster"))
            standings = list(overview.standings(run, _split(split)).values())
            places = {one: (m.generation, m.slot) for one, m in held.members.items()}
            standings.sort(key=lambda s: _rank(order, *places.get(s.evaluation.program, (-1, 0)), s.name, s))
            where = Page(page, heat.MOST_ROWS, len(standings))
            shown = standings[where.start : where.end]
            matrix = archive.matrix([one.evaluation for one in shown])
            return desk.page(
                "outcomes.html",
                held=held,
                tab="outcomes",
                heat=heat.heat(matrix, shown, order, columns, tasks) if shown else None,
                page=where,
                split=_split(split),
                splits=report.SPLITS,
                order=order,
                orders=orders,
                columns=columns,
                tasks=tasks,
                step=heat.MOST_COLUMNS,
            )

    @app.get("/runs/{run}/failures")
    def failures(run: str, page: Number = 1) -> Response:
        with desk.look() as overview:
            held = _figures(overview, run)
            failure = schema.failures
            where = Page(page, PAGE, held.failures)
            wanted = (
                select(failure)
                .where(failure.c.run == run)
                .order_by(failure.c.generation, failure.c.slot, failure.c.attempt, failure.c.digest)
            )
            stages = (
                select(failure.c.stage, func.count()).where(failure.c.run == run).group_by(failure.c.stage)
            )
            return desk.page(
                "failures.html",
                held=held,
                tab="failures",
                rows=archive.rows(wanted.limit(PAGE).offset(where.start)),
                stages=archive.rows(stages),
                page=where,
            )

    @app.get("/runs/{run}/calls")
    def calls(run: str, before: float = 0.0) -> Response:
        with desk.look() as overview:
            held = _figures(overview, run)
            call = schema.calls.c
            wanted = select(*(c for c in call if c.name not in ("request", "reply"))).where(call.run == run)
            if before:
                wanted = wanted.where(call.created < before)
            rows = archive.rows(wanted.order_by(call.created.desc()).limit(PAGE))
            return desk.page(
                "calls.html", held=held, tab="calls", rows=rows, before=before, more=len(rows) == PAGE
            )

    @app.get("/calls/{digest}")
    def call(digest: str) -> Response:
        found = archive.rows(select(schema.calls).where(schema.calls.c.digest == digest))
        if not found:
            raise ArchiveError(f"no call {digest!r} in this archive")
        with desk.look() as overview:
            held = _figures(overview, found[0].run)
            asked = _readable(found[0].request)
            return desk.page("call.html", held=held, tab="calls", call=found[0], asked=asked)


def _add_program_pages(app: FastAPI, desk: Desk) -> None:
    archive = desk.archive

    @app.get("/programs/{program}")
    def program(program: str, evaluation: str = "", page: Number = 1) -> Response:
        one = archive.program(program)
        with desk.look() as overview:
            standings = archive.standings(program=one.id)
            chosen = next((s for s in standings if s.evaluation.id == evaluation), None) or max(
                standings,
                key=lambda s: (s.evaluation.split == "search", s.n, s.evaluation.created),
                default=None,
            )
            where = Page(page, 300, chosen.n if chosen else 0)
            places = [
                (held.run, member) for held in overview.runs.values() if (member := held.members.get(one.id))
            ]
            parents = {parent: archive.program(parent) for _, m in places for parent in m.parents}
            run = places[0][0].id if places else standings[0].evaluation.run if standings else ""
            remarks = archive.remarks(program=one.id)
            return desk.page(
                "program.html",
                program=one,
                places=places,
                diffs=[(p, text.difference(p.source, one.source)) for p in parents.values()],
                standings=standings,
                chosen=chosen,
                outcomes=_outcomes(archive, chosen.evaluation.id, where) if chosen else [],
                page=where,
                reasons=_reasons(archive, chosen.evaluation.id) if chosen else [],
                drops=archive.drops(program=one.id),
                alarms=archive.alarms(program=one.id),
                claims=archive.claims(program=one.id),
                attempts=_attempts(archive, places[0][0].id, places[0][1].generation, places[0][1].slot)
                if places
                else [],
                children=_children(overview, one.id),
                names=overview.names,
                run=run,
                held=overview.runs.get(run),
                tags=_standing_tags(remarks),
                pinned=one.id in _pinned(remarks),
                remarks=remarks,
                deploy=f"adas deploy {one.id} --to agent --archive {shlex.quote(archive.name)}",
            )

    @app.get("/programs/{program}/card")
    def card(program: str, run: str = "") -> Response:
        one = archive.program(program)
        with desk.look() as overview:
            held = overview.runs.get(run)
            standings = archive.standings(run=run or None, program=one.id)
            return desk.page(
                "card.html",
                program=one,
                member=held.members.get(one.id) if held else None,
                standings=standings,
            )

    @app.post("/programs/{program}/remarks")
    def remark(
        program: str,
        run: Annotated[str, Form()],
        kind: Annotated[str, Form()],
        words: Annotated[str, Form()] = "",
    ) -> Response:
        if not desk.allow_edit:
            raise HTTPException(
                403, "This server only reads: start it with --allow-edit to tag, note and pin."
            )
        words = words.strip()[:LONGEST_REMARK]
        if kind not in ("tag", "untag", "note", "pin", "unpin") or (
            not words and kind not in ("pin", "unpin")
        ):
            raise HTTPException(422, "A remark is a tag, a note or a pin; a tag and a note need words.")
        one = archive.program(program)
        archive.add_remark(Remark(run, one.id, cast("Any", kind), words))
        return RedirectResponse(f"/programs/{one.id}", 303)

    @app.get("/compare")
    def compare(a: str = "", b: str = "", q: str = "") -> Response:
        with desk.look() as overview:
            first = archive.program(a) if a else None
            second = archive.program(b) if b else None
            rows = report.comparison_rows(archive, first.id, second.id) if first and second else []
            return desk.page(
                "compare.html",
                nav="compare",
                first=first,
                second=second,
                rows=rows,
                diff=text.difference(second.source, first.source) if first and second else [],
                found=_matching(overview, q),
                q=q,
                most=PAGE * 4,
            )

    @app.get("/search")
    def search(q: str = "") -> Response:
        with desk.look() as overview:
            found = _matching(overview, q)
            runs = [held for run, held in overview.runs.items() if q and run.startswith(q)]
            if len(found) == 1 and not runs:
                return RedirectResponse(f"/programs/{found[0][0]}", 303)
            return desk.page("search.html", nav="search", q=q, found=found, runs=runs[:PAGE])


def _add_rollout_pages(app: FastAPI, desk: Desk) -> None:
    archive = desk.archive

    @app.get("/rollouts/{evaluation}")
    def rollout(evaluation: str, task: str, q: str = "", page: Number = 1) -> Response:
        one = _rollout(archive, evaluation, task)
        steps = [
            (number, step)
            for number, step in enumerate(one.trace, 1)
            if not q or q.casefold() in json.dumps(step, ensure_ascii=False).casefold()
        ]
        where = Page(page, STEPS, len(steps))
        with desk.look() as overview:
            held = next(run for run in overview.runs.values() if evaluation in run.evaluations)
            conditions = held.evaluations[evaluation]
            return desk.page(
                "rollout.html",
                rollout=one,
                held=held,
                evaluation=conditions,
                name=overview.names[conditions.program],
                steps=[
                    (number, _kind(step), _fields(step)) for number, step in steps[where.start : where.end]
                ],
                page=where,
                q=q,
                others=_neighbours(archive, evaluation, task),
            )

    @app.get("/rollouts/{evaluation}/raw")
    def raw(evaluation: str, task: str, field: str, step: int = 0) -> Response:
        one = _rollout(archive, evaluation, task)
        holder: dict[str, Any] = one.trace[step - 1] if 0 < step <= len(one.trace) else asdict(one)
        value = holder.get(field, "")
        words = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
        return PlainTextResponse(words.encode("utf-8", "backslashreplace"))


def _surest(standings: dict[str, Standing]) -> Standing | None:
    """Return the standing whose interval begins highest."""
    return max(standings.values(), key=lambda one: one.low, default=None)


def _rank(order: str, generation: int, slot: int, name: str, held: Standing | None) -> tuple[Any, ...]:
    """Return what sorts programs: the best, the first, or the cheapest comes first; unmeasured ones come last."""
    if order == "generation":
        return (generation, slot)
    if order == "name":
        return (name.casefold(), generation, slot)
    if held is None:
        return (1, generation, slot)
    if order == "cost":
        return (0, cost_a_task(held, "tokens"), generation, slot)
    return (0, -(held.mean if order == "mean" else held.low), -held.mean, generation, slot)


def _latest(archive: Archive, overview: Overview, run: str) -> list[Any]:
    """Return the last rollouts of a run, newest first."""
    rollout = schema.rollouts.c
    newest: ColumnElement[Any] = (
        literal_column("rollouts.rowid") if archive.dialect == "sqlite" else rollout.created
    )
    window = (
        select(
            rollout.evaluation, rollout.task, rollout.score, rollout.failure, rollout.created, rollout.seconds
        )
        .order_by(newest.desc())
        .limit(200)
    )
    evaluations = overview.runs[run].evaluations
    rows = [row for row in archive.rows(window) if row.evaluation in evaluations]
    return [(row, overview.names[evaluations[row.evaluation].program]) for row in rows[:12]]


def _outcomes(archive: Archive, evaluation: str, page: Page) -> list[Any]:
    held = schema.rollouts.c
    wanted = (held.task, held.score, held.failure, held.calls, held.prompt_tokens, held.completion_tokens)
    more = (held.cost_usd, held.seconds)
    one = select(*wanted, *more).where(held.evaluation == evaluation).order_by(held.task)
    return list(archive.rows(one.limit(page.size).offset(page.start)))


def _reasons(archive: Archive, evaluation: str) -> list[Any]:
    held = schema.rollouts.c
    counts = (
        select(held.failure, func.count().label("times"))
        .where(held.evaluation == evaluation, held.failure != "")
        .group_by(held.failure)
        .order_by(func.count().desc())
        .limit(10)
    )
    return list(archive.rows(counts))


def _attempts(archive: Archive, run: str, generation: int, slot: int) -> list[Any]:
    """Return what failed on the way to a program."""
    held = schema.failures
    same = (held.c.run == run, held.c.generation == generation, held.c.slot == slot)
    return list(archive.rows(select(held).where(*same).order_by(held.c.attempt).limit(PAGE)))


def _children(overview: Overview, program: str) -> list[str]:
    found = (
        m.program for held in overview.runs.values() for m in held.members.values() if program in m.parents
    )
    return list(dict.fromkeys(found))[:PAGE]


def _standing_tags(remarks: list[Remark]) -> list[str]:
    tags: dict[str, None] = {}
    for one in remarks:
        if one.kind == "tag":
            tags[one.text] = None
        elif one.kind == "untag":
            tags.pop(one.text, None)
    return list(tags)


def _pinned(remarks: list[Remark]) -> set[str]:
    """Return the programs that were pinned and not unpinned since."""
    last = {one.program: one.kind for one in remarks if one.kind in ("pin", "unpin")}
    return {program for program, kind in last.items() if kind == "pin"}


def _matching(overview: Overview, q: str) -> list[tuple[str, str]]:
    """Return programs whose name holds what was asked, or whose id begins with it."""
    if not q:
        return []
    asked = q.casefold()
    found = ((i, name) for i, name in overview.names.items() if asked in name.casefold() or i.startswith(q))
    return [pair for pair, _ in zip(found, range(PAGE), strict=False)]


def _rollout(archive: Archive, evaluation: str, task: str) -> Rollout:
    held = schema.rollouts
    rows = archive.rows(select(held).where(held.c.evaluation == evaluation, held.c.task == task))
    if not rows:
        raise ArchiveError(f"no rollout of evaluation {evaluation!r} on task {task!r} in this archive")
    return Rollout(**rows[0]._asdict())


def _neighbours(archive: Archive, evaluation: str, task: str) -> tuple[str, str]:
    """Return the tasks before and after one, by name; empty at the ends."""
    held = schema.rollouts.c
    same = held.evaluation == evaluation
    before = archive.rows(select(func.max(held.task)).where(same, held.task < task))[0][0]
    after = archive.rows(select(func.min(held.task)).where(same, held.task > task))[0][0]
    return before or "", after or ""


def _kind(step: dict[str, Any]) -> str:
    return str(step.get("op") or step.get("event") or "step")


def _fields(step: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """Return the fields of a step as (name, text, whether it is long)."""
    found = []
    for name, value in step.items():
        if name in ("op", "event") or value in ("", None):
            continue
        words = value if isinstance(value, str) else json.dumps(value, indent=1, ensure_ascii=False)
        found.append(
            (name, words, isinstance(value, str | list | dict) and (len(words) > 60 or "\n" in words))
        )
    return found


def _readable(request: str) -> str:
    """Return a request with its JSON set out, where it is JSON."""
    try:
        return json.dumps(json.loads(request), indent=2, ensure_ascii=False)
    except ValueError:
        return request
