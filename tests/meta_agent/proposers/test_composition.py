from __future__ import annotations

import json
import random
import re

import pytest

from meta_agent.check import check
from meta_agent.composition import HAND, agent_space, at_random, walk
from meta_agent.proposers.composition import CompositionProposer
from tests.meta_agent.proposers.members import member, turn

SEEDS = tuple(member(name, "1100") for name in HAND["code"])


def compositions(count: int) -> list[object]:
    proposer = CompositionProposer(kind="code", calls=8)
    members = []
    for n in range(count):
        proposal = proposer.written(walk(agent_space("code", 8), at_random(random.Random(n)))[0])
        members.append(member(f"c{n}", "1010", source=proposal.source, proposer="composition"))
    return members


@pytest.mark.parametrize("search", ["smbo", "mcts"])
def test_a_generation_of_new_programs_without_a_call(search: str) -> None:
    proposer = CompositionProposer(kind="code", calls=8, search=search)  # type: ignore[arg-type]
    members = (*SEEDS, *compositions(5))
    sources = [proposer.propose(turn(*members, draw=80 + slot, slot=slot)).source for slot in range(8)]  # type: ignore[arg-type]
    assert len(set(sources)) == 8
    assert not [source for source in sources if check(source)]
    assert not set(sources) & {m.source for m in members}  # type: ignore[attr-defined]
    again = [proposer.propose(turn(*members, draw=80 + slot, slot=slot)).source for slot in range(8)]  # type: ignore[arg-type]
    assert again == sources


def test_what_a_program_is_made_of_is_read_back_from_it() -> None:
    proposer = CompositionProposer(kind="code", calls=8)
    choices, _ = walk(proposer.space, at_random(random.Random(4)))
    written = member("c", "10", source=proposer.written(choices).source, proposer="composition")
    forged = member("f", "10", source=written.source, proposer="mutation")
    assert list(proposer.known([written, forged]).values()) == [(choices, 0.5)]


def test_hand_designed_agents_are_known_points() -> None:
    known = CompositionProposer(kind="code", calls=8).known(SEEDS)
    assert len(known) == len(SEEDS)
    assert len(CompositionProposer(kind="code", calls=2).known(SEEDS)) < len(SEEDS)


def test_what_scored_well_is_built_upon() -> None:
    proposer = CompositionProposer(kind="code", calls=8)
    rng, members = random.Random(0), []
    for n in range(60):
        choices, _ = walk(proposer.space, at_random(rng))
        solved = "11" if choices["draft"] == "plan" else "00"
        members.append(
            member(f"c{n}", solved, source=proposer.written(choices).source, proposer="composition")
        )
    drafts = []
    for draw in range(20):
        source = proposer.propose(turn(*members, draw=draw)).source
        drafts.append(json.loads(re.findall(r"Composition: (.*)", source)[0])["draft"])
    assert drafts.count("plan") >= 15


def test_a_repair_is_another_program() -> None:
    proposer = CompositionProposer(kind="answer", calls=8)
    first = proposer.propose(turn(*SEEDS))
    again = [
        proposer.repair(first, "this program exists already", attempt, 0).source for attempt in (1, 2, 3)
    ]
    assert len({first.source, *again}) == 4


def test_a_name_says_what_it_is_made_of() -> None:
    proposer = CompositionProposer(kind="code", calls=12)
    choices = {
        "draft": "plan",
        "samples": 3,
        "way": "alike",
        "temperature": 0.5,
        "selection": "majority",
        "revision": "trace",
        "rounds": 1,
        "fallback": "direct",
        "fallback samples": 2,
    }
    assert proposer.written(choices).name == "composed: plan x3 by majority, trace x1, else direct x2"
    assert proposer.written(dict(HAND["code"]["direct"])).name == "composed: direct"
