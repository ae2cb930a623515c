"""A small archive that tests look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from archive import (
    Alarm,
    Archive,
    Call,
    Claim,
    Drop,
    Evaluation,
    Failure,
    Member,
    Opening,
    Program,
    Remark,
    Rollout,
    Run,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ATTACK = (
    "<script>window.pwned=1</script>\x1b[31mred\x1b]0;title\x07 \u202egnp.exe \0 \ud800 [bold]{{ 7*7 }} =1+1"
)
FLOOD = 10_000_000


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    """An empty archive."""
    with Archive(tmp_path / "archive.db") as opened:
        yield opened


@pytest.fixture
def filled(archive: Archive) -> Archive:
    """One run, ``r``: seeds ``direct`` and ``vote``, their child ``plan``, its child ``repair``; ten search tasks each.

    Program number i (in this order) solves the tasks ``t0`` to ``t(2i+1)``; each task takes it i + 1 calls of 10 + 5
    tokens, a tenth of a dollar and two seconds.
    """
    archive.add_run(Run("r", "search", "quiz", "v1", {"workers": 2}))
    programs = [
        archive.add_program(
            Program(f"def forward(task, kit):\n    return {i}\n", name, f"idea {i}", created=i + 1.0)
        )
        for i, name in enumerate(["direct", "vote", "plan", "repair"])
    ]
    a, b, c, d = (program.id for program in programs)
    archive.add_member(Member("r", a, 0, 0))
    archive.add_member(Member("r", b, 0, 1))
    archive.add_member(Member("r", c, 1, 0, (b, a), diff="-x\n+y\n", proposer="reflective"))
    archive.add_member(Member("r", d, 2, 0, (c,), repairs=1))
    for i, program in enumerate(programs):
        evaluation = Evaluation(
            "r", program.id, "quiz", "v1", "search", "local/tiny", 7, "exact", 10, created=i + 1.0
        )
        archive.add_evaluation(evaluation)
        for t in range(10):
            archive.add_rollout(
                Rollout(
                    evaluation.id,
                    f"t{t}",
                    float(t < 2 * i + 2),
                    answer=str(i),
                    failure="" if t else "TypeError: no",
                    calls=i + 1,
                    prompt_tokens=10,
                    completion_tokens=5,
                    cost_usd=0.1,
                    seconds=2.0,
                    trace=({"event": "log", "text": "hi"},),
                    created=100.0 + t,
                )
            )
    archive.add_failure(Failure("r", 1, 1, 0, "check", "no forward(task, kit)", source="x = 1"))
    archive.add_failure(Failure("r", 1, 1, 1, "try", "NameError: kitt"))
    archive.add_call(
        Call(
            "r",
            "meta",
            "big",
            "k1",
            cached=False,
            prompt_tokens=100,
            completion_tokens=20,
            cost_usd=0.5,
            seconds=1.0,
        )
    )
    archive.add_call(
        Call(
            "r",
            "agent",
            "big",
            "k1",
            cached=True,
            prompt_tokens=100,
            completion_tokens=20,
            cost_usd=0.5,
            seconds=0.0,
        )
    )
    archive.open_split("r", "test", [a, d])
    return archive


@pytest.fixture
def attacked(archive: Archive) -> Archive:
    """One run, ``h``, with every kind of record, in which every text is an attack, and an answer of 10 MB."""
    parent = Program(f"x = 1  # {ATTACK}", ATTACK, ATTACK, created=1.0)
    child = Program(f"y = 1  # {ATTACK}", f"{ATTACK} 2", ATTACK, created=2.0)
    evaluations = [
        Evaluation("h", one.id, ATTACK, "1", split, ATTACK, 0, ATTACK, 2, created=1.0)
        for one in (parent, child)
        for split in ("search", "test")
    ]
    steps = (
        {
            "op": "llm",
            "prompt": ATTACK,
            "system": ATTACK,
            "reply": ATTACK,
            "temperature": 0.5,
            "finish": "stop",
        },
        {"op": "llm", "prompt": 5},
        {"op": ATTACK, ATTACK: ATTACK, "tests": [ATTACK]},
    )
    archive.add_all(
        [
            Run("h", "search", ATTACK, ATTACK, {ATTACK: ATTACK}, created=1.0),
            parent,
            child,
            Member("h", parent.id, 0, 0, proposer=ATTACK),
            Member("h", child.id, 1, 0, (parent.id,), diff=f"-{ATTACK}\n+{ATTACK}\n", proposer=ATTACK),
            Claim("h", 1, ATTACK, parent.id, ATTACK),
            Opening("h", "test", tuple(sorted((parent.id, child.id))), 1.0),
            *evaluations,
            *(Rollout(e.id, ATTACK, 1.0, ATTACK, "", ATTACK, trace=steps, created=9.0) for e in evaluations),
            *(Rollout(e.id, "t", 0.0, "", ATTACK, created=9.0) for e in evaluations[1:]),
            Rollout(evaluations[0].id, "t", 0.0, "B" * FLOOD, created=9.0),
            Drop(evaluations[0].id, 2, 0.1, 0.1, 0.1, 0.1, ATTACK, 1, 1.0),
            Failure("h", 1, 1, 0, "try", ATTACK, ATTACK, 1.0),
            Alarm("h", "canary", ATTACK, parent.id, ATTACK, 1.0),
            Remark("h", parent.id, "note", ATTACK, 1.0),
            Call("h", ATTACK, ATTACK, ATTACK, False, 1, 1, None, 1.0, 5.0, ATTACK, ATTACK),
        ]
    )
    return archive
