"""A search over an endpoint that fails a third of its requests, and over one that is dead."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from archive import Archive, Run
from domains import load_domain
from meta_agent.agents import load_agent
from meta_agent.config import SearchConfig
from meta_agent.errors import OutageError
from meta_agent.evaluation import Allowance, Evaluator
from meta_agent.finish import Finish
from meta_agent.llm import Backend, Budget, Cache, Gateway, Retries
from meta_agent.llm.llm import Message, Request
from meta_agent.llm.openai_compatible import OpenAICompatible
from meta_agent.pace import Pace
from meta_agent.proposers import ReflectiveProposer
from meta_agent.search import Search
from tests.meta_agent import rehearsal
from tests.meta_agent.llm.endpoint import Endpoint, Fault, always, every_third_fails, healthy
from tests.meta_agent.rehearsal import write_tasks

if TYPE_CHECKING:
    from pathlib import Path

    from sandboxes import ProcessSandbox


def reply(messages: list[dict[str, str]], seed: int | None) -> str:
    """Play both models: the meta model is known by its system prompt."""
    turns = tuple(Message(m["role"], m["content"]) for m in messages)  # type: ignore[arg-type]
    request = Request("m", turns, sample=seed or 0)
    return (
        rehearsal.meta(request)
        if "You write agent programs" in messages[0]["content"]
        else rehearsal.agent(request)
    )


def search(folder: Path, sandbox: ProcessSandbox, fault: Fault, retries: Retries) -> dict[str, object]:
    folder.mkdir()
    domain = load_domain(
        str(write_tasks(folder.parent / "plus.jsonl")), sizes={"search": 4, "selection": 3, "test": 4}
    )
    config = SearchConfig(generations=2, width=2, finalists=1)
    seeds = [load_agent("direct"), load_agent("self_consistency")]
    with (
        Endpoint(fault, reply=reply) as endpoint,
        Archive(folder / "archive.db") as archive,
        closing(sqlite3.connect(":memory:", check_same_thread=False)) as checkpoints,
        Gateway(
            lambda _: Backend(OpenAICompatible(endpoint.url, "m", timeout_s=0.5), 4),
            cache=Cache(folder / "llm.db"),
            ledger=archive.add_call,
            run="r",
            retries=retries,
        ) as gateway,
    ):
        from langgraph.checkpoint.sqlite import SqliteSaver

        archive.add_run(Run(id="r", kind="search", domain=domain.name, domain_version=domain.version))
        evaluator = Evaluator(
            archive=archive,
            domain=domain,
            gateway=gateway,
            sandbox=sandbox,
            model="m",
            workers=4,
            allowance=Allowance(calls=12),
        )
        proposer = ReflectiveProposer(gateway, "m", description="", kind="code")
        try:
            Search(
                run="r",
                config=config,
                domain=domain,
                archive=archive,
                evaluator=evaluator,
                proposers=[proposer],
                seeds=seeds,
            )(SqliteSaver(checkpoints))
            pace = Pace(Budget(), config.finish_share)
            Finish(run="r", config=config, domain=domain, archive=archive, evaluator=evaluator, pace=pace)()
        finally:
            evaluator.close()
            evaluations = archive.evaluations(run="r")
            content = {
                "members": [
                    (m.program, m.generation, m.slot, m.parents, m.repairs) for m in archive.members("r")
                ],
                "failures": sorted(
                    (f.generation, f.slot, f.attempt, f.stage, f.reason) for f in archive.failures("r")
                ),
                "scores": sorted(
                    (e.program, e.split, r.task, r.score, r.failure)
                    for e in evaluations
                    for r in archive.rollouts(e.id)
                ),
            }
            content["answered"] = endpoint.answered
            search.content = content  # type: ignore[attr-defined]
    return content


def test_a_faulty_endpoint_gives_the_archive_of_a_healthy_one(
    tmp_path: Path, sandbox: ProcessSandbox
) -> None:
    patient = Retries(first_s=0.05, longest_s=0.2, attempts=40)
    assert search(tmp_path / "faulty", sandbox, every_third_fails, patient) == search(
        tmp_path / "healthy", sandbox, healthy, patient
    )


@pytest.mark.parametrize("fault", ["500", "hang"])
def test_a_dead_endpoint_pauses_with_one_line_and_scores_nothing(
    tmp_path: Path, sandbox: ProcessSandbox, fault: str
) -> None:
    with pytest.raises(OutageError) as caught:
        search(
            tmp_path / "dead", sandbox, always(fault), Retries(patience_s=1.0, first_s=0.05, longest_s=0.2)
        )
    assert "\n" not in str(caught.value)
    assert search.content["scores"] == []  # type: ignore[attr-defined]
