"""Runs as folders laid out like those of Weights & Biases, for whatever plots such folders; no account, no network.

``run-ID/files/`` holds ``config.yaml`` (the settings), ``wandb-history.jsonl`` (a line for each program kept, in the
order in which they were kept), ``wandb-summary.json`` (the last state) and ``code/`` (the programs).
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from archive.exchange import begin
from archive.tables import portable
from archive.views import best_so_far, by_split, cost_a_task

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from archive.archive import Archive
    from archive.records import Run


def export_run_folders(archive: Archive, folder: Path, run: str | None = None) -> dict[str, int]:
    """Write a folder for each run into a new or empty folder; return how many runs and steps were written.

    Args:
        archive: What to write.
        folder: Where to.
        run: Id of the only run to write; all by default.

    Raises:
        ArchiveError: The folder holds something, or cannot be written.
    """
    counts = {"runs": 0, "steps": 0}
    with begin(folder):
        for number, one in enumerate(archive.runs() if run is None else [archive.run(run)], 1):
            name = re.sub(r"[^A-Za-z0-9-]+", "-", one.id)[:60]
            files = folder / f"run-{number:03}-{name}" / "files"
            files.mkdir(parents=True)
            counts["runs"] += 1
            counts["steps"] += _write(archive, one, files)
    return counts


def _write(archive: Archive, run: Run, files: Path) -> int:
    settings = {"kind": run.kind, "domain": run.domain, "domain_version": run.domain_version, **run.config}
    # JSON is YAML.
    _dump(files / "config.yaml", {name: {"value": value} for name, value in settings.items()})
    history = list(_history(archive, run.id))
    (files / "wandb-history.jsonl").write_text("".join(map(_line, history)), encoding="utf-8")
    spent = archive.spent(run.id)._asdict()
    _dump(
        files / "wandb-summary.json",
        {
            **(history[-1] if history else {}),
            "state": run.state,
            **{f"spent/{k}": v for k, v in spent.items()},
        },
    )
    (files / "code").mkdir()
    for program in archive.programs(run.id):
        (files / "code" / f"{program.id}.py").write_text(
            portable(program.source), encoding="utf-8", newline="\n"
        )
    return len(history)


def _history(archive: Archive, run: str) -> Iterator[dict[str, Any]]:
    members = archive.members(run)
    names = {program.id: program.name for program in archive.programs(run)}
    standings = by_split(archive, run)
    best = {step.position: step.standing.mean for step in best_so_far(members, standings["search"])}
    best_yet = None
    for position, member in enumerate(members):
        best_yet = best.get(position, best_yet)
        row: dict[str, Any] = {
            "_step": position,
            "generation": member.generation,
            "slot": member.slot,
            "program": member.program,
            "name": names[member.program],
            "proposer": member.proposer,
            "repairs": member.repairs,
            "search/best": best_yet,
        }
        for split, measured in standings.items():
            if standing := measured.get(member.program):
                figures = {
                    "mean": standing.mean,
                    "low": standing.low,
                    "high": standing.high,
                    "tasks": standing.n,
                }
                costs = {unit: cost_a_task(standing, unit) for unit in ("calls", "tokens", "seconds", "usd")}
                row |= {f"{split}/{name}": value for name, value in (figures | costs).items()}
        yield row


def _dump(path: Path, value: object) -> None:
    path.write_text(_line(value), encoding="utf-8")


def _line(value: object) -> str:
    return json.dumps(value) + "\n"
