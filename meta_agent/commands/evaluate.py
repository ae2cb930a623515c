"""``adas evaluate``: measure agents side by side and write the leaderboard."""

from __future__ import annotations

import hashlib
import json
import shlex
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, cast

import click

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from archive import Archive, Program
    from domains import Domain
    from meta_agent.evaluation import Allowance, Evaluator
    from meta_agent.leaderboard import Board, Measured
    from meta_agent.llm.local import Engine

SPLIT: Final = "search"
"""A leaderboard reads the tasks again and again, so it is no sealed test."""
REFERENCES = ("direct", "self_consistency")
"""Always on the board: the floor, and what everything is compared with."""


@click.command()
@click.option("--agents", default="all", show_default=True, help="all, or names and .py paths with commas.")
@click.option("--domain", default="humaneval", show_default=True, help="As for `adas search`.")
@click.option(
    "--model",
    default="local/qwen2.5-coder-0.5b",
    show_default=True,
    help="The model that executes the agents.",
)
@click.option("--tasks", type=click.IntRange(min=1), help="How many (default: what the three splits hold).")
@click.option(
    "--calls", type=click.IntRange(min=1), default=40, show_default=True, help="Model calls a task."
)
@click.option(
    "--tokens", type=click.IntRange(min=1), default=60_000, show_default=True, help="Tokens a task."
)
@click.option("--budget", help="20k-tokens, 300-calls, 15m, $0.50, or several with commas, for this call.")
@click.option("--workers", type=click.IntRange(min=1), help="Rollouts in flight.")
@click.option(
    "--engine", type=click.Choice(["auto", "llamacpp", "vllm"]), default="auto", help="For local models."
)
@click.option("--archive", "place", metavar="PATH", help="The archive to write to.")
@click.option(
    "--report", type=click.Path(path_type=Path), help="Write the board as Markdown, a plot beside it."
)
@click.option("--json", "as_json", is_flag=True, help="Print the board as JSON.")
def evaluate(
    agents: str,
    domain: str,
    model: str,
    tasks: int | None,
    calls: int,
    tokens: int,
    budget: str | None,
    workers: int | None,
    engine: str,
    place: str | None,
    report: Path | None,
    as_json: bool,
) -> None:
    """Measure hand-designed agents (or programs of your own) on the same tasks, and rank them with their costs.

    The same command again goes on where it stopped; with more agents or tasks it measures only what is new. Ctrl-C
    finishes what is in flight and saves.
    """
    from rich.console import Console

    from archive import Archive, default_path
    from meta_agent.agents import REPAIRERS, SHELF, load_agent
    from meta_agent.evaluation import Allowance
    from meta_agent.leaderboard import table

    chosen = _load(domain, tasks)
    every = REPAIRERS if chosen.tasks(SPLIT)[0].kind == "patch" else SHELF
    names = every if agents == "all" else tuple(agents.split(","))
    programs = [load_agent(name) for name in dict.fromkeys((*names, *REFERENCES))]
    allowance = Allowance(calls=calls, tokens=tokens)
    console = Console(stderr=as_json, highlight=False)
    with Archive(place or default_path()) as archive:
        run = _run(archive, chosen, model, allowance)
        with _evaluator(
            archive, run, chosen, model, allowance, cast("Engine", engine), budget, workers, console
        ) as evaluator:
            board = measure(evaluator, run, programs)
    if report:
        _write(board, report, console)
    if as_json:
        click.echo(json.dumps(board.as_json()))
    else:
        console.print(table(board))


def measure(evaluator: Evaluator, run: str, programs: Sequence[Program]) -> Board:
    """Fill the outcome matrix and return the board.

    Self-consistency is measured with each number of samples that some agent's cost buys. Its samples are shared, so
    all of them together cost what the largest does.

    Raises:
        click.Abort: the user stopped it; everything is saved.
    """
    from meta_agent.agents import load_agent, self_consistency_of
    from meta_agent.evaluation import StoppedError
    from meta_agent.leaderboard import Board, rows, samples_for
    from meta_agent.sentinels import stand_guard

    domain = evaluator.domain
    tasks = domain.tasks(SPLIT)

    def measured(programs: Sequence[Program]) -> list[Measured]:
        evaluations = evaluator.evaluate(run, programs, tasks, SPLIT)
        return [_measured(evaluator, p, e.id) for p, e in zip(programs, evaluations, strict=True)]

    stand_guard(evaluator, run)
    try:
        agents = measured(programs)
        (one,) = measured([self_consistency_of(1)])
        counts = sorted({samples_for(agent.tokens, one.tokens) for agent in agents} | {1})
        curve = dict(zip(counts, measured([self_consistency_of(n) for n in counts]), strict=True))
    except StoppedError:
        click.echo("Stopped; everything is saved, the same command goes on.", err=True)
        raise click.Abort from None
    evaluator.archive.set_run_state(run, "done")
    shelved = load_agent("self_consistency").id
    return Board(
        run=run,
        domain=domain.name,
        domain_version=domain.version,
        scorer=domain.scorer,
        model=evaluator.model,
        tasks=len(tasks),
        rows=rows(agents, curve, next(agent for agent in agents if agent.program == shelved)),
        curve=tuple((n, m.tokens, m.mean("score")) for n, m in curve.items()),
    )


def _measured(evaluator: Evaluator, program: Program, evaluation: str) -> Measured:
    from meta_agent.leaderboard import Measured

    found = {rollout.task: rollout for rollout in evaluator.archive.rollouts(evaluation)}
    rollouts = tuple(found[task.id] for task in evaluator.domain.tasks(SPLIT))
    return Measured(program.name, program.id, evaluation, rollouts)


def _load(spec: str, tasks: int | None) -> Domain:
    """Load a domain with all tasks in one split, in an order of which fewer tasks are a beginning."""
    from domains import load_domain

    if tasks is None:
        domain = load_domain(spec)
        tasks = sum(len(domain.tasks(split)) for split in ("search", "selection", "test"))
    return load_domain(spec, sizes={"search": tasks, "selection": 0, "test": 0})


def _run(archive: Archive, domain: Domain, model: str, allowance: Allowance) -> str:
    """Return the run of these conditions, so that the same command finds what it measured before."""
    from archive import Run

    conditions: dict[str, object] = {
        "model": model,
        "calls_per_task": allowance.calls,
        "tokens_per_task": allowance.tokens,
    }
    key = json.dumps([domain.name, domain.version, domain.scorer, conditions])
    run = "lb" + hashlib.sha256(key.encode()).hexdigest()[:6]
    archive.add_run(
        Run(
            id=run,
            kind="evaluate",
            domain=domain.name,
            domain_version=domain.version,
            config=conditions,
        )
    )
    archive.set_run_state(run, "running")
    return run


@contextmanager
def _evaluator(
    archive: Archive,
    run: str,
    domain: Domain,
    model: str,
    allowance: Allowance,
    engine: Engine | Literal["auto"],
    budget: str | None,
    workers: int | None,
    console: Console,
) -> Iterator[Evaluator]:
    from meta_agent.commands.search import interruptible, usage
    from meta_agent.display import Display
    from meta_agent.evaluation import Evaluator
    from meta_agent.llm import Budget, open_gateway
    from sandboxes import ProcessSandbox

    limit = Budget.parse(budget) if budget else Budget()
    with ExitStack() as stack:
        gateway = stack.enter_context(
            open_gateway(budget=limit, ledger=archive.add_call, run=run, engine=engine)
        )
        sandbox = stack.enter_context(closing(ProcessSandbox()))
        console.print(
            f"Run {run}: {domain.name}, {len(domain.tasks(SPLIT))} tasks, agents run on {model}, "
            f"sandbox {sandbox.level}. Archive: {archive.name}",
            soft_wrap=True,
        )
        workers = workers or gateway.backend(model).concurrency or 16
        display = stack.enter_context(
            Display(console, lambda p: archive.program(p).name, lambda: usage(limit))
        )
        evaluator = Evaluator(
            archive=archive,
            domain=domain,
            gateway=gateway,
            sandbox=sandbox,
            model=model,
            workers=workers,
            allowance=allowance,
            observe=display.rollout,
            alarm=display.alarm,
        )
        stack.callback(evaluator.close)
        stack.enter_context(interruptible(evaluator, display))
        yield evaluator


def _write(board: Board, report: Path, console: Console) -> None:
    from meta_agent.leaderboard import markdown, plot

    report.parent.mkdir(parents=True, exist_ok=True)
    figure = report.with_suffix(".svg")
    try:
        plot(board, figure)
    except ImportError:
        console.print('No plot without matplotlib: pip install "meta-agent-search\\[plots]"')
    command = shlex.join(["adas", *_arguments()])
    report.write_text(markdown(board, command, figure.name if figure.exists() else ""))
    console.print(f"Written: {report}", soft_wrap=True)


def _arguments() -> list[str]:
    """Return what was typed, without the archive's place."""
    context = click.get_current_context()
    given = []
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if source is click.core.ParameterSource.COMMANDLINE and parameter.name not in ("place", "as_json"):
            given += [parameter.opts[0], str(context.params[parameter.name or ""])]
    return ["evaluate", *given]
