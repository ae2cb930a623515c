"""The honest finish: one finalist, two baselines, one sealed test.

Those programs that together hold the best with a high probability meet again on the selection split, which no program
was bred on; scores are shrunken, so that the luckiest is not taken for the best. On the test split the finalist meets,
once and on the same tasks, the best hand-designed agent and self-consistency with as many samples as the finalist's
cost buys. Published agent searches report the best of many noisy numbers; this one reports a paired difference with an
interval.
"""

from __future__ import annotations

import contextlib
import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from archive import Archive, Member, Program, Rollout, Split
from archive.statistics import SIGNIFICANCE, Interval, Paired, mean_interval, paired
from meta_agent.agents import load_agent, samples_of, self_consistency_of
from meta_agent.choosing import Standings, knock_out, scores_of
from meta_agent.errors import BudgetError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from domains import Domain, Task
    from meta_agent.config import SearchConfig
    from meta_agent.evaluation import Evaluator
    from meta_agent.pace import Pace

HAND_FINALISTS = 2
MAX_SAMPLES = 16
SELECTION_SHARE = 0.4
"""Of what is left of the budget at the finish; the test gets the rest."""


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
    dropped: int
    """Candidates that racing did not measure on all search tasks."""
    saved_calls: int
    """Model calls that this saved, about."""
    raw: float
    """What the finalist solved on the search and selection splits, before the correction; 0 without one."""
    shrunken: float
    """The same, corrected for its having been chosen: what the test was expected to say."""
    alarms: int
    """Signs in this run that a score was had without merit; ``adas archive show`` has them."""

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
    pace: Pace

    def __call__(self) -> ScoreCard:
        """Select, test and report, on as many tasks as the budget still affords."""
        cast = self.cast(self.select())
        programs = list({program.id: program for program in cast.values()}.values())
        self.archive.open_split(self.run, "test", tuple(program.id for program in programs))
        self.allow(programs, share=1.0)
        self.measure(programs, "test", self.domain.tasks("test"))
        return self.card(cast)

    def select(self) -> list[Program]:
        """Let the likely best meet on the selection split until it is clear who is best, or the rollouts are used."""
        standings, members = self.standings(0), self.archive.members(self.run)
        hand = [member.program for member in members if member.proposer == "hand"]
        if not standings.programs:  # the budget did not even measure the seeds
            return [self.archive.program(program) for program in hand[:HAND_FINALISTS]]
        programs = [self.archive.program(program) for program in standings.programs]
        tasks = self.domain.tasks("selection")

        def measure(rows: Sequence[int], start: int, end: int) -> None:
            asked = [programs[row] for row in rows]
            if not start:
                self.allow(asked, share=SELECTION_SHARE)
            self.measure(asked, "selection", tasks[start:end])

        left = knock_out(
            lambda asked: self.standings(asked).levels,
            [standings.rows(m.program for m in members if m.generation), standings.rows(hand)],
            measure,
            seats=[self.config.finalists, HAND_FINALISTS],
            tasks=len(tasks),
            saved=sum(len(self.domain.tasks("search")) - drop.tasks for drop in self.archive.drops(self.run)),
            block=self.config.race_block,
        )
        return [programs[row] for group in left for row in group]

    def allow(self, programs: Sequence[Program], share: float) -> None:
        """Let the evaluations from here on use a share of what is left of the budget."""
        known = [cost for program in programs if (cost := self.tokens(program.id))]
        self.pace.spend(share, sum(known) / max(1, len(known)))

    def measure(self, programs: Sequence[Program], split: Split, tasks: Sequence[Task]) -> None:
        """Evaluate on tasks of a split, in their order, as far as the budget allows."""
        # short of budget, the card counts the tasks that all were measured on
        with contextlib.suppress(BudgetError):
            self.evaluator.evaluate(self.run, programs, tasks, split)

    def cast(self, contenders: Sequence[Program]) -> dict[str, Program]:
        """Return role -> program for the test; without a discovered program there are only baselines."""
        standings = self.standings()
        ranked = sorted(contenders, key=lambda p: -standings.score(p.id))
        roles: dict[str, Program] = {}
        for program in ranked:
            roles.setdefault("best hand-designed" if program.origin == "hand" else "finalist", program)
        finalist = roles.get("finalist", roles["best hand-designed"])
        samples = min(MAX_SAMPLES, max(1, round(self.tokens(finalist.id) / self.tokens_of_one_sample())))
        roles[f"self-consistency x{samples}"] = self.self_consistency(samples)
        return {role: roles[role] for role in sorted(roles, key=lambda r: r != "finalist")}

    def self_consistency(self, samples: int) -> Program:
        """Return majority vote over that many samples, a member of the run like any other hand-designed agent."""
        program = self_consistency_of(samples)
        if program.id not in {member.program for member in self.archive.members(self.run)}:
            self.archive.add_program(program)
            self.archive.add_member(
                Member(self.run, program.id, generation=0, slot=1000 + samples, proposer="baseline")
            )
        return program

    def card(self, cast: dict[str, Program]) -> ScoreCard:
        """Compare on the tasks that every program of the cast was measured on."""
        rollouts = {
            role: {r.task: r for r in self.rollouts(program.id, "test")} for role, program in cast.items()
        }
        shared = [
            t.id for t in self.domain.tasks("test") if all(t.id in measured for measured in rollouts.values())
        ]
        measured = {role: [rollouts[role][t] for t in shared] for role in cast if shared}
        lines = tuple(_line(role, cast[role], rollouts) for role, rollouts in measured.items())
        scores = {role: [rollout.score for rollout in rollouts] for role, rollouts in measured.items()}
        baselines = [role for role in measured if role != "finalist" and "finalist" in measured]
        versus = tuple(Versus(role, paired(scores["finalist"], scores[role])) for role in baselines)
        members, drops = self.archive.members(self.run), self.archive.drops(self.run)
        finalist = cast["finalist"].id if "finalist" in cast else ""
        return ScoreCard(
            run=self.run,
            domain=self.domain.name,
            model=self.config.model,
            lines=lines,
            versus=versus,
            verdict=_verdict(versus, len(shared), len(self.domain.tasks("test"))),
            discovered=sum(member.generation > 0 for member in members),
            failed=len(self.archive.failures(self.run)),
            dropped=len(drops),
            saved_calls=sum(drop.saved_calls for drop in drops),
            raw=self.mean(finalist, "search", "selection") if finalist else 0.0,
            shrunken=self.standings().score(finalist) if finalist else 0.0,
            alarms=len(self.archive.alarms(self.run)),
        )

    def standings(self, asked: int | None = None) -> Standings:
        """Return the standings of all members by their search and (the first so many) selection tasks together.

        A run that is resumed has more than those: what it did before must not tell it what to do first.
        """
        later = {task.id for task in self.domain.tasks("selection")[asked:]} if asked is not None else set()
        scores = scores_of(self.archive, self.run, ["search", "selection"])
        return Standings.of(
            {
                p: {task: score for task, score in row.items() if task not in later}
                for p, row in scores.items()
            }
        )

    def rollouts(self, program: str, split: Split) -> list[Rollout]:
        """Return a program's rollouts in this run on a split."""
        return [
            rollout
            for evaluation in self.archive.evaluations(run=self.run, program=program, split=split)
            for rollout in self.archive.rollouts(evaluation.id)
        ]

    def mean(self, program: str, *splits: Split) -> float:
        """Return a program's mean score over the tasks of some splits."""
        scores = [rollout.score for split in splits for rollout in self.rollouts(program, split)]
        return sum(scores) / max(1, len(scores))

    def tokens(self, program: str) -> float:
        """Return the mean tokens a task of a program, over everything it was measured on before the test."""
        measured = self.rollouts(program, "search") + self.rollouts(program, "selection")
        return sum(r.prompt_tokens + r.completion_tokens for r in measured) / max(1, len(measured))

    def tokens_of_one_sample(self) -> float:
        """Return what one sample of self-consistency costs: its mean tokens divided by its samples."""
        base = load_agent("self_consistency")
        direct = self.tokens(load_agent("direct").id)
        return self.tokens(base.id) / samples_of(base) or direct or 1.0


def _line(role: str, program: Program, rollouts: Sequence[Rollout]) -> Line:
    n = len(rollouts)
    return Line(
        role=role,
        program=program.id,
        name=program.name,
        tasks=len(rollouts),
        accuracy=mean_interval([r.score for r in rollouts]),
        calls=math.fsum(r.calls for r in rollouts) / n,
        tokens=math.fsum(r.prompt_tokens + r.completion_tokens for r in rollouts) / n,
        seconds=math.fsum(r.seconds for r in rollouts) / n,
    )


def _verdict(versus: Sequence[Versus], measured: int, planned: int) -> str:
    short = f" The budget afforded {measured} of {planned} test tasks." if measured < planned else ""
    if not measured:
        return "No verdict: the budget afforded no test task."
    if not versus:
        return "No program was discovered that ran to the end: the baselines stand alone." + short
    better = [v.baseline for v in versus if v.difference.p < SIGNIFICANCE and v.difference.difference > 0]
    worse = [v.baseline for v in versus if v.difference.p < SIGNIFICANCE and v.difference.difference < 0]
    equal = [v.baseline for v in versus if v.baseline not in (*better, *worse)]
    if worse:
        return f"A loss: the finalist is worse than {' and '.join(worse)} on the sealed test." + short
    if not better:
        return f"A null result: on {measured} tasks the finalist cannot be told from its baselines." + short
    if not equal:
        return "A gain: the finalist beats every baseline on the sealed test." + short
    return f"A partial gain: the finalist beats {better[0]}, and cannot be told from {equal[0]}." + short
