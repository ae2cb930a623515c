"""``adas models``: the local models and the engines that serve them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

if TYPE_CHECKING:
    from meta_agent.learning.gguf_files import Stored
    from meta_agent.llm.engines.measure import Measurement

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def models() -> None:
    """Pull local models and install engines."""


@models.command("list")
@_json
def list_(as_json: bool) -> None:
    """List the local models, and which of them are here."""
    from meta_agent.llm.catalogue import CATALOGUE, models_home
    from meta_agent.llm.learned import learned_models

    learned = learned_models()
    rows: list[dict[str, Any]] = [
        {
            "name": model.name,
            "here": model.path.is_file(),
            "bytes": model.bytes,
            "parameters": model.parameters,
            "context": model.context,
            "chat_format": model.chat_format,
            "licence": model.licence,
            "about": model.about,
            "sha256": model.sha256,
            "path": str(model.path),
        }
        for model in CATALOGUE
    ]
    if as_json:
        trained = [
            {
                "name": m.name,
                "base": m.base,
                "adapter": m.adapter is not None,
                "path": str(m.folder),
                **m.about,
            }
            for m in learned
        ]
        click.echo(json.dumps([*rows, *trained], indent=2))
        return
    cells = [
        [
            row["name"],
            "yes" if row["here"] else "",
            f"{row['bytes'] / 1e6:.0f} MB",
            row["parameters"],
            f"{row['context']:,}",
            row["licence"],
        ]
        for row in rows
    ]
    _table(["model", "here", "size", "parameters", "context", "licence"], cells)
    if learned:
        _table(
            ["trained here", "from", "by", "rows"],
            [[m.name, m.base, m.about.get("method", ""), str(m.about.get("rows", ""))] for m in learned],
        )
    click.echo(f"Kept in {models_home()} (ADAS_MODELS names another folder).")


@models.command()
@click.argument("name")
@click.option(
    "--from",
    "source",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file you already have, instead of downloading.",
)
def pull(name: str, source: Path | None) -> None:
    """Download a model and verify it; goes on where a broken download stopped."""
    from meta_agent.llm import download
    from meta_agent.llm.catalogue import find

    click.echo(download.pull(find(name), source=source))


@models.command()
@click.argument("name")
def path(name: str) -> None:
    """Print where a model's file is; of an adapter, also the command that serves it with vLLM."""
    from meta_agent.errors import UserError
    from meta_agent.llm.catalogue import find
    from meta_agent.llm.learned import find_learned

    if learned := find_learned(name):
        click.echo(learned.adapter or learned.weights)
        if learned.adapter:
            click.echo(learned.vllm_command())
        return
    model = find(name)
    if not model.path.is_file():
        raise UserError(f"{model.name} is not here: `adas models pull {model.name}` downloads it")
    click.echo(model.path)


@models.command()
@click.argument("name")
def remove(name: str) -> None:
    """Delete a model's file, its weights made for vLLM, and what broken downloads left."""
    from meta_agent.llm import download
    from meta_agent.llm.catalogue import find
    from meta_agent.llm.learned import find_learned, remove_learned

    if learned := find_learned(name):
        click.echo(f"{learned.name}: {remove_learned(learned) / 1e6:.0f} MB freed")
        return
    model = find(name)
    freed = download.remove(model)
    click.echo(f"{model.name}: {freed / 1e6:.0f} MB freed" if freed else f"{model.name} is not here")


_stored = click.option(
    "--type",
    "stored",
    type=click.Choice(["q8_0", "f16", "f32"]),
    default="q8_0",
    show_default=True,
    help="How changed tensors are stored.",
)


@models.command()
@click.argument("new")
@click.argument("names", nargs=-1, required=True)
@click.option(
    "--alpha", default=1.0, show_default=True, help="Scale of the sum; 0.3 to 0.4 for several models."
)
@click.option("--keep", default=1.0, show_default=True, help="Share of a tensor's changes that stays.")
@click.option("--remove", default=0.0, show_default=True, help="Share, of the largest changes, that goes.")
@_stored
def merge(new: str, names: tuple[str, ...], alpha: float, keep: float, remove: float, stored: str) -> None:
    """Add what the trained models NAMES learned to their base, as local/NEW.

    Task arithmetic; with --keep 0.2 --remove 0.1 --alpha 0.3 Model Breadcrumbs.
    """
    from meta_agent.learning.combine import merge_models

    made = merge_models(names, new, alpha=alpha, keep=keep, remove=remove, stored=cast("Stored", stored))
    click.echo(f"{made.name}: {made.weights}")


@models.command()
@click.argument("name")
@click.argument("new")
@click.option("--share", default=1e-4, show_default=True, help="Of the weights that training could change.")
@_stored
def graft(name: str, new: str, share: float, stored: str) -> None:
    """Put the few weights that the training of NAME moved most onto its base, as local/NEW."""
    from meta_agent.learning.combine import graft_model

    done = graft_model(name, new, share=share, stored=cast("Stored", stored))
    click.echo(
        f"{done.model.name}: {done.weights:,} weights, {done.moved:.1%} of the squared change: {done.model.weights}"
    )


@models.command()
@click.argument("first")
@click.argument("second")
@click.option(
    "--share", default=1e-3, show_default=True, help="Of the weights, the most moved, that are compared."
)
def overlap(first: str, second: str, share: float) -> None:
    """Tell how alike two trained skills are: the share of their most moved weights in common."""
    from meta_agent.learning.combine import skill_overlap

    click.echo(f"{skill_overlap(first, second, share):.1%}")


@models.group()
def engine() -> None:
    """Look after what serves local models: llama.cpp, always there, and vLLM, faster for a crowd."""


@engine.command("list")
@_json
def list_engines(as_json: bool) -> None:
    """List the engines, and what was measured on this machine."""
    from meta_agent.llm.engines import measure
    from meta_agent.llm.engines.environment import installed_python
    from meta_agent.llm.engines.machine import describe

    python = installed_python()
    measured = [each for each in measure.remembered() if each.machine == describe()]
    rows = [
        {"engine": "llamacpp", "installed": True, "python": None},
        {"engine": "vllm", "installed": python is not None, "python": str(python) if python else None},
    ]
    if as_json:
        speeds = [_speed(each) for each in measured]
        click.echo(json.dumps({"machine": describe(), "engines": rows, "measured": speeds}, indent=2))
        return
    for row in rows:
        installed = "installed" if row["installed"] else "not installed: `adas models engine install vllm`"
        click.echo(f"{row['engine']:9} {installed}")
    click.echo(f"\nMeasured on this machine ({describe()}):")
    _measurements(measured)


@engine.command()
@click.argument("name", type=click.Choice(["vllm"]))
@click.option("--model", default="local/qwen2.5-coder-0.5b", show_default=True, help="Measured afterwards.")
@click.option(
    "--measure/--no-measure", default=True, help="Compare both engines afterwards.", show_default=True
)
def install(name: str, model: str, measure: bool) -> None:
    """Install vLLM in an environment of its own (5 GB and some minutes on a CPU).

    Also pulls the two models that a search takes by default, prepares them for vLLM, and measures both engines.
    """
    from rich.console import Console

    from meta_agent.config import SearchConfig
    from meta_agent.llm.engines import environment
    from meta_agent.llm.engines.vllm import dequantised, fastest_format
    from meta_agent.llm.local import model_path

    console = Console(stderr=True)
    with console.status("installing vLLM") as status:

        def report(line: str) -> None:
            status.update(f"installing vLLM: {line[: console.width - 24]}")

        python = environment.install(report)
    click.echo(f"{name} is installed: {python}")
    for field in ("model", "meta_model"):
        dequantised(model_path(SearchConfig.model_fields[field].default), python, fastest_format())
    if measure:
        _measure(model)


@engine.command("measure")
@click.argument("model", default="local/qwen2.5-coder-0.5b")
def measure_(model: str) -> None:
    """Time both engines with a small crowd of requests; the faster one serves from then on."""
    _measure(model)


@engine.command("remove")
@click.argument("name", type=click.Choice(["vllm"]))
def remove_engine(name: str) -> None:
    """Delete vLLM's environment and the weights made for it."""
    from meta_agent.llm.engines import environment

    environment.remove()
    click.echo(f"{name} is removed")


def _measure(model: str) -> None:
    from rich.console import Console

    from meta_agent.llm.catalogue import find
    from meta_agent.llm.engines import measure
    from meta_agent.llm.engines.environment import installed_python
    from meta_agent.llm.local import ENGINES, open_local

    name = model if model.endswith(".gguf") else find(model).name
    measured = []
    for each in ENGINES:
        if each == "vllm" and installed_python() is None:
            continue
        llm = open_local(name, engine=each)
        try:
            with Console(stderr=True).status(f"measuring {each}"):
                measured.append(measure.measure(llm, each, name, requests=12, in_flight=12, max_tokens=32))
        finally:
            llm.close()
        measure.remember(measured[-1])
    _measurements(measured)


def _measurements(measured: list[Measurement]) -> None:
    if not measured:
        click.echo("nothing yet: `adas models engine measure`")
        return
    cells = [
        [each.engine, each.model, str(each.in_flight), f"{each.tokens_per_second:.0f}"] for each in measured
    ]
    _table(["engine", "model", "in flight", "tokens/s"], cells)


def _speed(measurement: Measurement) -> dict[str, Any]:
    from dataclasses import asdict

    return {**asdict(measurement), "tokens_per_second": round(measurement.tokens_per_second, 1)}


def _table(header: list[str], rows: list[list[str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in header:
        table.add_column(name, no_wrap=True)
    for row in rows:
        table.add_row(*row)
    Console().print(table)
