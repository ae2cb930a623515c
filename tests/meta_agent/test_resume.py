"""``kill -9`` at any moment, then ``--resume``: the same archive as if nothing had happened, and nothing paid twice."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from archive import Archive
from tests.meta_agent.rehearsal import write_tasks

ROOT = Path(__file__).parents[2]
WORKERS, WIDTH, DRAWS = 4, 3, 4
SETTINGS = [
    "model=scripted:tests.meta_agent.rehearsal:agent",
    "meta_model=scripted:tests.meta_agent.rehearsal:meta",
    "agents=direct,self_consistency,self_debug",
    "generations=3",
    f"width={WIDTH}",
    f"workers={WORKERS}",
    "search_tasks=5",
    "selection_tasks=4",
    "test_tasks=6",
    "race_block=2",
    "race_risk=0.4",
]


@dataclass
class Place:
    folder: Path

    def start(self, resume: bool = False) -> subprocess.Popen[str]:
        self.folder.mkdir(exist_ok=True)
        tasks = self.folder.parent / "plus.jsonl"
        arguments = ["--resume"] if resume else [str(write_tasks(tasks)), "--preset", "smoke", *SETTINGS]
        environment = {
            **os.environ,
            "ADAS_ARCHIVE": str(self.folder / "archive.db"),
            "ADAS_CACHE": str(self.folder / "llm.db"),
            "REHEARSAL_CALLS": str(self.folder / "calls"),
            "PYTHONPATH": str(ROOT),
        }
        return subprocess.Popen(
            [sys.executable, "-m", "meta_agent", "search", *arguments],
            cwd=ROOT,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def finish(self) -> None:
        process = self.start(resume=self.begun())
        output, _ = process.communicate(timeout=100)
        assert process.returncode == 0, output

    def begun(self) -> bool:
        if not (self.folder / "archive.db").exists():
            return False
        with Archive(self.folder / "archive.db") as archive:
            return bool(archive.runs())

    def paid(self) -> int:
        return (self.folder / "calls").stat().st_size

    def content(self) -> dict[str, object]:
        """Everything but times and the run's random name."""
        with Archive(self.folder / "archive.db") as archive:
            (run,) = archive.runs()
            program_of = {e.id: e.program for e in archive.evaluations(run=run.id)}
            return {
                "members": [
                    (m.program, m.generation, m.slot, m.parents, m.repairs, m.diff, m.proposer)
                    for m in archive.members(run.id)
                ],
                "failures": sorted(
                    (f.generation, f.slot, f.attempt, f.stage, f.reason, f.source)
                    for f in archive.failures(run.id)
                ),
                "scores": sorted(
                    (e.program, e.split, r.task, r.score, r.answer, r.calls, r.failure)
                    for e in archive.evaluations(run=run.id)
                    for r in archive.rollouts(e.id)
                ),
                "drops": sorted(
                    (program_of[d.evaluation], d.tasks, d.difference, d.reason) for d in archive.drops(run.id)
                ),
                "openings": [o.programs for o in archive.openings(run.id)],
                "state": run.state,
            }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, float]:
    place = Place(tmp_path_factory.mktemp("searches") / "undisturbed")
    started = time.monotonic()
    place.finish()
    return place, time.monotonic() - started


def disturb(undisturbed: tuple[Place, float], name: str, moments: list[float]) -> None:
    reference, seconds = undisturbed
    place = Place(reference.folder.parent / name)
    for moment in moments:
        process = place.start(resume=place.begun())
        try:
            process.wait(moment * seconds)
        except subprocess.TimeoutExpired:
            process.kill()
        process.communicate()
    place.finish()
    assert place.content() == reference.content()
    in_flight = WORKERS * DRAWS + WIDTH
    assert place.paid() <= reference.paid() + len(moments) * in_flight


@pytest.mark.parametrize("moment", [0.35, 0.6, 0.85])
def test_a_killed_search_resumes_to_the_same_archive(undisturbed: tuple[Place, float], moment: float) -> None:
    disturb(undisturbed, f"killed-{moment}", [moment])


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_twenty_random_kills_in_one_search(undisturbed: tuple[Place, float]) -> None:
    moments = random.Random(7)
    disturb(undisturbed, "twenty-in-a-row", [moments.uniform(0.2, 0.6) for _ in range(20)])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_one_random_kill_in_each_of_twenty_searches(undisturbed: tuple[Place, float], seed: int) -> None:
    disturb(undisturbed, f"random-{seed}", [random.Random(seed).uniform(0.05, 1.0)])
