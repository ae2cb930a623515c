"""``adas chat``: talk to an agent in the terminal."""

from __future__ import annotations

from pathlib import Path

import click

from meta_agent.commands.work import Choice, assistant_options, open_workplace

DEFAULT = "self_debug"


@click.command()
@click.argument("agent", required=False)
@assistant_options
@click.option(
    "--repo", "folder", type=click.Path(file_okay=False, exists=True, path_type=Path),
    help="A repository that /code may change.",
)  # fmt: skip
def chat(agent: str | None, choice: Choice, folder: Path | None) -> None:
    """Talk to AGENT (default: the best one), and have it change a repository. /help lists the commands."""
    try:
        from prompt_toolkit import PromptSession
        from prompt_toolkit.completion import WordCompleter
        from prompt_toolkit.history import FileHistory
    except ImportError:
        from meta_agent.errors import UserError

        raise UserError('the terminal needs prompt_toolkit: pip install "meta-agent-search[chat]"') from None
    from platformdirs import user_data_path
    from rich.console import Console

    from meta_agent.assistant.terminal import COMMANDS, Terminal

    history = user_data_path("adas") / "chat_history"
    history.parent.mkdir(parents=True, exist_ok=True)
    console = Console(highlight=False)
    with open_workplace(choice, agent, default=DEFAULT) as workplace:
        terminal = Terminal(
            console,
            workplace.assistant,
            workplace.agents[0],
            workplace.agents,
            workplace.archive,
            folder,
            open_model=workplace.open_model,
            agree=lambda question: click.confirm(question, default=False),
        )
        prompt: PromptSession[str] = PromptSession(
            history=FileHistory(str(history)),
            completer=WordCompleter(list(COMMANDS), sentence=True),
            complete_while_typing=False,
            bottom_toolbar=lambda: terminal.cost_line,
        )
        console.print(f"{terminal.cost_line}. /help lists the commands.", markup=False, soft_wrap=True)
        while True:
            try:
                line = prompt.prompt("> ")
            except KeyboardInterrupt:
                continue
            except EOFError:
                return
            if not terminal.handle(line):
                return
