"""The honest finish: one finalist, two baselines, one sealed test.

The finalist is chosen on the selection split, which no program was bred on. On the test split it meets, once and on
the same tasks, the best hand-designed agent and self-consistency with as many samples as the finalist's cost buys.
Published agent searches report the best of many noisy numbers; this one reports a paired difference with an interval.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from archive import Archive, Member, Program, Rollout, Split
from archive.statistics import Interval, Paired, mean_interval, paired
from meta_agent.agents import load_agent
from meta_agent.errors import BudgetError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from domains import Domain
    from meta_agent.config import SearchConfig
    from meta_agent.evaluation import Evaluator

HAND_FINALISTS = 2
MAX_SAMPLES = 16


@dataclass(frozen=True, slots=True)
class Line:
    """One agent's result on the test split."""

    role: str
    program: str
    name: str
    accuracy: Interval
    tasks: int
    calls: float
    """Model calls a task."""
    tokens: float
    """Prompt and generated tokens a task."""
    seconds: float
    """Wall seconds a task, waits for a shared model included."""


@dataclass(frozen=True, slots=True)
class Versus:
    """The finalist against one baseline on the same tasks."""

    baseline: str
    difference: Paired


@dataclass(frozen=True, slots=True)
class ScoreCard:
    """What a search found, said honestly."""

    run: str
    domain: str
    model: str
    lines: tuple[Line, ...]
    versus: tuple[Versus, ...]
    verdict: str
    discovered: int
    failed: int

    def as_json(self) -> dict[str, Any]:
        """Return the card as JSON types."""
        return asdict(self)


@dataclass
class Finish:
    """Chooses the finalist and runs the sealed test; calling it again resumes and changes nothing."""

    run: str
    config: SearchConfig
    domain: Domain
    archive: Archive
    evaluator: Evaluator

    def __call__(self) -> ScoreCard:
        """Select, test and report; an empty budget gives a card over the tasks that all three were measured on."""
        complete = True
        contenders = self.contenders()
        try:
            self.evaluator.evaluate(self.run, contenders, self.domain.tasks("selection"), "selection")
        except BudgetError:
            complete = False
        cast = self.cast(contenders)
        programs = list({program.id: program for program in cast.values()}.values())
        self.archive.open_split(self.run, "test", tuple(program.id for program in programs))
        try:
            self.evaluator.evaluate(self.run, programs, self.domain.tasks("test"), "test")
        except BudgetError:
            complete = False
        return self.card(cast, complete)

    def contenders(self) -> list[Program]:
        """Return the best discovered programs and the best hand-designed agents by their search-split mean."""
        ranked = sorted(
            self.archive.members(self.run),
            key=lambda m: (-self.mean(m.program, "search"), m.generation, m.slot),
        )
        found = [m.program for m in ranked if m.generation > 0][: self.config.finalists]
        hand = [m.program for m in ranked if m.proposer == "hand"][:HAND_FINALISTS]
        return [self.archive.program(identifier) for identifier in [*found, *hand]]

    def cast(self, contenders: Sequence[Program]) -> dict[str, Program]:
        """Return role -> program for the test; without a discovered program there are only baselines."""
        ranked = sorted(contenders, key=lambda p: (-self.mean(p.id, "selection"), -self.mean(p.id, "search")))
        roles: dict[str, Program] = {}
        for program in ranked:
            roles.setdefault("best hand-designed" if program.origin == "hand" else "finalist", program)
        finalist = roles.get("finalist", roles["best hand-designed"])
        samples = min(MAX_SAMPLES, max(1, round(self.tokens(finalist.id) / self.tokens_of_one_sample())))
        roles[f"self-consistency x{samples}"] = self.self_consistency(samples)
        return {role: roles[role] for role in sorted(roles, key=lambda r: r != "finalist")}

    def self_consistency(self, samples: int) -> Program:
        """Return majority vote over that many samples, a member of the run like any other hand-designed agent."""
        base = load_agent("self_consistency")
        source = re.sub(r"(?m)^SAMPLES = \d+$", f"SAMPLES = {samples}", base.source)
        program = Program(
            source=source, name=f"self-consistency-{samples}", thought=base.thought, origin="hand"
        )
        if program.id not in {member.program for member in self.archive.members(self.run)}:
            self.archive.add_program(program)
            self.archive.add_member(
                Member(self.run, program.id, generation=0, slot=1000 + samples, proposer="baseline")
            )
        return program

    def card(self, cast: dict[str, Program], complete: bool) -> ScoreCard:
        """Compare on the tasks that every program of the cast was measured on."""
        rollouts = {
            role: {r.task: r for r in self.rollouts(program.id, "test")} for role, program in cast.items()
        }
        shared = [
            t.id for t in self.domain.tasks("test") if all(t.id in measured for measured in rollouts.values())
        ]
        lines = tuple(
            _line(role, program, [rollouts[role][t] for t in shared]) for role, program in cast.items()
        )
        scores = {role: [rollouts[role][t].score for t in shared] for role in cast}
        baselines = [role for role in cast if role != "finalist"] if "finalist" in cast and shared else []
        versus = tuple(Versus(role, paired(scores["finalist"], scores[role])) for role in baselines)
        members = self.archive.members(self.run)
        return ScoreCard(
            run=self.run,
            domain=self.domain.name,
            model=self.config.model,
            lines=lines if shared else (),
            versus=versus,
            verdict=_verdict(versus, len(shared), len(self.domain.tasks("test")), complete),
            discovered=sum(member.generation > 0 for member in members),
            failed=len(self.archive.failures(self.run)),
        )

    def rollouts(self, program: str, split: Split) -> list[Rollout]:
        """Return a program's rollouts in this run on a split."""
        return [
            rollout
            for evaluation in self.archive.evaluations(run=self.run, program=program, split=split)
            for rollout in self.archive.rollouts(evaluation.id)
        ]

    def mean(self, program: str, split: Split) -> float:
        """Return a program's mean score on a split; -1 when it was not measured there."""
        scores = [rollout.score for rollout in self.rollouts(program, split)]
        return sum(scores) / len(scores) if scores else -1.0

    def tokens(self, program: str) -> float:
        """Return the mean tokens a task of a program, over everything it was measured on before the test."""
        measured = self.rollouts(program, "search") + self.rollouts(program, "selection")
        return sum(r.prompt_tokens + r.completion_tokens for r in measured) / max(1, len(measured))

    def tokens_of_one_sample(self) -> float:
        """Return what one sample of self-consistency costs: its mean tokens divided by its samples."""
        base = load_agent("self_consistency")
        samples = int(re.findall(r"(?m)^SAMPLES = (\d+)$", base.source)[0])
        direct = self.tokens(load_agent("direct").id)
        return self.tokens(base.id) / samples or direct or 1.0


def _line(role: str, program: Program, rollouts: Sequence[Rollout]) -> Line:
    n = max(1, len(rollouts))
    return Line(
        role=role,
        program=program.id,
        name=program.name,
        tasks=len(rollouts),
        accuracy=mean_interval([r.score for r in rollouts]),
        calls=sum(r.calls for r in rollouts) / n,
        tokens=sum(r.prompt_tokens + r.completion_tokens for r in rollouts) / n,
        seconds=sum(r.seconds for r in rollouts) / n,
    )


def _verdict(versus: Sequence[Versus], shared: int, planned: int, complete: bool) -> str:
    ended = (
        ""
        if complete
        else f" The budget ended early: {shared} of {planned} test tasks were measured for all."
    )
    if not shared:
        return "No verdict: no test task was measured for all programs." + ended
    if not versus:
        return "No program was discovered that ran to the end: the baselines stand alone." + ended
    better = [v for v in versus if v.difference.p < 0.05 and v.difference.difference > 0]
    worse = [v for v in versus if v.difference.p < 0.05 and v.difference.difference < 0]
    if len(better) == len(versus):
        return "A gain: the finalist beats every baseline on the sealed test." + ended
    if worse:
        return (
            f"A loss: the finalist is worse than {' and '.join(v.baseline for v in worse)} on the sealed test."
            + ended
        )
    if better:
        return (
            f"A partial gain: the finalist beats {' and '.join(v.baseline for v in better)}, and cannot be told from "
            f"{' and '.join(v.baseline for v in versus if v not in better)}."
        ) + ended
    return f"A null result: on {shared} tasks the finalist cannot be told from the baselines." + ended
