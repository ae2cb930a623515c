"""The command ``adas``. Subcommands are imported when they are called, so that ``adas --help`` is instant."""

from __future__ import annotations

import importlib
import sys

import click

_COMMANDS = {
    "search": "Discover agents: write, run, keep, and test the best.",
    "estimate": "Say what a search will take, and when it pays back.",
    "evaluate": "Measure agents side by side: the leaderboard.",
    "archive": "Look at what was discovered.",
    "portfolio": "Put complementary agents of a run into one program.",
    "learn": "Train a local model on what was discovered, and keep it only if it wins.",
    "models": "Pull local models and install engines.",
    "code": "Change a repository as asked, tested before it is applied.",
    "chat": "Talk to an agent in the terminal.",
    "serve": "Serve agents behind OpenAI's chat API.",
    "deploy": "Write an agent into a folder that runs elsewhere.",
    "mcp": "Offer agents as tools to a client that speaks MCP.",
    "sandbox": "Run a program in a sandbox, check what it promises, measure it.",
    "doctor": "Tell what is here, what is missing and how to get it.",
}


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(f"meta_agent.commands.{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="meta-agent-search", prog_name="adas")
def adas() -> None:
    """Discover agents: a meta agent writes agent programs, a jail runs them, an honest test picks the winner."""


def main() -> None:
    """Run the command; a user's mistake ends in one line and exit code 2, an outage in one line and exit code 3."""
    try:
        adas(standalone_mode=False)
    except click.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (ValueError, RuntimeError) as error:
        code = _exit_code(error)
        if code is None:
            raise
        click.echo(f"adas: {error}", err=True)
        sys.exit(code)


def _exit_code(error: Exception) -> int | None:
    """Return the exit code of an error that its own words explain, or None for a bug."""
    from archive import ArchiveError
    from domains import DomainError
    from meta_agent.errors import BudgetError, OutageError, UserError
    from sandboxes import SandboxFaultError, SandboxUnavailableError
    from sandboxes.workspace import WorkspaceError

    if isinstance(error, UserError | ArchiveError | DomainError | SandboxUnavailableError | WorkspaceError):
        return 2
    return 3 if isinstance(error, OutageError | BudgetError | SandboxFaultError) else None
