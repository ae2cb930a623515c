from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from archive import Archive, Evaluation, Member, Program, Rollout, Run
from meta_agent.assistant import provenance
from meta_agent.assistant.agents import DEFAULT_MODEL, archived_agents, find_agent
from meta_agent.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from archive import Split


def program(name: str, number: int) -> Program:
    return Program(
        source=f"def forward(task, kit):\n    return {number}", name=name, thought=f"Idea {number}."
    )


PROGRAMS = [
    program("Plan, Draft & Repair", 1),
    program("plan-draft-repair", 2),
    program("best", 3),
    program("old", 4),
]
ONE, TWO, BEST, OLD = PROGRAMS


def measure(archive: Archive, run: str, one: Program, split: Split, solved: int, model: str = "m") -> None:
    evaluation = Evaluation(run, one.id, "d", "1", split, model, 0, "s", 10)
    archive.add_evaluation(evaluation)
    for task in range(10):
        archive.add_rollout(Rollout(evaluation.id, f"t{task}", float(task < solved), calls=2, cost_usd=0.0))


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive(tmp_path / "archive.db") as store:
        for run in ("r1", "r2"):
            store.add_run(Run(id=run, kind="search", domain="d", domain_version="1"))
        for one in PROGRAMS:
            store.add_program(one)
        store.add_member(Member("r2", OLD.id, 0, 0))
        store.add_member(Member("r2", ONE.id, 1, 0, parents=(OLD.id,), proposer="reflective"))
        measure(store, "r1", OLD, "search", 10, "older")
        for one, solved in ((ONE, 5), (TWO, 9), (BEST, 7)):
            measure(store, "r2", one, "search", solved)
        store.open_split("r2", "test", [ONE.id, BEST.id])
        measure(store, "r2", ONE, "test", 8)
        measure(store, "r2", BEST, "test", 3)
        yield store


def test_the_last_runs_sealed_test_comes_first(archive: Archive) -> None:
    agents = archived_agents(archive)
    assert [agent.program.id for agent in agents] == [ONE.id, BEST.id, TWO.id, OLD.id]
    assert [agent.name for agent in agents] == [
        "plan-draft-repair",
        f"best-{BEST.id[:6]}",
        f"plan-draft-repair-{TWO.id[:6]}",
        "old",
    ]
    assert [agent.model for agent in agents] == ["m", "m", "m", "older"]
    assert agents[0].standing
    assert (agents[0].standing.evaluation.split, agents[0].standing.mean) == ("test", 0.8)
    assert {agent.model for agent in archived_agents(archive, "other")} == {"other"}


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("best", ONE),
        ("old", OLD),
        ("Plan, Draft & Repair", ONE),
        (TWO.id, TWO),
        (TWO.id[:6], TWO),
        (f"best-{BEST.id[:6]}", BEST),
    ],
)
def test_an_agent_is_found(archive: Archive, name: str, found: Program) -> None:
    assert find_agent(name, archive).program.id == found.id


def test_a_hand_designed_agent_is_found_without_an_archive() -> None:
    agent = find_agent("self-debug", None)
    assert (agent.name, agent.model, agent.standing) == ("self-debug", DEFAULT_MODEL, None)
    assert find_agent("chat_repair", None, "m").model == "m"


def test_who_is_not_there_is_told(archive: Archive, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown agent"):
        find_agent("nobody", archive)
    with pytest.raises(UserError, match="no best agent: there is no archive"):
        find_agent("best", None)
    with pytest.raises(UserError, match="`adas portfolio` makes one"):
        find_agent("portfolio", archive)
    with Archive(tmp_path / "empty.db") as empty, pytest.raises(UserError, match="nothing was measured"):
        find_agent("best", empty)


def test_the_newest_portfolio_is_an_agent(archive: Archive) -> None:
    for number in (5, 6):
        archive.add_program(program(f"portfolio of 2: a, b{number}", number))
    agent = find_agent("portfolio", archive)
    assert agent.program.name == "portfolio of 2: a, b6"
    assert agent.model == "m"
    assert archived_agents(archive)[-1] == agent


def test_a_score_card_and_where_it_comes_from(archive: Archive) -> None:
    card = provenance.score_card(archive, ONE.id)
    assert [(row["split"], row["mean"]) for row in card["standings"]] == [("search", 0.5), ("test", 0.8)]
    (sealed,) = card["sealed_tests"]
    assert (sealed["run"], sealed["against"], sealed["n"]) == ("r2", "best", 10)
    assert sealed["difference"] == pytest.approx(0.5)
    words = provenance.lines(card)
    assert words[1].startswith("d, test: 80.0% of 10 tasks (95% ")
    assert "against best: +50.0%" in words[2]
    assert [(one["name"], one["generation"]) for one in provenance.ancestry(archive, ONE.id)] == [
        ("old", 0),
        ("Plan, Draft & Repair", 1),
    ]
    assert provenance.ancestry(archive, TWO.id) == []
    assert provenance.lines(provenance.score_card(archive, archive.add_program(program("x", 9)).id)) == [
        "nothing was measured of it"
    ]
