"""Preferences from the episodes of one task: right against wrong, fast against slow, step against step, and splices."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from meta_agent.learning.episodes import Episode, Turn, tree
from meta_agent.learning.rows import Row, Verdict
from meta_agent.learning.tree_values import Step, value_targets, visit_label
from meta_agent.llm.llm import Message, messages
from meta_agent.selectors import SELECTORS, Evidence

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from domains import Task
    from meta_agent.learning.judge import Judge

FASTER = 1.5
"""A right answer is called slow when it executes so many times the lines of the fastest one."""
STEP_MARGIN = 0.3
"""By how much the mean marks of two steps from one prompt must differ."""
MAX_TALK = 8000
"""Characters of a spliced conversation."""
REFLECTIONS = (
    "Wait, that is not right. I go back and do it differently.",
    "My last step was a mistake. Let me correct it.",
    "This does not work. I need another approach.",
    "I see an error in what I wrote. I fix it now.",
    "The result shows that I was wrong. I try again from the task.",
    "I should not go on like this; the code above is wrong.",
    "That attempt fails. I read the task once more and repair it.",
    "Something is off in my solution. I write a corrected one.",
    "I took a wrong turn. Here is how I get back on track.",
    "The last version is not correct. I replace it.",
)
"""What says that a wrong turn was noticed, one for each splice in turn."""


@dataclass(frozen=True, slots=True)
class Answered:
    """One different answer to a task, and where it was first given."""

    answer: str
    right: bool
    source: dict[str, object]


def right_wrong(
    task: Task,
    prompt: tuple[Message, ...],
    answers: Sequence[Answered],
    scores: Sequence[float],
    domain: str,
    most: int,
) -> Iterator[Row]:
    """Yield pairs of a right and a wrong answer: the best-ranked right ones against the worst-ranked wrong ones.

    ``scores`` are CodeDPO's, from :func:`mutual_scores`. Unlike there, execution of the domain's own tests says which
    are right; the scores say which of those to take first.
    """
    ranked = sorted(zip(answers, scores, strict=True), key=lambda pair: -pair[1])
    right = [pair for pair in ranked if pair[0].right]
    wrong = [pair for pair in reversed(ranked) if not pair[0].right]
    for (better, high), (worse, low) in zip(right[:most], wrong, strict=False):
        yield Row(
            "preference",
            "right-wrong",
            domain,
            task.id,
            prompt,
            better.answer,
            worse.answer,
            verdicts=(Verdict(better.answer, True), Verdict(worse.answer, False)),
            source={"chosen": better.source, "rejected": worse.source, "scores": [high, low]},
        )


def mutual_scores(answers: Sequence[Answered], tests: Sequence[str], judge: Judge) -> list[float]:
    """Return the mutual rank of answers over the visible tests and those that agents wrote; equal without any test."""
    if not tests or not answers:
        return [1.0] * len(answers)
    passed = [list(judge.passes(answer.answer, tests)) for answer in answers]
    return [float(max(score, 0.0)) for score in SELECTORS["mutual_rank"](Evidence.of(passed)).scores]


def fast_slow(
    task: Task, prompt: tuple[Message, ...], answers: Sequence[Answered], judge: Judge, domain: str
) -> Iterator[Row]:
    """Yield the fastest right answer against the slowest, by lines executed, when they differ by half as much again."""
    counted = [(judge.lines(task, each.answer), each) for each in answers if each.right]
    known = sorted(((lines, each) for lines, each in counted if lines), key=lambda pair: pair[0])
    if not known or known[-1][0] < FASTER * known[0][0]:
        return
    (few, fast), (many, slow) = known[0], known[-1]
    yield Row(
        "preference",
        "fast-slow",
        domain,
        task.id,
        prompt,
        fast.answer,
        slow.answer,
        verdicts=(Verdict(fast.answer, True), Verdict(slow.answer, True)),
        source={"chosen": fast.source, "rejected": slow.source, "lines": [few, many]},
    )


def steps(task: Task, episodes: Sequence[Episode], judge: Judge, domain: str) -> Iterator[Row]:
    """Yield the best against the worst reply wherever episodes share their turns up to a prompt (MCTS-DPO).

    The label of a pair says how sure it is; the value targets of ReST-MCTS* go along.
    """
    root = tree(episodes, judge)
    values = value_targets(root)
    through: dict[tuple[str, str, str], list[Episode]] = defaultdict(list)
    for episode in episodes:
        for said in {turn.said for turn in episode.turns}:
            through[said].append(episode)

    def row(best: Step[Turn], worst: Step[Turn]) -> Row | None:
        ends = _end(best, through, right=True), _end(worst, through, right=False)
        if None in ends:
            return None
        return Row(
            "preference",
            "step",
            domain,
            task.id,
            messages(*best.content.asked),
            best.content.reply,
            worst.content.reply,
            wrong=visit_label(best.visits, worst.visits),
            verdicts=(Verdict(str(ends[0]), True), Verdict(str(ends[1]), False)),
            source={
                "chosen": through[best.content.said][0].source(best.content),
                "rejected": through[worst.content.said][0].source(worst.content),
                "means": [best.mean, worst.mean],
                "values": [values[best], values[worst]],
                "visits": [best.visits, worst.visits],
            },
        )

    stack = [root]
    while stack:
        step = stack.pop()
        stack += step.children
        for _, group in groupby(sorted(step.children, key=_asked), key=_asked):
            children = sorted(group, key=lambda child: (-child.mean, -child.visits))
            best, worst = children[0], children[-1]
            if best.mean - worst.mean >= STEP_MARGIN and (found := row(best, worst)):
                yield found


def _asked(step: Step[Turn]) -> tuple[str, str]:
    return step.content.asked


def _end(
    step: Step[Turn], through: Mapping[tuple[str, str, str], Sequence[Episode]], *, right: bool
) -> str | None:
    """Return an answer that shows how a step is: its own, else that of an episode through it which ends so."""
    if step.content.answer:
        return step.content.answer if step.right == right else None
    return next((e.rollout.answer for e in through[step.content.said] if e.right == right), None)


def splices(
    task: Task, episodes: Sequence[Episode], judge: Judge, domain: str, most: int, start: int = 0
) -> Iterator[Row]:
    """Yield conversations that go wrong, notice it, and go right (Agent-R).

    Yuan et al. (2025), Agent-R: Training Language Model Agents to Reflect via Iterative Self-Training, arXiv
    2501.11425. The bad episode is cut after its first wrong turn; here execution says which that is, and not the
    model. Its turns are read without being learned.
    """
    good = [e for e in episodes if e.right and e.turns]
    bad = [e for e in episodes if not e.right and e.turns]
    found = 0
    for episode in bad:
        if found == most:
            return
        reflection = REFLECTIONS[(start + found) % len(REFLECTIONS)]
        alike = (other for other in good if other.turns[0].asked == episode.turns[0].asked)
        rows = (splice(task, episode, other, judge, domain, reflection) for other in alike)
        fitting = (row for row in rows if row and sum(len(m.content) for m in row.prompt) <= MAX_TALK)
        if row := next(fitting, None):
            found += 1
            yield row


def splice(task: Task, bad: Episode, good: Episode, judge: Judge, domain: str, reflection: str) -> Row | None:
    """Return one conversation, None when nothing of the good episode is left to say."""
    cut = next(
        (i for i, turn in enumerate(bad.turns) if turn.answer and not judge.right(task, turn.answer)),
        len(bad.turns) - 1,
    )
    shared = 0
    while shared < min(cut + 1, len(good.turns)) and bad.turns[shared].said == good.turns[shared].said:
        shared += 1
    rest = list(good.turns[shared:])
    goes_right = next(
        (i for i, turn in enumerate(rest) if turn.answer and judge.right(task, turn.answer)), None
    )
    if goes_right is None:
        return None
    del rest[goes_right + 1 :]
    talk: list[tuple[Message, bool]] = [
        (m, False) for m in messages(bad.turns[0].system, bad.turns[0].prompt)
    ]
    for i, turn in enumerate(bad.turns[: cut + 1]):
        if i:
            talk.append((Message("user", turn.prompt), False))
        talk.append((Message("assistant", turn.reply), False))
    wrong = bad.turns[cut]
    feedback = wrong.feedback or (judge.feedback(task, wrong.answer) if wrong.answer else "Go on.")
    talk += [
        (Message("user", feedback), False),
        (Message("assistant", reflection), True),
        (Message("user", "ok."), False),
    ]
    for i, turn in enumerate(rest):
        if i:
            talk.append((Message("user", turn.prompt), False))
        talk.append((Message("assistant", turn.reply), True))
    verdicts = [Verdict(rest[-1].answer, True)]
    if wrong.answer:
        verdicts.append(Verdict(wrong.answer, False))
    return Row(
        "splice",
        "reflect",
        domain,
        task.id,
        tuple(message for message, _ in talk),
        train=tuple(learned for _, learned in talk),
        verdicts=tuple(verdicts),
        source={"good": good.source(rest[-1]), "bad": bad.source(wrong), "shared": shared},
    )
