"""Blocks that write a solution: how the model is asked, how often, and who chooses among what it wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from meta_agent.composition.page import ask, bracketed, indent, times

if TYPE_CHECKING:
    from meta_agent.composition.page import Page

Kind = Literal["code", "answer"]

PROMPTS: dict[Kind, dict[str, str]] = {
    "code": {
        "direct": "Complete this function. {FORM}\n\n```python\n{task.prompt}\n```",
        "reason": "```python\n{task.prompt}\n```\n\nThink step by step: in at most five short lines say how the "
        "function must work, edge cases included. Then write the whole function in one ```python block, without "
        "docstring or comments.",
    },
    "answer": {
        "direct": "{task.prompt}\n\nEnd with one line: 'Answer: ' and the final answer alone.",
        "reason": "{task.prompt}\n\n{FORM}",
        "program": "{task.prompt}\n\nWrite a Python function solve() without arguments that computes the final answer "
        "and returns it. Reply in one ```python block and nothing else.",
    },
}
"""Ways to ask for a solution at once."""

NOTES: dict[Kind, dict[str, str]] = {
    "code": {
        "plan": "Plan the function in three short steps. Do not write code.",
        "principle": "Do not solve this yet. In two sentences, name the general technique that solves problems like "
        "this one, and the usual mistake.",
        "edge cases": "List the edge cases that the function must get right, at most five, one short line each. Do not "
        "write code.",
        "worked examples": "Work through the examples in the task by hand, one short line each: input, steps, output. "
        "Do not write code.",
    },
    "answer": {
        "plan": "Plan the solution in three short steps. Do not solve it yet.",
        "principle": "Do not solve this yet. In two sentences, name the general principle that solves problems like "
        "this one, and the usual mistake.",
        "facts": "List what is given and what is asked, one short line each. Do not solve it yet.",
        "parts": "Split the question into smaller ones, at most four, one a line. Do not answer them.",
    },
}
"""What can be written down before the solution, and how it is asked for."""

COMPUTED = '''def computed(kit, reply):
    """Return what the program in a reply returns, as an answer; nothing when it fails."""
    ((value, _),) = kit.call(kit.extract(reply, kind="code"), ["solve()"])
    value = value.strip("'\\"")
    return f"Answer: {value}" if value not in ("", "None") else ""'''

WRITTEN_TESTS = (
    "```python\n{task.prompt}\n```\n\nWrite five different tests of {task.entry_point}, one a line, each of the form "
    "assert {task.entry_point}(...) == ... Reply in one ```python block with the tests alone."
)
OTHERWISE = (
    "{prompt}\n\nAn earlier attempt:\n{answers[-1]}\n\nIt may be wrong. Solve the task in a clearly different "
    "way."
)
JUDGE = "{task.prompt}\n\n{shown}\n\nWhich attempt is right? Solve it finally. {FORM}"

SELECTIONS = {
    "tests": "answer = kit.select(answers)",
    "majority": "answer = kit.vote(answers)",
    "mbr": 'answer = kit.select(answers, method="mbr_exec")',
    "codet": f"written = kit.extract({ask(WRITTEN_TESTS, max_tokens=300)})\n"
    'tests = [line for line in written.splitlines() if line.startswith("assert ")][:10]\n'
    'answer = kit.select(answers, tests=[*task.visible_tests, *tests], method="codet")',
    "judge": 'shown = "\\n\\n".join(f"Attempt {i + 1}:\\n{text}" for i, text in enumerate(answers))\n'
    f"answer = {ask(JUDGE)}",
}
"""Ways to take ``answer`` from ``answers``."""


def styles(kind: Kind) -> dict[str, int]:
    """Return the ways to ask for a solution, and the calls that each makes besides the solution itself."""
    # When no program has a value, one solution in words follows.
    extra = {"program": 1} if kind == "answer" else {}
    return {**dict.fromkeys(PROMPTS[kind], 0), **dict.fromkeys(NOTES[kind], 1), **extra}


def prepared(kind: Kind, style: str) -> str:
    """Return what makes ``prompt``."""
    if style in PROMPTS[kind]:
        return f"prompt = {bracketed(PROMPTS[kind][style])}"
    notes = ask("{task.prompt}\n\n" + NOTES[kind][style], max_tokens=200)
    prompt = f"{{task.prompt}}\n\n{style.capitalize()}:\n{{notes}}\n\n{{FORM}}"
    return f"notes = {notes}\nprompt = {bracketed(prompt)}"


def sampled(count: int, temperature: float) -> str:
    """Return the expression for so many replies to ``prompt``, the first one greedy."""
    if count == 1:
        return "[kit.llm(prompt)]"
    if count == 2:
        return f"[kit.llm(prompt), kit.llm(prompt, temperature={temperature})]"
    return f"[kit.llm(prompt), *kit.llm(prompt, temperature={temperature}, n={count - 1})]"


def taken(kind: Kind, reply: str) -> str:
    """Return the expression for what is kept of a reply: its code, or all of it when the answer is no code."""
    return f"kit.extract({reply})" if kind == "code" else reply


def solutions(kind: Kind, count: int, temperature: float) -> str:
    """Return the expression for a list of so many solutions."""
    if count == 1:
        return f"[{taken(kind, 'kit.llm(prompt)')}]"
    replies = sampled(count, temperature)
    return f"[kit.extract(reply) for reply in {replies}]" if kind == "code" else replies


def draft(page: Page, kind: Kind) -> str:
    """Choose and write how the first ``answer`` comes about; return the style of its prompt."""
    style = page.offer("draft", styles(kind), keep=1)
    count = page.offer("samples", {n: n for n in (1, 2, 3, 5)})
    page.write(prepared(kind, style), f"draft by {style}" if style != "direct" else "draft at once")
    if style == "program":
        _computed(page, count)
    elif count == 1:
        page.write(f"answer = {taken(kind, 'kit.llm(prompt)')}")
    else:
        _choose_one(page, kind, _several(page, kind, count))
    return style


def _computed(page: Page, count: int) -> None:
    """Write that programs are run for their values; one solution in words follows when none has any."""
    temperature = page.choose("temperature", (0.5, 0.8)) if count > 1 else 0.0
    page.helpers.append(COMPUTED)
    page.votes = "*answers"
    page.write(
        f"values = [computed(kit, reply) for reply in {sampled(count, temperature)}]\n"
        f"answers = [value for value in values if value] or [{ask(PROMPTS['answer']['reason'])}]\n"
        "answer = kit.vote(answers)",
        f"run for its value {times(count)}, choice by majority" if count > 1 else "run for its value",
    )


def _several(page: Page, kind: Kind, count: int) -> str:
    """Choose and write how several drafts differ; return the way."""
    way = page.choose(
        "way", ("alike", "unlike", "until one passes") if kind == "code" else ("alike", "unlike")
    )
    first = f"answers = [{taken(kind, 'kit.llm(prompt)')}]\n"
    if way == "alike":
        temperature = page.choose("temperature", (0.5, 0.8))
        page.write(f"answers = {solutions(kind, count, temperature)}", f"{count} samples")
    elif way == "unlike":
        page.write(
            f"{first}while len(answers) < {count}:\n"
            + indent(f"answers.append({taken(kind, ask(OTHERWISE, temperature=0.7))})"),
            f"{count} drafts that differ",
        )
    else:
        page.write(
            f"{first}while len(answers) < {count} and not kit.run(answers[-1]).passed:\n"
            + indent(f"answers.append({taken(kind, 'kit.llm(prompt, temperature=0.8)')})"),
            f"sampled until it passes, at most {times(count)}",
        )
    return way


def _choose_one(page: Page, kind: Kind, way: str) -> None:
    """Choose and write how ``answer`` is taken from ``answers``."""
    selections = {"tests": 0, "majority": 0, "mbr": 0, "codet": 1}
    if way == "until one passes":
        selections = {"tests": 0}
    elif kind == "answer":
        selections = {"majority": 0, "judge": 1}
    selection = page.offer("selection", selections)
    if selection == "majority":
        page.votes = "*answers"
    page.write(SELECTIONS[selection], f"choice by {selection}")
