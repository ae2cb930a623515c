"""``adas code``: change a repository as asked, on a copy, tested, and applied on a yes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from meta_agent.commands.work import Choice, assistant_options, knows_repositories, open_workplace

if TYPE_CHECKING:
    from rich.console import Console

    from meta_agent.assistant.agents import Agent
    from meta_agent.assistant.assistant import Step
    from meta_agent.assistant.coder import Coder, Proposal
    from sandboxes.snapshot import Snapshot

DEFAULT = "chat_repair"
"""The agent where no archived one was measured on repositories."""
_NAMED = 8


@click.command()
@click.argument("request")
@click.option(
    "--repo",
    "folder",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    default=Path(),
    show_default=".",
)
@click.option(
    "--agent", help=f"Who does it (default: the best of the archive on repositories, else {DEFAULT})."
)
@assistant_options
@click.option(
    "--attempts", type=click.IntRange(min=1), default=3, show_default=True, help="Until the tests pass."
)
@click.option(
    "--test-seconds", type=float, default=10.0, show_default=True, help="Processor time of one test."
)
@click.option(
    "--processes", type=click.IntRange(min=0), default=0, help="Child processes that tests may start."
)
@click.option("--yes", is_flag=True, help="Apply without asking.")
@click.option("--only-verified", is_flag=True, help="Apply nothing that was not verified.")
@click.option(
    "--branch", metavar="NAME", help="Commit on a new branch instead, and leave the working tree as it is."
)
@click.option("--diff", "only_diff", is_flag=True, help="Print the patch, and apply nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the proposal as JSON; applies only with --yes.")
def code(
    request: str,
    folder: Path,
    agent: str | None,
    choice: Choice,
    attempts: int,
    test_seconds: float,
    processes: int,
    yes: bool,
    only_verified: bool,
    branch: str | None,
    only_diff: bool,
    as_json: bool,
) -> None:
    """Change the repository at --repo as REQUEST says.

    The agent works on a copy in the sandbox; the copy's tests run there too. You see the change with what was verified,
    and nothing of the repository is touched before you say yes. Exit code 1 when nothing was applied.
    """
    from dataclasses import replace

    from rich.console import Console

    from meta_agent.assistant.coder import Coder
    from meta_agent.assistant.show import coloured, safe
    from sandboxes.snapshot import Snapshot
    from sandboxes.suite import LIMITS

    console = Console(stderr=as_json or only_diff, highlight=False)
    snapshot = Snapshot.of(folder)
    _tell_left_outside(snapshot, console)
    with open_workplace(choice, agent, fits=knows_repositories, default=DEFAULT) as workplace:
        worker = workplace.agents[0]
        limits = replace(LIMITS, processes=processes)
        coder = Coder(workplace.assistant, snapshot, seconds=test_seconds, limits=limits)
        console.print(
            safe(f"{worker.name} on {worker.model}, {len(snapshot.files)} files. {_before(coder)}"),
            soft_wrap=True,
        )
        proposal = coder.propose(
            worker, request, attempts=attempts, observe=lambda step: _follow(step, console)
        )
    if only_diff:
        click.echo(proposal.patch, nl=False)
        return
    if as_json:
        click.echo(json.dumps(_as_json(proposal, worker)))
    else:
        console.print(coloured(proposal.patch))
    console.print(
        safe(f"{proposal.words} ({proposal.calls} model calls, {proposal.tokens:,} tokens)"), style="bold"
    )
    refused = only_verified and proposal.verdict != "verified"
    if refused or not (yes or (not as_json and _agreed(branch))):
        console.print("Nothing was applied.")
        sys.exit(1)
    console.print(safe(_apply(proposal, folder, snapshot, branch, request)))


def _apply(proposal: Proposal, folder: Path, snapshot: Snapshot, branch: str | None, request: str) -> str:
    """Apply a proposal that was agreed to; returns what was done."""
    from meta_agent.assistant.branch import commit_on_branch
    from meta_agent.assistant.coder import apply

    if branch:
        message = f"{request.strip().splitlines()[0][:72]}\n\n{proposal.words}\n"
        commit = commit_on_branch(folder, branch, proposal.files, snapshot, message)
        return f"Committed {commit[:10]} on {branch}; the working tree is as it was."
    apply(proposal, folder, snapshot)
    return f"Applied to {', '.join(list(proposal.files)[:_NAMED])}."


def _agreed(branch: str | None) -> bool:
    """Ask; somebody who cannot answer has not agreed."""
    if not sys.stdin.isatty():
        return False
    return click.confirm(f"Commit on {branch}?" if branch else "Apply?", default=False)


def _before(coder: Coder) -> str:
    run = coder.before()
    passed, failed = run.named("passed"), run.named("failed")
    if not passed and not failed:
        return f"No tests: {run.fault or 'none were found'}."
    return f"Tests ({run.runner}): {len(passed)} pass, {len(failed)} fail{f', {run.fault}' if run.fault else ''}."


def _follow(step: Step, console: Console) -> None:
    from meta_agent.assistant.assistant import describe
    from meta_agent.assistant.show import safe

    if words := describe(step):
        console.print(safe(f"  {words}"), style="dim", soft_wrap=True)


def _tell_left_outside(snapshot: Snapshot, console: Console) -> None:
    from meta_agent.assistant.show import safe

    by_reason: dict[str, list[str]] = {}
    for path, reason in snapshot.left_outside.items():
        by_reason.setdefault(reason.partition(" (")[0], []).append(path)
    for reason, paths in by_reason.items():
        more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
        console.print(
            safe(f"Left outside, {reason}: {', '.join(paths[:_NAMED])}{more}"),
            style="yellow",
            soft_wrap=True,
        )


def _as_json(proposal: Proposal, agent: Agent) -> dict[str, object]:
    return {
        "agent": agent.name,
        "program": agent.program.id,
        "model": agent.model,
        "verdict": proposal.verdict,
        "words": proposal.words,
        "patch": proposal.patch,
        "attempts": len(proposal.answers),
        "calls": proposal.calls,
        "tokens": proposal.tokens,
    }
