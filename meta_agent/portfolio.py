"""A portfolio: complementary agents in one deployable program.

A single winner wastes what the others solve (El, Yuksekgonul and Zou 2025, arXiv 2510.06711). A portfolio asks its
members one after the other, the cheapest first. On code it returns the first answer that passes the visible tests,
else the one that passes most; on other tasks it returns the answer that most members mean. What a set of members
would return is estimated from the archive without asking a model: their answers are there, and the visible tests run
in a sandbox. So members are chosen greedily by what the portfolio would score, not by what an oracle could pick from
it, within a cost a task.
"""

from __future__ import annotations

import ast
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from archive import Program
from archive.statistics import Interval, mean_interval
from meta_agent.adas_compat import runnable
from meta_agent.agents.kit import extract_code
from meta_agent.broker import RUN_LIMITS
from meta_agent.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archive import Archive, Rollout, Split
    from domains import Domain, Task
    from sandboxes import Sandbox

FOLDS = 5
MOST_CANDIDATES = 12
"""The best so many of a run are considered."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one program answered to one task."""

    score: float
    """By the hidden tests, 0 to 1."""
    tokens: int
    visible: float | None
    """Share of the visible tests that the answer passes; None when the task shows none."""
    meaning: str
    """Canonical text of the answer, for votes; empty when there is no answer."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A program that may become a member."""

    program: Program
    attempts: tuple[Attempt, ...]
    """One a task, in the same order for all candidates."""

    @property
    def score(self) -> float:
        """Mean score."""
        return fmean(attempt.score for attempt in self.attempts)

    @property
    def tokens(self) -> float:
        """Tokens a task."""
        return fmean(attempt.tokens for attempt in self.attempts)


@dataclass(frozen=True, slots=True)
class Portfolio:
    """Members in the order in which they are asked, and what they would have scored together."""

    members: tuple[Candidate, ...]
    score: float
    """Of the portfolio on the tasks that its members were chosen on: too good to be true."""
    tokens: float
    """A task."""
    expected: Interval
    """Of members chosen on some tasks and scored on the others: what to expect on new ones."""
    oracle: float
    """Share of tasks that at least one member solves, which no way of choosing can exceed."""


def measured(archive: Archive, run: str, split: Split, domain: Domain, sandbox: Sandbox) -> list[Candidate]:
    """Return the best of a run's programs that were measured on all tasks of a split, with what they answered.

    No model is asked; answers to tasks with visible tests are run on these in the sandbox.

    Raises:
        UserError: no program was measured on all of them.
    """
    tasks = domain.tasks(split)
    found = []
    for standing in archive.best(run=run, split=split):
        rollouts = {rollout.task: rollout for rollout in archive.rollouts(standing.evaluation.id)}
        if all(task.id in rollouts for task in tasks):
            program = archive.program(standing.evaluation.program)
            found.append((program, [(task, rollouts[task.id]) for task in tasks]))
    if not found:
        raise UserError(
            f"no program of run {run} was measured on all {len(tasks)} tasks of the {split} split"
        )
    with ThreadPoolExecutor() as pool:
        return [
            Candidate(
                program, tuple(pool.map(lambda pair: _attempt(pair[0], pair[1], domain, sandbox), pairs))
            )
            for program, pairs in found[:MOST_CANDIDATES]
        ]


def _attempt(task: Task, rollout: Rollout, domain: Domain, sandbox: Sandbox) -> Attempt:
    meaning = "" if rollout.failure else domain.key(rollout.answer) or rollout.answer
    visible = None
    if task.visible_tests:
        tests = list(task.visible_tests)
        outcome = sandbox.check(extract_code(rollout.answer), tests, limits=RUN_LIMITS)
        visible = 0.0 if outcome.killed_by else sum(outcome.passed) / len(tests)
    return Attempt(rollout.score, rollout.prompt_tokens + rollout.completion_tokens, visible, meaning)


def choose(candidates: Sequence[Candidate], most_tokens: float, most_members: int) -> Portfolio:
    """Return the portfolio that greedy choice finds.

    Args:
        candidates: measured on the same tasks.
        most_tokens: the cap, in tokens a task on average.
        most_members: how many members it may have.

    Raises:
        UserError: no candidate is within the cap.
    """
    tasks = range(len(candidates[0].attempts)) if candidates else range(0)
    members = _greedy(candidates, tasks, most_tokens, most_members)
    if not members:
        cheapest = min((candidate.tokens for candidate in candidates), default=0.0)
        raise UserError(
            f"no agent is within {most_tokens:,.0f} tokens a task: the cheapest takes {cheapest:,.0f}"
        )
    held_out: dict[int, float] = {}
    for fold in range(min(FOLDS, len(tasks))):
        others = [task for task in tasks if task % FOLDS != fold]
        chosen = _greedy(candidates, others or tasks, most_tokens, most_members) or members
        held_out |= {task: _ask(chosen, task)[0] for task in tasks if task % FOLDS == fold}
    score, tokens = _replay(members, tasks)
    return Portfolio(
        members=tuple(members),
        score=score,
        tokens=tokens,
        expected=mean_interval(list(held_out.values())),
        oracle=fmean(max(member.attempts[task].score for member in members) for task in tasks),
    )


def _greedy(
    candidates: Sequence[Candidate], tasks: Sequence[int], most_tokens: float, most_members: int
) -> list[Candidate]:
    members: list[Candidate] = []
    reached = (-1.0, 0.0)
    while len(members) < most_members:
        options = [
            sorted([*members, candidate], key=lambda member: member.tokens)
            for candidate in candidates
            if candidate not in members
        ]
        outcomes = [(_replay(option, tasks), option) for option in options]
        within = [((score, -tokens), option) for (score, tokens), option in outcomes if tokens <= most_tokens]
        best = max(within, key=lambda found: found[0], default=(reached, members))
        if best[0][0] <= reached[0]:
            break
        reached, members = best
    return members


def _replay(members: Sequence[Candidate], tasks: Sequence[int]) -> tuple[float, float]:
    """Return the mean score and the mean tokens of a portfolio on tasks that its members have answered."""
    asked = [_ask(members, task) for task in tasks]
    return fmean(score for score, _ in asked), fmean(tokens for _, tokens in asked)


def _ask(members: Sequence[Candidate], task: int) -> tuple[float, int]:
    """Return score and tokens of one task, choosing as :data:`_PROGRAM` does."""
    attempts = [member.attempts[task] for member in members]
    answered = [attempt for attempt in attempts if attempt.meaning]
    tokens = sum(attempt.tokens for attempt in attempts)
    if not answered:
        return 0.0, tokens
    if answered[0].visible is None:
        votes = Counter(attempt.meaning for attempt in answered)
        return max(answered, key=lambda attempt: votes[attempt.meaning]).score, tokens
    passing = next(
        (n for n, attempt in enumerate(attempts) if attempt.meaning and attempt.visible == 1), None
    )
    if passing is not None:
        return attempts[passing].score, sum(attempt.tokens for attempt in attempts[: passing + 1])
    return max(answered, key=lambda attempt: attempt.visible or 0.0).score, tokens


_PROGRAM = """
def forward(task, kit):
    answers, shares = [], []
    for name, member in MEMBERS:
        try:
            answer = member(task, kit)
        except Exception as error:
            kit.log(f"{name} failed: {error}")
            continue
        if task.visible_tests:
            result = kit.run(answer)
            if result.passed:
                return answer
            shares.append(result.score)
        answers.append(answer)
    if not answers:
        raise RuntimeError("every member of the portfolio failed")
    return answers[shares.index(max(shares))] if shares else kit.vote(answers)
"""


def compose(members: Sequence[Program]) -> Program:
    """Return one program that asks these in their order, and chooses among their answers as it goes.

    Each member keeps its names to itself: its module becomes a function that returns its ``forward``.

    Raises:
        UserError: a member cannot be put inside a function.
    """
    parts = [_enclosed(number, member) for number, member in enumerate(members, 1)]
    table = "".join(f"    ({member.name!r}, member_{n}()),\n" for n, member in enumerate(members, 1))
    names = ", ".join(member.name for member in members)
    thought = (
        f"Portfolio of {names}: asks one after the other, and keeps the answer that passes the visible tests."
    )
    source = "\n\n".join([f'"""{thought}"""', *parts, f"MEMBERS = [\n{table}]", _PROGRAM])
    return Program(source=source, name=f"portfolio of {len(members)}: {names}"[:80], thought=thought)


def _enclosed(number: int, member: Program) -> str:
    tree = ast.parse(runnable(member.source))
    body = [
        node for node in tree.body if not (isinstance(node, ast.ImportFrom) and node.module == "__future__")
    ]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
            raise UserError(f"{member.name} cannot be a member: it imports *, which only a module may")
    around = ast.parse(f"def member_{number}():\n    return forward")
    (function,) = around.body
    assert isinstance(function, ast.FunctionDef)
    function.body[:0] = [_Inside().visit(node) for node in body]
    return ast.unparse(ast.fix_missing_locations(around))


class _Inside(ast.NodeTransformer):
    """What was global in a member's module is local to the function around it."""

    def visit_Global(self, node: ast.Global) -> ast.Nonlocal:
        return ast.Nonlocal(node.names)
