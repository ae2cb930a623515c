"""A small archive that tests look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from archive import Archive, Call, Evaluation, Failure, Member, Program, Rollout, Run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


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
