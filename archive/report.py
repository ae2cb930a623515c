"""What an archive looks like: as plain rows (for JSON and any other viewer) and, from those, in a terminal.

Names, thoughts and code were written by models: before they reach a terminal, :func:`printable` takes out
whatever could steer it.
"""

from __future__ import annotations

import difflib
import time
import unicodedata
from collections import Counter
from dataclasses import asdict
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from archive import lineage
from archive.statistics import paired

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import RenderableType
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text
    from rich.tree import Tree

    from archive.archive import Archive, Standing
    from archive.ranking import Ranked
    from archive.records import Claim, Evaluation, Program, Split

Row = dict[str, Any]

_LONG = ("agent", "from", "domain", "reason")
_FIGURES = {"shrunken": "corrected", "best": "P(best)", "wins": "wins", "mixture": "minimax"}

LONGEST = 20_000
"""Characters of one text that a terminal shows."""
_NAMED_TASKS = 10

SPLITS: tuple[Split, ...] = ("search", "selection", "test")


def run_rows(archive: Archive) -> list[Row]:
    """Return one row a run, oldest first, with its counts and what its uncached model calls came to."""
    rows = []
    for run in archive.runs():
        spent = archive.spent(run.id)
        rows.append(
            {
                "run": run.id,
                "kind": run.kind,
                "domain": run.domain,
                "state": run.state,
                "created": run.created,
                "programs": len(archive.members(run.id)),
                "failures": len(archive.failures(run.id)),
                "calls": spent.calls,
                "prompt_tokens": spent.prompt_tokens,
                "completion_tokens": spent.completion_tokens,
                "cost_usd": spent.cost_usd,
            }
        )
    return rows


def program_rows(archive: Archive, run: str) -> list[Row]:
    """Return one row a member of a run, by generation and slot, with a standing (or None) for each split."""
    programs = {program.id: program for program in archive.programs(run)}
    standings = {(s.evaluation.program, s.evaluation.split): s for s in archive.standings(run=run)}
    claims = archive.claims(run)
    rows = []
    for member in archive.members(run):
        program = programs[member.program]
        row: Row = {
            "program": program.id,
            "name": program.name,
            "origin": program.origin,
            "thought": program.thought,
            "generation": member.generation,
            "slot": member.slot,
            "parents": list(member.parents),
            "repairs": member.repairs,
            "proposer": member.proposer,
            "claims": [claim_row(claim) for claim in claims if claim.program == program.id],
        }
        for split in SPLITS:
            standing = standings.get((program.id, split))
            row[split] = standing_row(standing) if standing else None
        rows.append(row)
    return rows


def claim_row(claim: Claim) -> Row:
    """Return what was published of a program: claimed by others, not measured here."""
    return {
        "run": claim.run,
        "row": claim.number,
        "what": claim.what,
        "text": claim.text,
        "point": claim.point,
        "low": claim.low,
        "high": claim.high,
    }


def failure_rows(archive: Archive, run: str) -> list[Row]:
    """Return one row a failed attempt of a run, in the order they happened."""
    return [
        {
            "generation": failure.generation,
            "slot": failure.slot,
            "attempt": failure.attempt,
            "stage": failure.stage,
            "reason": failure.reason,
            "source": failure.source,
            "created": failure.created,
        }
        for failure in archive.failures(run)
    ]


def standing_row(standing: Standing) -> Row:
    """Return an evaluation and its figures as one flat row; calls, tokens and seconds are sums."""
    evaluation = standing.evaluation
    return {
        "program": evaluation.program,
        "name": standing.name,
        "run": evaluation.run,
        "evaluation": evaluation.id,
        "domain": evaluation.domain,
        "domain_version": evaluation.domain_version,
        "split": evaluation.split,
        "model": evaluation.model,
        "seed": evaluation.seed,
        "scorer": evaluation.scorer,
        "n": standing.n,
        "tasks": evaluation.tasks,
        "mean": standing.mean,
        "low": standing.low,
        "high": standing.high,
        "calls": standing.calls,
        "prompt_tokens": standing.prompt_tokens,
        "completion_tokens": standing.completion_tokens,
        "cost_usd": standing.cost_usd,
        "seconds": standing.seconds,
    }


def program_sheet(archive: Archive, key: str) -> Row:
    """Return all that is known of one program: code, thought, places in runs, evaluations, and how it failed.

    Raises:
        ArchiveError: As :meth:`archive.archive.Archive.program`.
    """
    program = archive.program(key)
    names = {one.id: one.name for one in archive.programs()}
    evaluations = archive.evaluations(program=program.id)
    reasons = Counter(r.failure for e in evaluations for r in archive.rollouts(e.id) if r.failure)
    return {
        "program": program.id,
        "name": program.name,
        "origin": program.origin,
        "created": program.created,
        "thought": program.thought,
        "source": program.source,
        "members": [
            {
                "run": member.run,
                "generation": member.generation,
                "slot": member.slot,
                "parents": [{"program": p, "name": names.get(p, "?")} for p in member.parents],
                "repairs": member.repairs,
                "proposer": member.proposer,
                "diff": member.diff,
            }
            for member in archive.members()
            if member.program == program.id
        ],
        "evaluations": [standing_row(s) for s in archive.standings(program=program.id)],
        "drops": [asdict(drop) for drop in archive.drops(program=program.id)],
        "alarms": [asdict(alarm) for alarm in archive.alarms(program=program.id)],
        "claims": [claim_row(claim) for claim in archive.claims(program=program.id)],
        "failures": [{"failure": text, "rollouts": count} for text, count in reasons.most_common()],
    }


def comparison_rows(archive: Archive, first: str, second: str, run: str | None = None) -> list[Row]:
    """Return one paired comparison for each set of conditions under which both programs were measured.

    Conditions are domain and version, split, scorer and model. Where a program was measured more than once
    under them, two evaluations of one run are preferred, then the latest. Only shared tasks count.

    Args:
        archive: Where to look.
        first: Program id.
        second: Program id; the difference is the first minus the second.
        run: Look at this run only.
    """
    rows = []
    ours, theirs = _by_conditions(archive, first, run), _by_conditions(archive, second, run)
    for conditions in ours:
        if conditions not in theirs:
            continue
        a, b = max(
            ((a, b) for a in ours[conditions] for b in theirs[conditions]),
            key=lambda pair: (pair[0].run == pair[1].run, min(pair[0].created, pair[1].created)),
        )
        matrix = archive.matrix([a, b])
        scores = matrix.paired(a.id, b.id)
        if not scores[0]:
            continue
        result, solved, other = paired(*scores), matrix.row(a.id), matrix.row(b.id)
        shared = [task for task in matrix.tasks if task in solved and task in other]
        rows.append(
            {
                "domain": a.domain,
                "split": a.split,
                "model": a.model,
                "evaluations": [a.id, b.id],
                "n": result.n,
                "first": result.first,
                "second": result.second,
                "difference": result.difference,
                "low": result.low,
                "high": result.high,
                "p": result.p,
                "test": result.test,
                "won": [task for task in shared if solved[task] > other[task]],
                "lost": [task for task in shared if solved[task] < other[task]],
            }
        )
    return rows


def _by_conditions(
    archive: Archive, program: str, run: str | None
) -> dict[tuple[str, ...], list[Evaluation]]:
    found: dict[tuple[str, ...], list[Evaluation]] = {}
    for e in archive.evaluations(run=run, program=program):
        found.setdefault((e.domain, e.domain_version, e.split, e.scorer, e.model), []).append(e)
    return found


def printable(text: str) -> str:
    """Return text without what could steer a terminal or break its output: such characters become escapes."""
    return "\n".join(line if line.isprintable() else _escaped(line) for line in text.split("\n"))


def _escaped(line: str) -> str:
    unsafe = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    return "".join(c if c == "\t" or unicodedata.category(c) not in unsafe else ascii(c)[1:-1] for c in line)


def clipped(text: str) -> str:
    """Return :func:`printable` text, cut after :data:`LONGEST` characters with a word on how many are missing."""
    more = len(text) - LONGEST
    return printable(text[:LONGEST]) + (
        f" ... ({more:,} characters more; --json has all)" if more > 0 else ""
    )


def run_table(rows: Sequence[Row]) -> Table:
    """Return :func:`run_rows` as a table."""
    table = _table("run", "kind", "domain", "state", "since", right=("agents", "failed", "calls", "tokens"))
    for row in rows:
        since = time.strftime("%b %d %H:%M", time.localtime(row["created"]))
        tokens = row["prompt_tokens"] + row["completion_tokens"]
        counts = (row["programs"], row["failures"], row["calls"], tokens)
        table.add_row(
            _text(row["run"]),
            row["kind"],
            _text(row["domain"]),
            row["state"],
            since,
            *(f"{n:,}" for n in counts),
        )
    return table


def program_table(rows: Sequence[Row]) -> Table:
    """Return :func:`program_rows` as a table, with the first two kinds of claims."""
    names = {row["program"]: row["name"] for row in rows}
    splits = [split for split in SPLITS if any(row[split] for row in rows)]
    claimed = list(dict.fromkeys(claim["what"] for row in rows for claim in row["claims"]))[:2]
    table = _table(
        "gen", "agent", "from", right=[*splits, *(f"claimed {printable(what)}" for what in claimed)]
    )
    for row in rows:
        parents = ", ".join(names.get(parent, parent[:8]) for parent in row["parents"])
        table.add_row(
            str(row["generation"]),
            _agent(row),
            _text(parents),
            *(_score(row[split]) for split in splits),
            *(_claimed(row["claims"], what) for what in claimed),
        )
    return table


def failure_table(rows: Sequence[Row]) -> Table:
    """Return :func:`failure_rows` as a table."""
    table = _table("gen", "slot", "attempt", "stage", "reason")
    for row in rows:
        place = (str(row[name]) for name in ("generation", "slot", "attempt", "stage"))
        table.add_row(*place, _text(row["reason"].strip()))
    return table


def failure_line(rows: Sequence[Row]) -> str:
    """Return in one line how many attempts failed, and at which stage."""
    stages = Counter(row["stage"] for row in rows)
    return f"{len(rows)} failed attempts: " + ", ".join(f"{n} {stage}" for stage, n in stages.most_common())


def ranked_row(ranked: Ranked) -> Row:
    """Return a standing and what it is ranked by as one flat row."""
    return {**standing_row(ranked.standing), "front": ranked.front, **ranked.figures}


def standing_table(rows: Sequence[Row]) -> Table:
    """Return :func:`ranked_row` rows as a ranking; calls, tokens and seconds are those of one task.

    A star marks the Pareto front: no other program is as accurate for fewer tokens.
    """
    costs = any(row["cost_usd"] for row in rows)
    figures = [name for name in _FIGURES if any(name in row for row in rows)]
    table = _table("", "agent", right=[*(_FIGURES[name] for name in figures), *_figure_titles(costs), ""])
    for rank, row in enumerate(rows, 1):
        by = [f"{row[name]:.1%}" for name in figures]
        table.add_row(str(rank), _agent(row), *by, *_figures(row, costs), "*" if row.get("front") else "")
    return table


def split_table(rows: Sequence[Row]) -> Table:
    """Return :func:`standing_row` rows of one program as a table, one line a split."""
    costs = any(row["cost_usd"] for row in rows)
    table = _table("split", right=_figure_titles(costs))
    for row in rows:
        table.add_row(row["split"], *_figures(row, costs))
    return table


def comparison_lines(rows: Iterable[Row], first: str, second: str) -> Iterable[Text]:
    """Yield :func:`comparison_rows` in words."""
    from rich.text import Text

    a, b = clipped(first), clipped(second)
    for row in rows:
        yield Text(
            printable(f"{row['domain']}, {row['split']} split, {row['model']}: {row['n']} shared tasks"),
            "bold",
        )
        yield Text(f"  {a} {row['first']:.1%}, {b} {row['second']:.1%}")
        yield Text(
            f"  difference {row['difference']:+.1%} (95% interval {row['low']:+.1%} to {row['high']:+.1%}), "
            f"{row['test']} p = {row['p']:.3g}"
        )
        for name, won in ((a, row["won"]), (b, row["lost"])):
            more = ", ..." if len(won) > _NAMED_TASKS else ""
            named = f": {', '.join(won[:_NAMED_TASKS])}{more}" if won else ""
            yield Text(f"  {name} did better on {len(won)} tasks{clipped(named)}")


def difference_view(old: Program, new: Program) -> Iterable[RenderableType]:
    """Yield the unified difference of two programs, up to :data:`LONGEST` characters of each source."""
    before, after = (printable(one.source[:LONGEST]).splitlines() for one in (old, new))
    lines = difflib.unified_diff(before, after, printable(old.name), printable(new.name), lineterm="")
    yield _code("\n".join(lines), "diff")


def program_view(sheet: Row) -> Iterable[RenderableType]:
    """Yield :func:`program_sheet` piece by piece: thought, code, parents, diffs, evaluations, failures."""
    from rich.text import Text

    yield Text.assemble(
        (printable(sheet["name"]), "bold"), (f"  {sheet['program']}  {sheet['origin']}", "dim")
    )
    if sheet["thought"]:
        yield Text(clipped(sheet["thought"]))
    yield _code(sheet["source"], "python")
    for member in sheet["members"]:
        parents = ", ".join(f"{parent['name']} ({parent['program'][:8]})" for parent in member["parents"])
        line = f"run {member['run']}, generation {member['generation']}, slot {member['slot']}"
        yield Text(printable(line + (f", from {parents}" if parents else "")))
        if member["diff"]:
            yield _code(member["diff"], "diff")
    conditions = itemgetter("domain", "model", "run")
    for (domain, model, run), group in groupby(sorted(sheet["evaluations"], key=conditions), conditions):
        yield Text(printable(f"\n{domain}, {model}, run {run}"), "bold")
        rows = list(group)
        yield split_table(rows)
        here = {row["evaluation"] for row in rows}
        for drop in sheet["drops"]:
            if drop["evaluation"] in here:
                yield Text(printable(f"dropped: {drop['reason']} (at a risk of {drop['risk']:.0%})"))
    for kind, alarms in groupby(sheet["alarms"], itemgetter("kind")):
        first, *others = [alarm["words"] for alarm in alarms]
        more = f", and {len(others)} more" if others else ""
        yield Text(clipped(f"\nALARM ({kind}): {first}{more}"), "bold red")
    if sheet["claims"]:
        yield Text("\nclaimed where it was published, not measured here", "bold")
    for claim in sheet["claims"]:
        yield Text(clipped(f"{claim['what']}: {claim['text']} (run {claim['run']}, row {claim['row']})"))
    for failure in sheet["failures"]:
        yield Text(clipped(f"{failure['rollouts']} rollouts failed: {failure['failure'].strip()}"), "red")


def lineage_tree(archive: Archive, run: str) -> Tree:
    """Return the lineage of a run as a tree: each program under its first parent, with its search score."""
    from rich.text import Text
    from rich.tree import Tree

    graph = lineage.graph(archive.members(run), archive.programs())
    below = lineage.branches(graph)
    scores = {s.evaluation.program: s for s in archive.standings(run=run, split="search")}
    root = Tree(Text(printable(f"run {run}")), guide_style="dim")
    pending = [(root, one) for one in reversed(below[""])]
    while pending:
        branch, one = pending.pop()
        node = graph.nodes[one]
        label = _agent({"name": node["name"], "program": one})
        if standing := scores.get(one):
            label.append(f"  {standing.mean:.1%}", "green")
            label.append(f" of {standing.n}", "dim")
        if len(node["parents"]) > 1:
            others = ", ".join(graph.nodes[parent]["name"] for parent in node["parents"][1:])
            label.append(f"  + {printable(others)}", "dim")
        leaf = branch.add(label)
        pending += [(leaf, child) for child in reversed(below.get(one, []))]
    return root


def _table(*left: str, right: Sequence[str] = ()) -> Table:
    """Return an empty table; when the terminal is narrow, words wrap and figures stay whole."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold dim")
    for title in left:
        table.add_column(title, overflow="fold", no_wrap=title not in _LONG)
    for title in right:
        table.add_column(title, justify="right", no_wrap=True)
    return table


def _text(text: str) -> Text:
    """Return model-written text as it is, never read as markup."""
    from rich.text import Text

    return Text(clipped(text))


def _code(source: str, language: str) -> Padding:
    from rich.padding import Padding
    from rich.syntax import Syntax

    drawn = Syntax(
        clipped(source.rstrip()), language, theme="ansi_dark", background_color="default", word_wrap=True
    )
    return Padding(drawn, (1, 2))


def _agent(row: Row) -> Text:
    return _text(row["name"]).append(f" {row['program'][:8]}", "dim")


def _figure_titles(costs: bool) -> list[str]:
    return ["solved", "95% interval", "tasks", "calls", "tokens", "sec", *(["cost"] if costs else [])]


def _figures(row: Row, costs: bool) -> list[str]:
    n = row["n"]
    return [
        f"{row['mean']:.1%}",
        f"{row['low']:.1%} to {row['high']:.1%}",
        str(n) if n == row["tasks"] else f"{n}/{row['tasks']}",
        f"{row['calls'] / n:.1f}",
        f"{(row['prompt_tokens'] + row['completion_tokens']) / n:,.0f}",
        f"{row['seconds'] / n:.1f}",
        *([_cost(row["cost_usd"])] if costs else []),
    ]


def _cost(cost: float | None) -> str:
    return "?" if cost is None else f"${cost:.2f}"


def _claimed(claims: Sequence[Row], what: str) -> Text:
    """Return every claim of one name; a text that gives no figure is shown as it is."""
    shown = [
        claim["text"] if claim["point"] is None else f"{claim['point']:.1%}"
        for claim in claims
        if claim["what"] == what
    ]
    return _text(", ".join(shown))


def _score(standing: Row | None) -> Text:
    if standing is None:
        return _text("")
    return _text(f"{standing['mean']:.1%}").append(f" of {standing['n']}", "dim")
