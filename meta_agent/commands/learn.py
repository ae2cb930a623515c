"""``adas learn``: the archive becomes data, the data an adapter, the adapter a local model that must win its place."""

from __future__ import annotations

import json
import shlex
import sys
from contextlib import ExitStack, closing
from pathlib import Path

import click


@click.group()
def learn() -> None:
    """Train a local model on what was discovered, and keep it only if it wins."""


@learn.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--archive",
    "places",
    multiple=True,
    metavar="PATH",
    help="Archives to read (default: your own); repeatable.",
)
@click.option("--seed", default=0, show_default=True, help="Whose splits are held out.")
@click.option(
    "--holdout",
    default="humaneval,mbpp",
    show_default=True,
    help="Domains whose selection and test tasks are held out, beside those of the archives.",
)
@click.option(
    "--most", type=click.IntRange(min=1), default=4, show_default=True, help="Rows of a form a task."
)
@click.option(
    "--workers", type=click.IntRange(min=1), default=2, show_default=True, help="Executions at once."
)
@click.option("--json", "as_json", is_flag=True, help="Print the card as JSON.")
def data(
    folder: Path, places: tuple[str, ...], seed: int, holdout: str, most: int, workers: int, *, as_json: bool
) -> None:
    """Write verified training data from archives to FOLDER.

    Four kinds: task to answer, repairs, preferences (and spliced conversations), and programs for a meta agent. All of
    it is executed again; held-out tasks, duplicates and wrong answers are removed and counted.
    """
    from rich.console import Console

    from archive import Archive, default_path
    from meta_agent.learning.card import write
    from meta_agent.learning.harvest import Harvester
    from sandboxes import ProcessSandbox

    console = Console(stderr=True, highlight=False)
    domains = tuple(filter(None, holdout.split(",")))
    names = places or (default_path(),)
    _must_exist(names)
    with ExitStack() as stack, console.status("reading") as status:
        archives = [stack.enter_context(Archive(place)) for place in names]
        sandbox = stack.enter_context(closing(ProcessSandbox()))
        harvester = Harvester(
            sandbox, seed=seed, domains=domains, most=most, workers=workers, report=status.update
        )
        harvest = harvester(archives)
        card = write(
            harvest,
            folder,
            {
                "command": shlex.join(["adas", *sys.argv[1:]]),
                "archives": ", ".join(archive.name for archive in archives),
                "seed": seed,
                "heldout": f"{len(harvester.heldout)} tasks of {', '.join(harvester.loaded)}",
            },
        )
    if as_json:
        click.echo(json.dumps(card))
        return
    for kind, one in card["kinds"].items():
        forms = ", ".join(f"{count} {form}" for form, count in one["forms"].items())
        click.echo(f"{one['rows']:6,} {kind:10} {forms}")
    click.echo(f"Written: {folder} ({folder / 'README.md'} says what was removed and why)")


def _must_exist(places: tuple[str, ...]) -> None:
    """Refuse a path at which there is no archive: opening it would make an empty one."""
    from meta_agent.errors import UserError

    for place in places:
        if "://" not in place and not Path(place).is_file():
            raise UserError(f"no archive at {place}: `adas search` makes one, --archive names another")
