"""``adas doctor``: what is here, what is missing, and how to get it; probed by doing."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sqlite3
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

_NOT_STOPPED = {
    "process:L2": "a bug in the kernel; side channels",
    "process:L1": "the same; the host's name, process numbers and that files exist are visible; one user for all",
    "bwrap": "a bug in the kernel; a flood of empty files, which takes kernel memory",
    "gvisor": "a bug in gVisor and the kernel together; no children; memory of the engine itself is not bounded",
    "docker": "a bug in the kernel, or in the engine, whose daemon is root",
    "podman": "a bug in the kernel",
    "e2b": "a bug in the hypervisor; programs leave this machine",
}
"""What each sandbox does not stop, see docs/sandbox.md."""
_KEYS = (
    "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "OPENROUTER_API_KEY", "GROQ_API_KEY", "MISTRAL_API_KEY",
    "DEEPSEEK_API_KEY", "TOGETHER_API_KEY", "E2B_API_KEY",
)  # fmt: skip


@click.command()
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="MODEL",
    help="Ask this model for a word, to see that it answers.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(models: tuple[str, ...], as_json: bool) -> None:
    """Tell what is here, what is missing and how to get it; exit code 1 when no sandbox works or a MODEL is silent."""
    from meta_agent.commands.table import show

    parts = {
        **({"asked": list(map(_asked, models))} if models else {}),
        "sandboxes": list(_sandboxes()),
        "engines": list(_engines()),
        "models": list(_models()),
        "data": list(_data()),
        "machine": list(_machine()),
    }
    if as_json:
        click.echo(json.dumps(parts))
    else:
        for name, rows in parts.items():
            show(["", name, ""], [["✓" if row["ok"] else "·", row["name"], row["about"]] for row in rows])
            click.echo()
    silent = not all(row["ok"] for row in parts.get("asked", ()))
    if silent or not any(row["ok"] for row in parts["sandboxes"]):
        sys.exit(1)


def _row(name: str, ok: bool, about: str) -> dict[str, Any]:
    return {"name": name, "ok": ok, "about": about}


def _asked(model: str) -> dict[str, Any]:
    """Ask a model for one word, never from the cache and without trying again for long."""
    from meta_agent.errors import OutageError, RequestError, UserError
    from meta_agent.llm import Cache, Retries, open_gateway
    from meta_agent.llm.llm import Message, Request

    request = Request(model, (Message("user", "Reply with the word yes."),), max_tokens=8)
    started = time.monotonic()
    try:
        with open_gateway(cache=Cache(), retries=Retries(patience_s=2.0), timeout_s=30.0) as gateway:
            reply = gateway.complete(request).text
    except (OutageError, RequestError, UserError) as error:
        return _row(model, ok=False, about=str(error))
    return _row(
        model, ok=True, about=f"answers {reply.strip()[:40]!r} after {time.monotonic() - started:.1f} s"
    )


def _sandboxes() -> Iterator[dict[str, Any]]:
    """Open each sandbox, which runs a program in it."""

    def probe(name: str) -> dict[str, Any]:
        from sandboxes import SandboxUnavailableError, open_sandbox

        try:
            open_sandbox(name).close()
        except SandboxUnavailableError as error:
            return _row(name, ok=False, about=str(error))
        return _row(name, ok=True, about=f"does not stop: {_NOT_STOPPED[name]}")

    with ThreadPoolExecutor() as pool:
        yield from pool.map(probe, _NOT_STOPPED)


def _engines() -> Iterator[dict[str, Any]]:
    from importlib.util import find_spec

    from meta_agent.llm.engines.environment import installed_python

    found = find_spec("xllamacpp") is not None
    yield _row("llamacpp", found, "in this environment" if found else "pip install xllamacpp")
    python = installed_python()
    yield _row(
        "vllm", python is not None, str(python or "faster for a crowd: adas models engine install vllm")
    )
    for name in filter(os.environ.get, _KEYS):
        yield _row(name, ok=True, about="set")


def _models() -> Iterator[dict[str, Any]]:
    from meta_agent.llm.catalogue import CATALOGUE

    for model in CATALOGUE:
        here = model.path.is_file()
        missing = f"adas models pull {model.name} ({model.bytes / 1e6:.0f} MB)"
        yield _row(model.name, here, str(model.path) if here else missing)


def _data() -> Iterator[dict[str, Any]]:
    """Load each benchmark, from where it is without going online."""
    os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"
    from domains import BENCHMARKS, DomainError, load_domain

    for name in BENCHMARKS:
        spec = f"{name}:chain_sum" if name == "reasoning-gym" else name
        try:
            domain = load_domain(spec, sizes={"search": 1, "selection": 1, "test": 1})
        except DomainError as error:
            yield _row(name, ok=False, about=str(error))
        else:
            yield _row(name, ok=True, about=f"version {domain.version}")


def _machine() -> Iterator[dict[str, Any]]:
    from archive import default_path
    from meta_agent.llm.catalogue import models_home

    yield _row("python", sys.version_info >= (3, 11), f"{platform.python_version()}, {platform.platform()}")
    yield _row("processors", ok=True, about=f"{os.cpu_count()}")
    for what, place in (("disk for models", models_home()), ("disk for archives", Path(default_path()))):
        existing = next(path for path in (place, *place.parents) if path.exists())
        free = shutil.disk_usage(existing).free
        yield _row(what, free > 2 << 30, f"{free / 1e9:.1f} GB free at {existing}")
    yield _archive(default_path())


def _archive(path: str) -> dict[str, Any]:
    """Read the schema version of the archive, which opening it would raise."""
    from archive.schema import version

    if "://" in path:
        return _row("archive", ok=True, about=f"a database that was not asked: {path.partition('@')[2]}")
    if not Path(path).is_file():
        return _row("archive", ok=True, about=f"none yet: {path}")
    try:
        with closing(sqlite3.connect(f"{Path(path).absolute().as_uri()}?mode=ro", uri=True)) as connection:
            (found,) = connection.execute("select version from adas_schema").fetchone()
    except (sqlite3.Error, TypeError) as error:
        return _row("archive", ok=False, about=f"{path} is no archive: {error}")
    return _row("archive", found <= version(), f"schema {found} (this program writes {version()}) in {path}")
