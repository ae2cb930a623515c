"""The space of agent programs that are put together from blocks, without a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meta_agent.composition.drafts import draft
from meta_agent.composition.page import Page
from meta_agent.composition.revisions import fall_back, revise, widen

if TYPE_CHECKING:
    from meta_agent.composition.drafts import Kind
    from meta_agent.composition.space import Choices, Choose, Space

FORMS: dict[Kind, str] = {
    "code": "Reply with the whole function in one ```python block, without docstring or comments, and nothing else.",
    "answer": "Reason step by step first. Then write a last line: 'Answer: ' and the final answer alone.",
}

_ONCE: Choices = {"samples": 1, "revision": "none", "fallback": "none", "wider vote": "none"}
_MANY: Choices = {**_ONCE, "samples": 5, "way": "alike", "temperature": 0.8, "selection": "majority"}
_UNLIKE: Choices = {**_ONCE, "samples": 3, "way": "unlike"}
_SHARED: dict[str, Choices] = {
    "direct": {**_ONCE, "draft": "direct"},
    "chain-of-thought": {**_ONCE, "draft": "reason"},
    "step-back": {**_ONCE, "draft": "principle"},
    "self-refine": {**_ONCE, "draft": "direct", "revision": "critique", "rounds": 2},
}
HAND: dict[Kind, dict[str, Choices]] = {
    "code": {
        **_SHARED,
        "self-consistency": {**_MANY, "draft": "direct"},
        "quality-diversity": {**_UNLIKE, "draft": "direct", "selection": "tests"},
        "self-debug": {**_ONCE, "draft": "direct", "revision": "tests", "rounds": 3},
    },
    "answer": {
        **_SHARED,
        "self-consistency": {**_MANY, "draft": "reason"},
        "quality-diversity": {**_UNLIKE, "draft": "direct", "selection": "judge"},
        "self-debug": {**_ONCE, "draft": "reason", "revision": "check", "rounds": 1},
    },
}
"""The point of the space that does what a hand-designed agent does: a search begins with what these were worth."""


def agent_space(kind: Kind, calls: int) -> Space:
    """Return the space of programs for tasks of one kind that make at most ``calls`` model calls a task."""

    def compose(choose: Choose) -> str:
        page = Page(choose, calls)
        style = draft(page, kind)
        if kind == "answer":
            widen(page, style)
        revise(page, kind)
        if kind == "code":
            fall_back(page, style)
        return page.source(FORMS[kind], "answer" if kind == "code" else "kit.extract(answer)")

    return compose
