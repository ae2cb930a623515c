"""Blocks that work on a solution: repair, critique, a second way when the first one fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meta_agent.composition.drafts import prepared, solutions, styles, taken
from meta_agent.composition.page import ask, indent, times

if TYPE_CHECKING:
    from meta_agent.composition.drafts import Kind
    from meta_agent.composition.page import Page

FAILS = "```python\n{answer}\n```\n\nThis fails:\n{result.feedback}\n\n"
TASK = "The task was:\n{task.prompt}\n\n"
SOLUTION = "Task:\n{task.prompt}\n\nA solution:\n{answer}\n\n"
LOOKS: dict[str, tuple[str, str]] = {
    "explain": (
        FAILS
        + TASK
        + "Explain in at most six short lines what each part of the code does, and say which part is "
        "wrong.",
        "What it does:\n{seen}\n\n",
    ),
    "trace": (
        FAILS
        + "Run the first failing test through the code by hand, in at most ten short lines, with the values of "
        "the variables. End with the first line of the code that does something wrong.",
        "A trace of it:\n{seen}\n\n",
    ),
}
"""How the model looks at a failure before it repairs, and how it is told what it saw."""
CRITIQUE = (
    SOLUTION
    + "Check it with one concrete example from the task. If it is right, reply only: CORRECT. Otherwise "
    "name the first mistake in two sentences."
)
REWRITE = SOLUTION + "A reviewer says: {critique}\n\nWrite a corrected solution. {FORM}"
CHECK = "{task.prompt}\n\nA worked solution:\n{answer}\n\nCheck every step and correct it. {FORM}"
FIX = "Correct it. {FORM}"
LOOP = "for _ in range(ROUNDS):\n"
LEFT = 'kit.remaining["tokens"] < 2000'
"""A long failure can use up the tokens of a task before its calls: better to keep what there is."""


def revise(page: Page, kind: Kind) -> None:
    """Choose and write how ``answer`` is improved."""
    costs = {"none": 0, "tests": 1, "explain": 2, "trace": 2, "critique": 2}
    if kind == "answer":
        costs = {"none": 0, "check": 1, "critique": 2}
    way = page.offer("revision", costs)
    if way == "none":
        return
    rounds = page.offer("rounds", {n: (n - 1) * costs[way] for n in (1, 2, 3)})
    page.constants.append(f"ROUNDS = {rounds}")
    if way == "critique":
        block = (
            f"critique = {ask(CRITIQUE, max_tokens=160)}\n"
            f'content = "CORRECT" in critique and "INCORRECT" not in critique\n'
            f"if content or {LEFT}:\n    break\n"
            f"answer = {taken(kind, ask(REWRITE))}"
        )
        page.write(LOOP + indent(block), f"criticised and revised, at most {times(rounds)}")
    elif way == "check":
        page.write(LOOP + indent(f"answer = {ask(CHECK)}"), f"checked {times(rounds)}")
    else:
        look, told = LOOKS.get(way, ("", ""))
        block = (
            f"result = kit.run(answer)\nif result.passed or {LEFT}:\n    break\n"
            + (f"seen = {ask(look, max_tokens=300)}\n" if look else "")
            + f"answer = kit.extract({ask(FAILS + told + TASK + FIX, temperature=0.3)})\ntried.append(answer)"
        )
        page.write(
            f"tried = [answer]\n{LOOP}{indent(block)}\nanswer = kit.select(tried)",
            f"repaired by {'tests' if way == 'tests' else f'tests and {way}'}, at most {times(rounds)}",
        )


def fall_back(page: Page, first: str) -> None:
    """Choose and write another way to write the code, for when the first one fails the visible tests."""
    style = page.offer("fallback", {"none": 0, **_others("code", first)})
    if style == "none":
        return
    count = page.offer("fallback samples", {n: n - 1 for n in (1, 2, 3)})
    more = f"answers = {_joined('answer', solutions('code', count, 0.8))}"
    block = f"{prepared('code', style)}\n{more}\nanswer = kit.select(answers)"
    page.write(
        f"if not kit.run(answer).passed:\n{indent(block)}", f"when it fails, {times(count)} more by {style}"
    )


def widen(page: Page, first: str) -> None:
    """Choose and write another way to find the answer, whose answers join those of the first one in a vote."""
    style = page.offer(
        "wider vote", {"none": 0, **{style: 1 + cost for style, cost in _others("answer", first).items()}}
    )
    if style == "none":
        return
    count = page.offer("wider vote samples", {n: n - 2 for n in (2, 3)})
    page.write(
        f"{prepared('answer', style)}\nanswers = {_joined(page.votes, solutions('answer', count, 0.8))}\n"
        "answer = kit.vote(answers)",
        f"a vote with {count} more by {style}",
    )


def _others(kind: Kind, first: str) -> dict[str, int]:
    """Return the styles besides the first one, and what one solution costs by each."""
    return {style: 1 + cost for style, cost in styles(kind).items() if style not in (first, "program")}


def _joined(first: str, listed: str) -> str:
    """Return the expression for a list with something before it."""
    return f"[{first}, {listed[1:]}" if " for " not in listed else f"[{first}, *{listed}]"
