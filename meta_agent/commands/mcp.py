"""``adas mcp``: agents as tools of the Model Context Protocol, over standard input and output."""

from __future__ import annotations

from pathlib import Path

import click

from meta_agent.commands.work import Choice, assistant_options, knows_repositories, open_workplace

REPAIRER = "chat_repair"


@click.command()
@click.argument("agent", required=False)
@assistant_options
@click.option(
    "--root", type=click.Path(file_okay=False, exists=True, path_type=Path), default=Path(), show_default=".",
    help="Folder that the repositories to repair are in.",
)  # fmt: skip
def mcp(agent: str | None, choice: Choice, root: Path) -> None:
    """Offer agents as tools (solve, repair, list_agents, score_card) to a client that speaks MCP.

    The client starts this command itself. AGENT is as for `adas serve`.
    """
    try:
        from meta_agent.assistant.mcp_server import build_server
    except ImportError as error:
        from meta_agent.errors import UserError

        raise UserError(f'the MCP server needs {error.name}: pip install "meta-agent-search[mcp]"') from None
    from meta_agent.assistant.agents import find_agent

    with open_workplace(choice, agent, default="self_debug") as workplace:
        agents = workplace.agents
        repairers = agents if agent else [one for one in agents if knows_repositories(one)]
        repairers = repairers or [find_agent(REPAIRER, None, choice.model or agents[0].model)]
        server = build_server(
            workplace.assistant,
            {"best": agents[0], **{one.name: one for one in agents}},
            {"best": repairers[0], **{one.name: one for one in repairers}},
            workplace.archive,
            root,
        )
        server.run("stdio")
