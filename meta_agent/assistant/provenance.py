"""Where an agent comes from and what was measured of it, as the archive knows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from archive import lineage, report

if TYPE_CHECKING:
    from archive import Archive


def score_card(archive: Archive, program: str) -> dict[str, Any]:
    """Return what was measured of a program: its standings, and how it met the others on sealed tests.

    Args:
        archive: where to look.
        program: full id.
    """
    names = {one.id: one.name for one in archive.programs()}
    sealed = [
        {"run": opening.run, "against": names[other], **_paired(row)}
        for opening in archive.openings()
        if opening.split == "test" and program in opening.programs
        for other in opening.programs
        if other != program
        for row in report.comparison_rows(archive, program, other, opening.run)
        if row["split"] == "test"
    ]
    standings = [report.standing_row(standing) for standing in archive.standings(program=program)]
    return {"program": program, "name": names[program], "standings": standings, "sealed_tests": sealed}


def ancestry(archive: Archive, program: str) -> list[dict[str, Any]]:
    """Return a program and all it descends from, oldest first, with who wrote each and why; its last run's lineage."""
    places = [member for member in archive.members() if member.program == program]
    if not places:
        return []
    run = places[-1].run
    members = {member.program: member for member in archive.members(run)}
    programs = {one.id: one for one in archive.programs()}
    graph = lineage.graph(members.values(), programs.values())
    return [
        {
            "program": one,
            "name": programs[one].name,
            "thought": programs[one].thought,
            "origin": programs[one].origin,
            "run": run,
            "generation": members[one].generation if one in members else None,
            "proposer": members[one].proposer if one in members else "",
            "parents": list(members[one].parents) if one in members else [],
        }
        for one in (*lineage.ancestors(graph, program), program)
        if one in programs
    ]


def lines(card: dict[str, Any]) -> list[str]:
    """Return a score card in words, one line a finding."""
    said = [
        f"{row['domain']}, {row['split']}: {row['mean']:.1%} of {row['n']} tasks (95% {row['low']:.1%} to "
        f"{row['high']:.1%}) on {row['model']}, {row['calls'] / row['n']:.1f} calls a task"
        for row in card["standings"]
    ]
    said += [
        f"sealed test of run {row['run']} against {row['against']}: {row['difference']:+.1%} (95% {row['low']:+.1%} to "
        f"{row['high']:+.1%}), p = {row['p']:.3f}, {row['n']} tasks"
        for row in card["sealed_tests"]
    ]
    return said or ["nothing was measured of it"]


def _paired(row: dict[str, Any]) -> dict[str, Any]:
    return {key: row[key] for key in ("domain", "model", "n", "difference", "low", "high", "p", "test")}
