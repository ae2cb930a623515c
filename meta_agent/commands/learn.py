"""``adas learn``: the archive becomes data, the data an adapter, the adapter a local model that must win its place."""

from __future__ import annotations

import json
import shlex
import sys
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from archive import Archive
    from meta_agent.learning.loop import LoopSettings
    from meta_agent.learning.training.settings import TrainSettings
    from meta_agent.learning.training.train import Progress
    from meta_agent.llm import Gateway
    from meta_agent.llm.learned import LearnedModel


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
    domains = tuple(_at_hand(holdout, console))
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


def _at_hand(holdout: str, console: Console) -> Iterator[str]:
    """Yield the domains whose data is here; say of the others that nothing can be held out of them."""
    from domains import DomainError, load_domain

    for name in filter(None, holdout.split(",")):
        try:
            load_domain(name)
        except DomainError as error:
            console.print(f"Nothing of {name} is held out: {error}", soft_wrap=True, markup=False)
        else:
            yield name


def _must_exist(places: tuple[str, ...]) -> None:
    """Refuse a path at which there is no archive: opening it would make an empty one."""
    from meta_agent.errors import UserError

    for place in places:
        if "://" not in place and not Path(place).is_file():
            raise UserError(f"no archive at {place}: `adas search` makes one, --archive names another")


@learn.command()
@click.argument("name")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("pairs", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--json", "as_json", is_flag=True, help="Print what is kept of the model as JSON.")
def train(name: str, folder: Path, pairs: tuple[str, ...], *, as_json: bool) -> None:
    """Train a LoRA on the data in FOLDER and register it as local/NAME.

    Settings are KEY=VALUE: base, method (sft, dpo, rpo, sppo, srpo), kinds, rank, rate, epochs, batch, length, seed and
    the rest of docs/learning.md. The same command again goes on where it was cut off.
    """
    from meta_agent.learning.training.settings import load_settings

    model = _train(name, folder, load_settings(_pairs(pairs)))
    if as_json:
        click.echo(json.dumps({"name": model.name, **model.about}))
        return
    click.echo(
        f"{model.name} is ready: `adas search --model {model.name}`. With vLLM:\n{model.vllm_command()}"
    )


@learn.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("pairs", nargs=-1, metavar="[KEY=VALUE]...")
@click.option(
    "--archive", "places", multiple=True, metavar="PATH", help="Older archives to learn from too; repeatable."
)
@click.option("--controls", is_flag=True, help="Train and test the controls too.")
@click.option(
    "--engine", type=click.Choice(["auto", "llamacpp", "vllm"]), default="auto", help="For local models."
)
@click.option("--report", type=click.Path(path_type=Path), help="Write the table as Markdown.")
@click.option("--json", "as_json", is_flag=True, help="Print what was decided as JSON.")
def loop(
    folder: Path,
    pairs: tuple[str, ...],
    places: tuple[str, ...],
    engine: str,
    report: Path | None,
    *,
    controls: bool,
    as_json: bool,
) -> None:
    """Run rounds of search, harvest, training and gate in FOLDER, and one sealed test at the end.

    A new model replaces the old one only if it wins on the selection split with fresh draws. The same command again
    goes on where it stopped.
    """
    from rich.console import Console

    from archive import Archive
    from meta_agent.learning import results
    from meta_agent.learning.loop import Loop
    from sandboxes import ProcessSandbox

    console = Console(stderr=as_json, highlight=False)
    settings = _loop_settings(pairs, controls)
    _must_exist(places)
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        archive = stack.enter_context(Archive(folder / "archive.db"))
        extra = [stack.enter_context(Archive(place)) for place in places]
        sandbox = stack.enter_context(closing(ProcessSandbox()))
        crew = _Crew(archive, settings, engine, console)
        state = Loop(folder, settings, archive, sandbox, crew, extra, report=console.print)()
    text = results.report(state, shlex.join(["adas", *sys.argv[1:]]))
    (folder / "results.md").write_text(text)
    if report:
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_text(text)
    if as_json:
        click.echo(json.dumps(state))
    else:
        console.print(text, soft_wrap=True, markup=False)


@learn.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--model", default="local/qwen2.5-coder-1.5b", show_default=True, help="Does every stage.")
@click.option(
    "--seeds",
    "places",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    help="Python files or folders to take seed functions from (default: Python's own library); repeatable.",
)
@click.option(
    "--most", type=click.IntRange(min=1), default=2000, show_default=True, help="Functions looked at."
)
@click.option("--responses", type=click.IntRange(min=1), default=10, show_default=True, help="A task.")
@click.option(
    "--self-invoking", is_flag=True, help="Make tasks that need the seed function, as HumanEval Pro does."
)
@click.option(
    "--seed", default=0, show_default=True, help="Of draws and choices, and of the held-out splits."
)
@click.option(
    "--holdout", default="humaneval,mbpp", show_default=True, help="Domains that no task may give away."
)
@click.option("--budget", help="20k-tokens, 300-calls, 15m, or several with commas.")
@click.option(
    "--engine", type=click.Choice(["auto", "llamacpp", "vllm"]), default="auto", help="For local models."
)
def synthesize(
    folder: Path,
    model: str,
    places: tuple[Path, ...],
    most: int,
    responses: int,
    seed: int,
    holdout: str,
    budget: str | None,
    engine: str,
    *,
    self_invoking: bool,
) -> None:
    """Let a model make its own tasks and verified answers, and write them to FOLDER as training data.

    Every stage is kept in FOLDER.stages: the same command goes on where it stopped.
    """
    import random

    from rich.console import Console

    from meta_agent.learning.card import write
    from meta_agent.learning.heldout import Heldout, whole
    from meta_agent.learning.synthesis import Synthesis, read_seeds, unfit
    from meta_agent.llm import Budget, open_gateway
    from sandboxes import ProcessSandbox

    console = Console(stderr=True, highlight=False)
    folders = [path.glob("**/*.py") if path.is_dir() else [path] for path in places]
    library = Path(json.__file__).parent.parent.glob("*.py")
    files = sorted(file for group in folders or [library] for file in group)
    functions = [one for one in read_seeds(files) if not self_invoking or not unfit(one.source)]
    chosen = random.Random(seed).sample(functions, min(most, len(functions)))  # noqa: S311
    heldout = Heldout(whole(name, seed) for name in _at_hand(holdout, console))
    with ExitStack() as stack:
        limit = Budget.parse(budget) if budget else Budget()
        gateway = stack.enter_context(open_gateway(budget=limit, engine=engine))  # type: ignore[arg-type]
        sandbox = stack.enter_context(closing(ProcessSandbox()))
        synthesis = Synthesis(
            gateway,
            model,
            sandbox,
            folder.with_name(f"{folder.name}.stages"),
            heldout,
            responses=responses,
            seed=seed,
            workers=gateway.backend(model).concurrency or 16,
            report=console.print,
        )
        harvest = synthesis.self_invoking(chosen) if self_invoking else synthesis(chosen)
    about = {"command": shlex.join(["adas", *sys.argv[1:]]), "seed": seed, "heldout": f"{len(heldout)} tasks"}
    write(harvest, folder, about)
    for what, count in harvest.counts.items():
        click.echo(f"{count:8,} {what}")


@learn.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("pairs", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--trials", type=click.IntRange(min=1), default=20, show_default=True, help="Settings to try.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def tune(folder: Path, pairs: tuple[str, ...], trials: int, *, as_json: bool) -> None:
    """Search for rank, modules, layers and rate on the data in FOLDER; steps=N says how long a trial trains.

    Loss on held-back tasks against number of parameters. The figure printed is of seeds that nothing was tuned on.
    """
    from dataclasses import asdict

    from rich.console import Console

    from meta_agent.learning.training.settings import load_settings
    from meta_agent.learning.training.tuning import tune as run

    found = run(folder, load_settings(_pairs(pairs)), trials, Console(stderr=True, highlight=False).print)
    if as_json:
        click.echo(json.dumps(asdict(found)))
        return
    click.echo(
        f"loss {found.loss:.4f} (spread {found.spread:.4f}) with {found.parameters:,} parameters; "
        f"{found.default_loss:.4f} with the settings it began with"
    )
    texts = {k: ",".join(map(str, v)) if isinstance(v, tuple) else v for k, v in found.settings.items()}
    click.echo("adas learn train NAME " + shlex.join([str(folder), *(f"{k}={v}" for k, v in texts.items())]))


class _Crew:
    """Does for the loop what needs models, searches and PyTorch."""

    def __init__(self, archive: Archive, settings: LoopSettings, engine: str, console: Console) -> None:
        self.archive = archive
        self.settings = settings
        self.engine = engine
        self.console = console

    def gateway(self) -> Gateway:
        from meta_agent.llm import open_gateway

        run = f"loop-{self.settings.name}"
        return open_gateway(ledger=self.archive.add_call, run=run, engine=self.engine)  # type: ignore[arg-type]

    def search(self, archive: Archive, run: str, domain: str, model: str) -> None:
        from archive import Run
        from domains import load_domain
        from meta_agent.commands.search import run_search
        from meta_agent.config import load_config, validate

        known = {each.id: each for each in archive.runs()}
        if run not in known:
            config = load_config(
                self.settings.search,
                domain=domain,
                model=model,
                engine=self.engine,
                seed=self.settings.seed,
                selection_tasks=1,
                test_tasks=1,
                budget=self.settings.search_budget or None,
                meta_model=self.settings.meta_model or None,
            )
            loaded = load_domain(domain, seed=config.seed)
            archive.add_run(Run(run, "search", loaded.name, loaded.version, config.model_dump(mode="json")))
            known[run] = archive.run(run)
        if known[run].state != "done":
            run_search(archive, run, validate(known[run].config), self.console)

    def train(self, name: str, data: Path, settings: dict[str, Any]) -> None:
        from meta_agent.learning.training.settings import load_settings

        _train(name, data, load_settings(settings))


def _train(name: str, folder: Path, settings: TrainSettings) -> LearnedModel:
    """Train with a line of progress."""
    from rich.console import Console

    from meta_agent.learning.training.train import train as run

    console = Console(stderr=True, highlight=False)
    with console.status("training") as status:

        def observe(progress: Progress) -> None:
            left = (progress.steps - progress.step) * progress.seconds / 60
            text = f"step {progress.step} of {progress.steps}, loss {progress.loss:.3f}"
            status.update(f"{text}, {progress.seconds:.1f} s a step, about {left:.0f} min left")
            if not console.is_terminal:
                console.print(text)

        return run(name, folder, settings, console.print, observe)


def _loop_settings(pairs: tuple[str, ...], controls: bool) -> LoopSettings:
    """Read ``key=value``; ``train.key=value`` goes to the training."""
    from meta_agent.config import validated
    from meta_agent.learning.loop import LoopSettings
    from meta_agent.learning.training.settings import load_settings

    given = _pairs(pairs)
    fields: dict[str, object] = {
        key: tuple(value.split(",")) if key in ("domains", "temperatures", "thresholds") else value
        for key, value in given.items()
        if not key.startswith("train.")
    }
    fields["train"] = {key.removeprefix("train."): value for key, value in given.items() if key not in fields}
    load_settings({"base": fields.get("base", "local/x"), **fields["train"]})  # type: ignore[dict-item]
    return validated(LoopSettings, {**fields, "controls": controls})


def _pairs(pairs: tuple[str, ...]) -> dict[str, str]:
    from meta_agent.config import read_pairs

    return read_pairs(pairs, "epochs=2")
