"""``adas portfolio``: put complementary agents of a run into one program."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

if TYPE_CHECKING:
    from archive import Archive, Run, Split
    from domains import Domain


@click.command()
@click.argument("run", required=False)
@click.option("--members", type=click.IntRange(min=1), default=3, show_default=True, help="At most so many.")
@click.option(
    "--tokens",
    type=click.IntRange(min=1),
    help="At most so many tokens a task (default: twice what the best single agent takes).",
)
@click.option(
    "--split",
    type=click.Choice(["search", "selection"]),
    default="search",
    show_default=True,
    help="The tasks that members are chosen by.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Write the program here, for `adas evaluate --agents`."
)
@click.option("--archive", "place", metavar="PATH", help="The archive.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def portfolio(
    run: str | None,
    members: int,
    tokens: int | None,
    split: str,
    out: Path | None,
    place: str | None,
    as_json: bool,
) -> None:
    """Choose agents of RUN (default: the last) that solve together what none solves alone, and write one program.

    It asks its members one after the other, the cheapest first, and returns the first answer that passes the visible
    tests; where there are none, the answer that most members give. No model is asked to choose them: their answers are
    in the archive. The program is added to the archive.
    """
    from archive import Archive, default_path
    from meta_agent.portfolio import choose, compose, measured
    from sandboxes import open_sandbox

    with Archive(place or default_path()) as store, closing(open_sandbox("process")) as sandbox:
        chosen = _run(store, run)
        candidates = measured(store, chosen.id, cast("Split", split), _domain(store, chosen), sandbox)
        best = max(candidates, key=lambda c: (c.score, -c.tokens))
        found = choose(candidates, tokens or 2 * best.tokens, members)
        program = store.add_program(compose([member.program for member in found.members]))
    if out:
        out.write_text(program.source)
    row = {
        "program": program.id,
        "members": [{"name": m.program.name, "score": m.score, "tokens": m.tokens} for m in found.members],
        "tasks": len(best.attempts),
        "score": found.score,
        "tokens": found.tokens,
        "expected": {"mean": found.expected.mean, "low": found.expected.low, "high": found.expected.high},
        "oracle": found.oracle,
        "best": {"name": best.program.name, "score": best.score, "tokens": best.tokens},
    }
    if as_json:
        click.echo(json.dumps(row))
        return
    e = found.expected
    for member in found.members:
        click.echo(f"{member.program.name}: {member.score:.1%} alone, {member.tokens:,.0f} tokens a task")
    click.echo(
        f"together {found.score:.1%} of {len(best.attempts)} tasks for {found.tokens:,.0f} tokens; "
        f"to expect on new ones: {e.mean:.1%} ({e.low:.0%} to {e.high:.0%}); "
        f"at least one of them solves {found.oracle:.1%}\n"
        f"best single agent: {best.program.name}, {best.score:.1%} for {best.tokens:,.0f} tokens\n"
        f"program {program.id}{f' in {out}' if out else ''}: adas archive show {program.id}"
    )


def _run(store: Archive, run: str | None) -> Run:
    from archive import ArchiveError

    if run:
        return store.run(run)
    measured = [known for known in store.runs() if known.kind != "import"]
    if not measured:
        raise ArchiveError(f"no runs in {store.name}: `adas search` or `adas evaluate` makes one")
    return measured[-1]


def _domain(store: Archive, run: Run) -> Domain:
    """Load the tasks of a run again."""
    from domains import DomainError, load_domain
    from meta_agent.config import validate

    if run.kind == "search":
        config = validate(run.config)
        domain = load_domain(config.domain, sizes=config.sizes, seed=config.seed)
    else:
        tasks = max((e.tasks for e in store.evaluations(run=run.id)), default=1)
        domain = load_domain(run.domain, sizes={"search": tasks, "selection": 0, "test": 0})
    if domain.version != run.domain_version:
        raise DomainError(
            f"{domain.name} has version {domain.version} now, run {run.id} was measured on {run.domain_version}: "
            "its answers do not belong to these tasks"
        )
    return domain
