"""``adas deploy``: an agent as a folder that runs elsewhere."""

from __future__ import annotations

from pathlib import Path

import click

from meta_agent.commands.work import Choice, assistant_options, opened_archive


@click.command()
@click.argument("agent", required=False)
@click.option("--to", "folder", type=click.Path(path_type=Path), required=True, help="The folder.")
@click.option(
    "--rollback", "back", is_flag=True, help="Go back to the release before the current one instead."
)
@assistant_options
def deploy(agent: str | None, folder: Path, back: bool, choice: Choice) -> None:
    """Write AGENT (default: the best) into a folder with its model's digest, settings, score card and lineage.

    The folder brings our code as a wheel: `run` in it, or `adas serve FOLDER`, serves it on another machine. Deploying
    to it again adds a release; --rollback goes back to the one before.
    """
    from meta_agent.assistant import bundle
    from meta_agent.assistant.agents import find_agent
    from meta_agent.errors import UserError

    if back:
        if agent:
            raise UserError("--rollback takes no agent: it goes back to the release before the current one")
        release = bundle.rollback(folder)
        click.echo(
            f"{folder} serves {release.name} again: {release.agent.program.name} on {release.agent.model}"
        )
        return
    given = {
        "calls": choice.calls,
        "tokens": choice.tokens,
        "sandbox": choice.sandbox,
        "engine": choice.engine,
    }
    settings = bundle.Settings(**{key: value for key, value in given.items() if value is not None})  # type: ignore[arg-type]
    with opened_archive(choice) as archive:
        chosen = find_agent(agent or "best", archive, choice.model)
        release = bundle.deploy(folder, chosen, settings, archive)
    click.echo(f"{folder} serves {release.name}: {release.agent.program.name} on {release.agent.model}")
    click.echo(f"Start it with {folder / 'run'}, or `adas serve {folder}`.")
