"""Every block, of both kinds of task, renders to a program that passes the check and runs in the jail."""

from __future__ import annotations

import json
import random
import re
from typing import TYPE_CHECKING

import pytest

from archive import Archive, Program, Run
from domains import load_domain
from meta_agent.check import check, fingerprint
from meta_agent.composition import HAND, agent_space, at_random, made, walk
from meta_agent.evaluation import Allowance, Evaluator
from meta_agent.llm import FREE, Backend, Cache, Gateway, ScriptedLLM
from tests.meta_agent.rehearsal import write_tasks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from meta_agent.composition import Choices
    from meta_agent.composition.drafts import Kind
    from meta_agent.llm.llm import Request
    from sandboxes import ProcessSandbox

CALLS = 8
KINDS: tuple[Kind, ...] = ("code", "answer")


def designs(kind: Kind, count: int, calls: int = CALLS) -> dict[str, Choices]:
    space = agent_space(kind, calls)
    drawn = (walk(space, at_random(random.Random(n))) for n in range(count))
    return {source: choices for choices, source in drawn}


def covering(kind: Kind) -> list[str]:
    """Return programs in which every option of every choice occurs."""
    left = {choice for choices in designs(kind, 1000).values() for choice in choices.items()}
    chosen = []
    for source, choices in designs(kind, 1000).items():
        if left & set(choices.items()):
            chosen.append(source)
            left -= set(choices.items())
    return chosen


@pytest.mark.parametrize("kind", KINDS)
def test_every_program_passes_the_check_and_differs_from_the_others(kind: Kind) -> None:
    found = designs(kind, 1000)
    assert len(found) > 500
    assert not [source for source in found if check(source)]
    assert len({fingerprint(source) for source in found}) == len(found)
    assert len({json.dumps(choices) for choices in found.values()}) == len(found)


@pytest.mark.parametrize("kind", KINDS)
def test_programs_read_well(kind: Kind) -> None:
    for source in covering(kind):
        assert max(len(line) for line in source.splitlines()) <= 120, source
        assert len(source.splitlines()) < 90, source
        assert source.count('"""') in (2, 4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("calls", [1, 2, 3, 5])
def test_a_small_allowance_leaves_fewer_choices(kind: Kind, calls: int) -> None:
    costs = [int(re.findall(r"at most (\d+) calls", source)[0]) for source in designs(kind, 300, calls)]
    assert max(costs) == calls


@pytest.mark.parametrize("kind", KINDS)
def test_the_hand_designed_agents_are_points_of_the_space(kind: Kind) -> None:
    for choices in HAND[kind].values():
        found, _ = walk(agent_space(kind, CALLS), made(choices))
        assert found.items() <= choices.items()


def answer(request: Request) -> str:
    """Answer a question for 12, wrongly when the reply is greedy; by a program when one is asked for."""
    prompt = request.messages[-1].content
    value = 12 if request.temperature else 13
    if "solve()" in prompt:
        return f"```python\ndef solve():\n    return {value}{'' if request.sample % 2 else ' + missing'}\n```"
    return f"It is so.\nAnswer: {value}"


def code(request: Request) -> str:
    """Write ``plus_K``, wrongly at first, rightly once it is sampled or shown a failure."""
    prompt = request.messages[-1].content
    found = re.search(r"plus_(\d+)\(", prompt)
    if "Write five different tests" in prompt and found:
        return f"```python\nassert plus_{found[1]}(2) == {int(found[1]) + 2}\nno test\n```"
    if not found or "Do not" in prompt:
        return "Add the number."
    right = request.sample or "fails" in prompt or "reviewer" in prompt
    return f"```python\ndef plus_{found[1]}(x):\n    return x {'+' if right else '-'} {found[1]}\n```"


@pytest.fixture(params=KINDS)
def stage(
    request: pytest.FixtureRequest, tmp_path: Path, sandbox: ProcessSandbox
) -> Iterator[tuple[Kind, Evaluator]]:
    kind: Kind = request.param
    path = write_tasks(tmp_path / "tasks.jsonl")
    rows = [json.loads(line) | {"visible_tests": []} for line in path.read_text().splitlines()[:4]]
    if kind == "answer":
        rows = [{"prompt": f"{n}: How many in a dozen?", "answer": "12"} for n in range(4)]
    untested = tmp_path / "untested.jsonl"
    untested.write_text("".join(json.dumps(row) + "\n" for row in rows))
    tasks = untested if kind == "answer" or request.function.__name__.endswith("without_tests") else path
    domain = load_domain(str(tasks), sizes={"search": 2, "selection": 1, "test": 1})
    with (
        Archive(tmp_path / "archive.db") as archive,
        Gateway(
            lambda _: Backend(ScriptedLLM(code if kind == "code" else answer), None, FREE), cache=Cache()
        ) as gateway,
    ):
        archive.add_run(Run(id="r", kind="evaluate", domain=domain.name, domain_version=domain.version))
        evaluator = Evaluator(
            archive=archive,
            domain=domain,
            gateway=gateway,
            sandbox=sandbox,
            model="agent",
            allowance=Allowance(calls=CALLS, tokens=12_000),
        )
        yield kind, evaluator
        evaluator.close()


def run_every_block(kind: Kind, evaluator: Evaluator) -> None:
    (task, _) = evaluator.domain.tasks("search")
    scores = []
    for source in covering(kind):
        rollout = evaluator.attempt(Program(source=source, name="composed"), task)
        assert not rollout.failure, f"{source}\n{rollout.failure}"
        assert rollout.calls <= int(re.findall(r"at most (\d+) calls", source)[0]), source
        scores.append(rollout.score)
    assert set(scores) == {0.0, 1.0}


def test_every_block_runs_and_keeps_within_its_calls(stage: tuple[Kind, Evaluator]) -> None:
    run_every_block(*stage)


@pytest.mark.parametrize("stage", ["code"], indirect=True)
def test_every_block_runs_without_tests(stage: tuple[Kind, Evaluator]) -> None:
    run_every_block(*stage)
