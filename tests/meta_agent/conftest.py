from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from archive import Archive, Run
from domains import Domain, load_domain
from meta_agent.evaluation import Allowance, Evaluator
from meta_agent.llm import FREE, Backend, Cache, Gateway, ScriptedLLM
from sandboxes import ProcessSandbox
from tests.meta_agent.rehearsal import agent, meta, write_tasks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def sandbox() -> Iterator[ProcessSandbox]:
    jail = ProcessSandbox()
    yield jail
    jail.close()


@dataclass
class Bench:
    """The parts of a search on the ``plus_K`` tasks with scripted models."""

    archive: Archive
    domain: Domain
    gateway: Gateway
    evaluator: Evaluator


@pytest.fixture
def bench(tmp_path: Path, sandbox: ProcessSandbox) -> Iterator[Bench]:
    domain = load_domain(
        str(write_tasks(tmp_path / "plus.jsonl")), sizes={"search": 6, "selection": 4, "test": 8}
    )
    replies = {"agent": agent, "meta": meta}
    with (
        Archive(tmp_path / "archive.db") as archive,
        Gateway(
            lambda model: Backend(ScriptedLLM(replies[model]), None, FREE),
            cache=Cache(),
            ledger=archive.add_call,
            run="r",
        ) as gateway,
    ):
        archive.add_run(Run(id="r", kind="search", domain=domain.name, domain_version=domain.version))
        evaluator = Evaluator(
            archive=archive,
            domain=domain,
            gateway=gateway,
            sandbox=sandbox,
            model="agent",
            workers=4,
            allowance=Allowance(calls=12),
        )
        yield Bench(archive, domain, gateway, evaluator)
        evaluator.close()
