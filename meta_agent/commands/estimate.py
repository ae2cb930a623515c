"""``adas estimate``: what a search will take, before it is begun."""

from __future__ import annotations

import json
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from meta_agent.config import SearchConfig
    from meta_agent.estimate import Estimate, Pilot, Range


@click.command()
@click.argument("settings", nargs=-1, metavar="[DOMAIN] [KEY=VALUE]...")
@click.option("--preset", default="laptop", show_default=True, help="As for `adas search`.")
@click.option("--config", "file", type=click.Path(path_type=Path), help="TOML file with settings.")
@click.option("--model", help="The model that executes agents.")
@click.option("--meta-model", help="The model that writes agents.")
@click.option("--tasks", type=click.IntRange(min=1), default=3, show_default=True, help="Of the pilot.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def estimate(
    settings: tuple[str, ...],
    preset: str,
    file: Path | None,
    model: str | None,
    meta_model: str | None,
    tasks: int,
    as_json: bool,
) -> None:
    """Say what `adas search` with the same settings will take: calls, tokens, seconds, dollars, and when it pays back.

    A pilot runs the hand-designed agents on a few search tasks, and one candidate. It spends real calls; the search
    finds their replies in the cache.
    """
    from rich.console import Console

    from meta_agent.commands.search import fitted
    from meta_agent.config import load_config
    from meta_agent.estimate import estimate as extrapolate

    domain = next((text for text in settings if "=" not in text), None)
    pairs = [text for text in settings if text != domain]
    given = {"domain": domain, "model": model, "meta_model": meta_model}
    config = fitted(load_config(preset, file, pairs, **given), preset)
    console = Console(stderr=True, highlight=False)
    pilot = run_pilot(config, tasks, console)
    found = extrapolate(config, pilot)
    if as_json:
        click.echo(json.dumps({"pilot_seconds": pilot.wall_s, "spread": pilot.spread, **found.as_json()}))
        return
    for line in lines(config, pilot, found):
        click.echo(line)


def run_pilot(config: SearchConfig, tasks: int, console: Console) -> Pilot:
    """Run the hand-designed agents on a few search tasks, and one generation of one candidate."""
    from archive import Archive, Run
    from meta_agent.commands.search import parts
    from meta_agent.estimate import read_pilot
    from meta_agent.sentinels import stand_guard

    small = config.model_copy(
        update={"search_tasks": min(tasks, config.search_tasks), "generations": 1, "width": 1, "budget": ""}
    )
    with TemporaryDirectory(prefix="adas-pilot-") as folder, Archive(Path(folder) / "pilot.db") as archive:
        run = Run("pilot", "search", small.domain, "", small.model_dump(mode="json"))
        archive.add_run(run)
        with parts(archive, run.id, small, console) as (loop, evaluator, _, _):
            stand_guard(evaluator, run.id)
            started = time.monotonic()
            loop()
            wall, workers = time.monotonic() - started, evaluator.workers
        return read_pilot(archive, run.id, candidates=1, wall_s=wall, workers=workers)


def lines(config: SearchConfig, pilot: Pilot, found: Estimate) -> Iterator[str]:
    """Yield the estimate in words."""
    spent = pilot.spent
    dollars = _range(found.dollars, "${:,.2f}") if found.dollars else "unknown: a model has no known price"
    seconds = f"{_time(found.seconds.likely)} ({_time(found.seconds.low)} to {_time(found.seconds.high)})"
    yield (
        f"Pilot: {len(pilot.seeds)} agents on {pilot.tasks} tasks and one candidate took {spent.calls:,.0f} calls, "
        f"{spent.tokens:,.0f} tokens, {_time(pilot.wall_s)}; what was in the cache is not counted.\n"
    )
    yield f"A search of {config.domain} with {config.generations} x {config.width} candidates, if no budget ends it:"
    yield f"  rollouts  {_range(found.rollouts)}"
    yield f"  calls     {_range(found.calls)}"
    yield f"  tokens    {_range(found.tokens)}"
    yield f"  time      {seconds}"
    yield f"  dollars   {dollars}"
    if config.budget:
        yield f"Its budget of {config.budget} ends it earlier if it does not suffice."
    yield (
        "\nIt pays back in tokens when what it finds answers as well as self-consistency "
        f"({found.self_consistency:,.0f} tokens a query) for less:"
    )
    for back in found.pays_back:
        when = f"after {_range(back.queries)} queries" if back.queries else "never; then only accuracy pays"
        yield f"  as cheap as {back.agent} ({back.tokens:,.0f} tokens): {when}"


def _range(figure: Range, form: str = "{:,.0f}") -> str:
    return f"{form.format(figure.likely)} ({form.format(figure.low)} to {form.format(figure.high)})"


def _time(seconds: float) -> str:
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"
