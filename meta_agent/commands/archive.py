"""``adas archive``: look at what was discovered, and carry it elsewhere."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from meta_agent.commands.web import web

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rich.console import RenderableType

    from archive import Archive, Split
    from archive.ranking import By

_place = click.option(
    "--archive", "place", metavar="PATH", help="The archive (default: the one `adas search` uses)."
)
_split = click.option(
    "--split",
    type=click.Choice(["search", "selection", "test"]),
    default="search",
    show_default=True,
    help="Which tasks.",
)
_NEEDS = {"parquet": "pyarrow", "inspect": "inspect_ai"}
"""The package that a form of export needs; the extra is called like the form."""
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def _options(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def add(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return add


@click.group()
def archive() -> None:
    """Look at what was discovered: programs, where they came from, how they did."""


archive.add_command(web)


@archive.command("list")
@_options(_place, _json)
@click.option("--run", metavar="RUN", help="List the programs of this run (an id or the beginning of one).")
@click.option("--failures", is_flag=True, help="List its failed attempts instead.")
def list_(place: str | None, as_json: bool, run: str | None, failures: bool) -> None:
    """List runs or, with --run, the programs of one run."""
    from archive import report

    if failures and run is None:
        raise click.UsageError("--failures needs --run RUN.")
    with open_existing(place) as store:
        if run is None:
            rows = report.run_rows(store)
            _print(
                rows, as_json, [report.run_table(rows)] if rows else ["No runs yet: `adas search` makes one."]
            )
            return
        chosen = store.run(run).id
        failed = report.failure_rows(store, chosen)
        if failures:
            _print(failed, as_json, [report.failure_table(failed)] if failed else ["Nothing failed."])
            return
        rows = report.program_rows(store, chosen)
        hint = [f"{report.failure_line(failed)} (--failures lists them)"] if failed else []
        _print(rows, as_json, [report.program_table(rows), *hint])


@archive.command()
@click.argument("program")
@_options(_place, _json)
def show(program: str, place: str | None, as_json: bool) -> None:
    """Show a PROGRAM (name, id, or beginning of an id): code, thought, parents, diff, results, failures."""
    from archive import report

    with open_existing(place) as store:
        sheet = report.program_sheet(store, program)
    _print(sheet, as_json, report.program_view(sheet))


@archive.command()
@click.argument("run", required=False)
@_options(_place, _json)
def tree(run: str | None, place: str | None, as_json: bool) -> None:
    """Show who came from whom in RUN (default: the last run)."""
    from archive import report

    with open_existing(place) as store:
        chosen = store.run(run).id if run else _last_run(store)
        rows = report.program_rows(store, chosen) if as_json else []
        _print(rows, as_json, [] if as_json else [report.lineage_tree(store, chosen)])


@archive.command()
@click.argument("first")
@click.argument("second")
@_options(_place, _json)
@click.option("--run", metavar="RUN", help="Compare within this run only.")
def compare(first: str, second: str, place: str | None, as_json: bool, run: str | None) -> None:
    """Compare two programs on the tasks that both were measured on.

    Paired difference, interval, p value, the tasks that each did better on, and the difference of their code.
    """
    from archive import ArchiveError, report

    with open_existing(place) as store:
        a, b = store.program(first), store.program(second)
        rows = report.comparison_rows(store, a.id, b.id, store.run(run).id if run else None)
    if not rows:
        raise ArchiveError(
            f"{a.name} and {b.name} share no task under the same conditions: nothing to compare"
        )
    code = report.difference_view(b, a)
    _print(rows, as_json, [*report.comparison_lines(rows, a.name, b.name), *code])


@archive.command()
@_options(_place, _json)
@click.option("--run", metavar="RUN", help="Of this run only.")
@click.option("--domain", help="On this domain only.")
@_split
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many.")
@click.option(
    "--by",
    type=click.Choice(["interval", "shrunken", "winrate"]),
    default="interval",
    show_default=True,
    help="What ranks them.",
)
def best(
    place: str | None, as_json: bool, run: str | None, domain: str | None, split: str, limit: int, by: str
) -> None:
    """Rank programs; a star marks those that no other is as accurate as for fewer tokens.

    By the lower end of the 95% interval of their score; by the score corrected for the winner's curse, with the
    probability of being the best; or by their weight in the mixture of programs that none beats more often than not
    (minimax win rate). The last two compare programs task by task, within one run.
    """
    from archive import report
    from archive.ranking import rank

    with open_existing(place) as store:
        chosen = store.run(run).id if run else None
        standings = store.best(run=chosen, domain=domain, split=cast("Split", split))
        ranked = rank(store, standings, cast("By", by))
    rows = [report.ranked_row(one) for one in ranked[:limit]]
    table: list[RenderableType] = [report.standing_table(rows)]
    _print(rows, as_json, table if rows else [f"Nothing was measured on the {split} split yet."])


@archive.command("report")
@click.argument("run", required=False)
@_options(_place)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write (default: RUN.html; an existing one is replaced).",
)
def report_(run: str | None, place: str | None, output: Path | None) -> None:
    """Write RUN (default: the last one) as a single HTML file to mail: nothing in it is fetched or runs."""
    from archive import page

    with open_existing(place) as store:
        chosen = store.run(run).id if run else _last_run(store)
        file = output or Path(re.sub(r"[^A-Za-z0-9._-]+", "_", chosen) + ".html")
        _write(file, lambda: file.write_text(page.html(store, chosen), encoding="utf-8"))
    click.echo(f"{file}: {file.stat().st_size / 1000:,.0f} kB")


@archive.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@_options(_place)
@click.option("--run", metavar="RUN", help="Of this run (default: the last one).")
@_split
@click.option(
    "--against",
    type=click.Choice(["tokens", "calls", "seconds", "usd", "time"]),
    default="tokens",
    show_default=True,
    help="What a task costs, or the course of the run.",
)
def plot(file: Path, place: str | None, run: str | None, split: str, against: str) -> None:
    """Draw a run into FILE (.png, .svg, .pdf): scores against cost with the Pareto front, or the best so far."""
    from archive import ArchiveError, plots

    need("matplotlib", "plots")
    with open_existing(place) as store:
        chosen = store.run(run).id if run else _last_run(store)
        standings = store.standings(run=chosen, split=cast("Split", split))
        members = store.members(chosen)
    try:
        if against == "time":
            by_program = {one.evaluation.program: one for one in standings}
            _write(file, lambda: plots.plot_progress(members, by_program, file))
        else:
            _write(file, lambda: plots.plot_cost(standings, against, file))
    except ValueError as error:
        raise ArchiveError(f"nothing to draw in {file}: {error}") from None
    click.echo(str(file))


@archive.command("export")
@click.argument("folder", type=click.Path(path_type=Path))
@_options(_place, _json)
@click.option("--run", metavar="RUN", help="Only this run.")
@click.option(
    "--as",
    "form",
    type=click.Choice(["folder", "csv", "parquet", "inspect", "wandb"]),
    default="folder",
    show_default=True,
    help="What to write.",
)
def export(folder: Path, place: str | None, as_json: bool, run: str | None, form: str) -> None:
    """Write the archive into a new FOLDER.

    As a folder: each program as a .py file, everything else as JSON lines; `import` reads it. As csv or parquet: one
    file a table. As inspect: one log an evaluation, for `inspect view`. As wandb: one folder a run, laid out like those
    of Weights & Biases.
    """
    with open_existing(place) as store:
        counts = _exporter(form)(store, folder, store.run(run).id if run else None)
    _print(counts, as_json, [f"{folder}: {_counted(counts)}"])


@archive.command("import")
@click.argument("source", type=click.Path(path_type=Path))
@_options(_place, _json)
@click.option(
    "--domain", help="What the programs of a RESULTS.json were made for (default: the name of the file)."
)
def import_(source: Path, place: str | None, as_json: bool, domain: str | None) -> None:
    """Add what SOURCE holds; what is there already is skipped.

    SOURCE is a folder made by `export`, or the .json file of a published ADAS archive, whose fitness is kept as
    claimed.
    """
    from archive import Archive, default_path, exchange, report
    from meta_agent.adas_compat.published import import_results

    if source.suffix == ".json":
        with Archive(place or default_path()) as store:
            done = import_results(store, source, domain)
        _print(done.row(), as_json, [report.printable(line) for line in done.lines()])
        return
    if domain:
        raise click.UsageError("--domain goes with a .json file: a folder knows its domains.")
    with Archive(place or default_path()) as store:
        counts = exchange.import_folder(store, source)
        name = store.name
    _print(counts, as_json, [f"{name}: {_counted(counts)}"])


def open_existing(place: str | None) -> Archive:
    """Open an archive to look at it: one that does not exist is the user's mistake."""
    from archive import Archive, ArchiveError, default_path

    chosen = place or default_path()
    if "://" not in chosen and not Path(chosen).expanduser().exists():
        raise ArchiveError(
            f"no archive at {chosen}: `adas search` makes one, or name another with --archive PATH"
        )
    return Archive(chosen)


def _last_run(store: Archive) -> str:
    from archive import ArchiveError

    runs = store.runs()
    if not runs:
        raise ArchiveError(f"no runs in {store.name}: `adas search` makes one")
    return runs[-1].id


def _write(file: Path, write: Callable[[], object]) -> None:
    from meta_agent.errors import UserError

    try:
        write()
    except OSError as error:
        raise UserError(f"cannot write {file}: {error.strerror}") from None


def _exporter(form: str) -> Callable[[Archive, Path, str | None], dict[str, int]]:
    from archive import exchange, inspect_logs, run_folders, tables

    if form in _NEEDS:
        need(_NEEDS[form], form)
    return {
        "folder": exchange.export_archive,
        "csv": tables.export_csv,
        "parquet": tables.export_parquet,
        "inspect": inspect_logs.export_inspect,
        "wandb": run_folders.export_run_folders,
    }[form]


def need(module: str, extra: str) -> None:
    """Refuse to go on without an optional package.

    Raises:
        UserError: It is not installed.
    """
    from importlib.util import find_spec

    from meta_agent.errors import UserError

    if find_spec(module) is None:
        raise UserError(f'this needs {module}: pip install "meta-agent-search[{extra}]"')


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)


def _print(data: object, as_json: bool, pieces: Iterable[RenderableType]) -> None:
    if as_json:
        click.echo(json.dumps(data, indent=2))
        return
    from rich.console import Console

    console = Console(highlight=False, markup=False)
    for piece in pieces:
        console.print(piece)
