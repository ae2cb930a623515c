"""``adas search``: builds the parts, runs the loop, prints the score card."""

from __future__ import annotations

import json
import secrets
import signal
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import FrameType

    from rich.console import Console

    from archive import Archive
    from meta_agent.config import SearchConfig
    from meta_agent.display import Display
    from meta_agent.evaluation import Evaluator
    from meta_agent.finish import ScoreCard
    from meta_agent.llm import Budget, Gateway, Spend
    from meta_agent.pace import Pace

PAUSE_S = 300.0
"""A longer gap between two model calls of a run was a pause between two parts of it."""


@click.command()
@click.argument("settings", nargs=-1, metavar="[DOMAIN] [KEY=VALUE]...")
@click.option(
    "--preset", default="laptop", show_default=True, help="laptop, smoke or adas: where the settings start."
)
@click.option("--config", "file", type=click.Path(path_type=Path), help="TOML file with settings.")
@click.option("--model", help="The model that executes agents.")
@click.option("--meta-model", help="The model that writes agents.")
@click.option("--budget", help="20k-tokens, 300-calls, 15m, $0.50, or several with commas.")
@click.option("--workers", type=int, help="Rollouts in flight.")
@click.option(
    "--resume",
    is_flag=False,
    flag_value="last",
    metavar="[RUN]",
    help="Continue a run (default: the last one).",
)
@click.option("--archive", "place", metavar="PATH", help="The archive to write to.")
@click.option("--json", "as_json", is_flag=True, help="Print the score card as JSON.")
def search(
    settings: tuple[str, ...],
    preset: str,
    file: Path | None,
    model: str | None,
    meta_model: str | None,
    budget: str | None,
    workers: int | None,
    resume: str | None,
    place: str | None,
    as_json: bool,
) -> None:
    """Discover agents for DOMAIN (default: humaneval) and test the best one honestly.

    DOMAIN is humaneval, mbpp, gsm8k, mgsm, reasoning-gym:TASK, a JSONL file of your own, or package.module:Class.
    Every setting of the configuration can be given as KEY=VALUE. Ctrl-C finishes what is in flight and saves.
    """
    from rich.console import Console

    from archive import Archive, default_path
    from meta_agent.config import load_config

    domain = next((text for text in settings if "=" not in text), None)
    pairs = [text for text in settings if text != domain]
    given = {"domain": domain, "model": model, "meta_model": meta_model, "budget": budget, "workers": workers}
    console = Console(stderr=as_json, highlight=False)
    with Archive(place or default_path()) as archive:
        if resume is None:
            run, config = _begin(archive, load_config(preset, file, pairs, **given), preset)
        else:
            run, config = _continue(archive, resume, pairs, given)
        card = run_search(archive, run, config, console)
    if as_json:
        click.echo(json.dumps(card.as_json()))


def run_search(archive: Archive, run: str, config: SearchConfig, console: Console) -> ScoreCard:
    """Run or continue a search of the archive to its score card.

    Raises:
        click.Abort: the user stopped it; everything is saved.
        OutageError: a model cannot be reached; the run is paused.
    """
    from meta_agent.errors import BudgetError, OutageError
    from meta_agent.evaluation import StoppedError
    from meta_agent.finish import Finish
    from meta_agent.scorecard import show
    from meta_agent.sentinels import stand_guard

    resume = f"adas search --resume {run}"
    with parts(archive, run, config, console) as (loop, evaluator, pace, display):
        finish = Finish(
            run=run,
            config=config,
            domain=evaluator.domain,
            archive=archive,
            evaluator=evaluator,
            pace=pace,
        )
        stand_guard(evaluator, run)
        archive.set_run_state(run, "running")
        try:
            try:
                loop()
            except BudgetError as error:
                display.say(f"Search ends: {error}")
            display.say("Selection and sealed test.")
            card = finish()
        except StoppedError:
            archive.set_run_state(run, "paused")
            display.say(f"Stopped; everything is saved. Continue with: {resume}")
            raise click.Abort from None
        except OutageError as error:
            archive.set_run_state(run, "paused")
            raise OutageError(
                f"{error}. The run is paused, nothing was scored; continue with: {resume}"
            ) from None
        archive.set_run_state(run, "done")
    show(card, console)
    return card


def _begin(archive: Archive, config: SearchConfig, preset: str) -> tuple[str, SearchConfig]:
    """Record a new run, once everything that its settings name is known to exist."""
    from archive import Run
    from domains import load_domain
    from meta_agent.agents import REPAIRERS, SEEDS, load_agent
    from meta_agent.llm import Budget
    from sandboxes import open_sandbox

    if config.budget:
        Budget.parse(config.budget)
    open_sandbox(config.sandbox, _environment(config)).close()
    for name in config.agents:
        load_agent(name)
    config = fitted(config, preset)
    domain = load_domain(config.domain, sizes=config.sizes, seed=config.seed)
    if domain.tasks("search")[0].kind == "patch" and config.agents == SEEDS:
        config = config.model_copy(update={"agents": REPAIRERS})
    run = secrets.token_hex(4)
    archive.add_run(
        Run(
            id=run,
            kind="search",
            domain=domain.name,
            domain_version=domain.version,
            config=config.model_dump(mode="json"),
        )
    )
    return run, config


def fitted(config: SearchConfig, preset: str) -> SearchConfig:
    """Shrink the preset's split sizes to what a small domain offers; sizes that the user chose stay."""
    from domains import EVERY, DomainError, load_domain
    from meta_agent.config import load_config

    try:
        load_domain(config.domain, sizes=config.sizes, seed=config.seed)
    except DomainError:
        domain = load_domain(config.domain, sizes=dict.fromkeys(config.sizes, EVERY), seed=config.seed)
    else:
        return config
    defaults = load_config(preset)
    fitted = {
        f"{split}_tasks": min(size, len(domain.tasks(split)))
        for split, size in config.sizes.items()
        if size == getattr(defaults, f"{split}_tasks")
    }
    return config.model_copy(update=fitted)


def _continue(
    archive: Archive, run: str, pairs: list[str], given: Mapping[str, object]
) -> tuple[str, SearchConfig]:
    """Return the run to resume with its own settings; only the budget and the workers may be new."""
    from meta_agent.config import validate
    from meta_agent.errors import UserError

    new = {key: value for key, value in given.items() if value is not None}
    if changed := [*pairs, *(key for key in new if key not in ("budget", "workers"))]:
        raise UserError(
            f"a resumed run keeps its settings; leave out {', '.join(changed)}, or start a new run"
        )
    searches = [known.id for known in archive.runs() if known.kind == "search"]
    chosen = searches[-1] if run == "last" and searches else run
    if chosen not in searches:
        raise UserError(f"no run {run!r} to resume: the archive has {', '.join(searches[-5:]) or 'none'}")
    return chosen, validate({**archive.run(chosen).config, **new})


@contextmanager
def parts(
    archive: Archive, run: str, config: SearchConfig, console: Console
) -> Iterator[tuple[Callable[[], None], Evaluator, Pace, Display]]:
    """Build the loop, the evaluator and the display of a run, and take them down again."""
    from langgraph.checkpoint.sqlite import SqliteSaver

    from domains import load_domain
    from meta_agent.agents import load_agent
    from meta_agent.display import Display
    from meta_agent.evaluation import Allowance, Evaluator
    from meta_agent.llm import Budget, open_gateway
    from meta_agent.pace import Pace
    from meta_agent.proposers import open_proposers
    from meta_agent.search import Search
    from sandboxes import open_sandbox

    domain = load_domain(config.domain, sizes=config.sizes, seed=config.seed)
    seeds = [load_agent(name) for name in config.agents]
    budget = Budget.parse(config.budget) if config.budget else Budget()
    budget.restore(_spent(archive, run))
    pace = Pace(budget, config.finish_share)
    with ExitStack() as stack:
        gateway = stack.enter_context(
            open_gateway(budget=budget, ledger=archive.add_call, run=run, engine=config.engine)
        )
        sandbox = stack.enter_context(closing(open_sandbox(config.sandbox, _environment(config))))
        console.print(
            f"Run {run}: {domain.name}, agents run on {config.model}, {config.meta_model} writes them, "
            f"budget {budget}, sandbox {sandbox.level}. Archive: {archive.name}",
            soft_wrap=True,
        )
        wanted = _open(gateway, config)
        workers = config.workers or wanted or 16
        display = stack.enter_context(
            Display(console, lambda p: archive.program(p).name, lambda: usage(budget))
        )
        evaluator = Evaluator(
            archive=archive,
            domain=domain,
            gateway=gateway,
            sandbox=sandbox,
            model=config.model,
            workers=workers,
            admit=pace.rollout,
            observe=display.rollout,
            alarm=display.alarm,
            allowance=Allowance(
                calls=config.calls_per_task, tokens=config.tokens_per_task, wall_s=config.seconds_per_task
            ),
        )
        stack.callback(evaluator.close)
        proposers = open_proposers(
            config.proposers,
            gateway,
            config.meta_model,
            description=domain.description,
            kind=domain.tasks("search")[0].kind,
            calls=config.calls_per_task,
        )
        loop = Search(
            run=run,
            config=config,
            domain=domain,
            archive=archive,
            evaluator=evaluator,
            proposers=proposers,
            seeds=seeds,
            enough=pace.enough,
            observe=display.candidate,
        )
        stack.enter_context(interruptible(evaluator, display))
        checkpoints = stack.enter_context(
            closing(sqlite3.connect(f"{archive.name}.checkpoints", check_same_thread=False))
        )
        yield lambda: loop(SqliteSaver(checkpoints)), evaluator, pace, display


def _open(gateway: Gateway, config: SearchConfig) -> int | None:
    """Open both models side by side, their files one after the other; return how many rollouts the first one wants."""
    from meta_agent.llm.local import model_path

    models = list(dict.fromkeys((config.model, config.meta_model)))
    for model in models:
        if model.startswith("local/"):
            model_path(model)
    with ThreadPoolExecutor(len(models)) as opening:
        first, *_ = opening.map(gateway.backend, models)
    return first.concurrency


@contextmanager
def interruptible(evaluator: Evaluator, display: Display) -> Iterator[None]:
    """Let the first Ctrl-C finish what is in flight; a second one ends at once."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        evaluator.stop()
        threading.Thread(
            target=display.say, args=("Finishing what is in flight (Ctrl-C again to quit at once) ...",)
        ).start()

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _spent(archive: Archive, run: str) -> Spend:
    """Return what earlier parts of a run used; its seconds are the gaps between its calls, pauses left out."""
    from meta_agent.llm import Spend

    calls, prompt, completion, cost = archive.spent(run)
    times = sorted(call.created for call in archive.calls(run))
    seconds = sum(gap for gap in (b - a for a, b in pairwise(times)) if gap < PAUSE_S)
    return Spend(
        tokens=prompt + completion,
        calls=calls,
        seconds=seconds,
        dollars=cost or 0.0,
        unpriced=calls if cost is None else 0,
    )


def usage(budget: Budget) -> str:
    """Return one line about what was spent and what is left."""
    spent = budget.spent
    dollars = f", ${spent.dollars:.2f}" if spent.dollars else ""
    unpriced = f", {spent.unpriced} calls of unknown price" if spent.unpriced else ""
    share = ", ".join(f"{left:,.0f} {name} left" for name, left in budget.left().items())
    return f"{spent.calls} model calls, {spent.tokens:,} tokens{dollars}{unpriced}{'; ' + share if share else ''}"


def _environment(config: SearchConfig) -> Path | None:
    return Path(config.environment) if config.environment else None
