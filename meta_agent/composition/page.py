"""An agent program that is being written, block by block."""

from __future__ import annotations

import json
import re
import textwrap
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from meta_agent.composition.space import Choose, V

WIDTH = 92


@dataclass
class Page:
    """What is written so far, and what the program may still spend.

    Blocks speak to each other through three names in the program: ``prompt``, ``answers`` and ``answer``.
    """

    choose: Choose
    calls: int
    """Model calls that the program may still make on one task, at worst."""
    most: int = 0
    """Model calls that what is written so far makes at worst."""
    blocks: list[str] = field(default_factory=list)
    """Statements of ``forward``."""
    constants: list[str] = field(default_factory=list)
    """Lines before ``forward``."""
    helpers: list[str] = field(default_factory=list)
    """Functions before ``forward``."""
    ideas: list[str] = field(default_factory=list)
    """What the blocks do, in a few words each."""
    votes: str = "answer"
    """What counts in a later vote, as it stands in a list: ``answer``, or ``*answers`` when it was voted for."""

    def offer(self, name: str, costs: Mapping[V, int], keep: int = 0) -> V:
        """Choose among the options that can be paid for while ``keep`` calls stay; pay for the one chosen."""
        option = self.choose(
            name, [option for option, cost in costs.items() if not cost or cost + keep <= self.calls]
        )
        self.calls -= costs[option]
        self.most += costs[option]
        return option

    def write(self, block: str, idea: str = "") -> None:
        """Add statements, and what they are for."""
        self.blocks.append(block)
        if idea:
            self.ideas.append(idea)

    def source(self, form: str, result: str) -> str:
        """Return the program; ``form`` tells the model how to reply, ``result`` is what ``forward`` returns."""
        idea = "; ".join(self.ideas)
        parts = [
            f'"""{textwrap.fill(idea[0].upper() + idea[1:], WIDTH)}.\n\nCost: at most {self.most} calls a task.\n"""',
            "\n".join([f"FORM = {bracketed(form)}", *self.constants]),
            *self.helpers,
            f"def forward(task, kit):\n{indent(chr(10).join(self.blocks))}\n    return {result}",
        ]
        return re.sub(r"\n+(?=def )", "\n\n\n", "\n\n".join(parts)) + "\n"


def times(count: int) -> str:
    """Return how often, in words."""
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


@cache
def bracketed(template: str) -> str:
    """Return a text as one expression, in brackets when it takes more than a line."""
    lines = quoted(template)
    return lines[0] if len(lines) == 1 else "(\n" + indent("\n".join(lines)) + "\n)"


def quoted(template: str) -> list[str]:
    """Return a text as literals of one line each, f-strings where something is to be filled in."""
    lines, line = [], ""
    for word in re.findall(r"\S+\s*", template):
        if line and len(json.dumps(line + word)) > WIDTH:
            lines.append(line)
            line = ""
        line += word
    return [("f" if "{" in text else "") + json.dumps(text) for text in (*lines, line)]


@cache
def ask(template: str, **options: object) -> str:
    """Return the call of ``kit.llm`` with this prompt."""
    arguments = [f"{name}={value}" for name, value in options.items()]
    prompt = quoted(template)
    short = f"kit.llm({', '.join([*prompt, *arguments])})"
    if len(prompt) == 1 and len(short) <= WIDTH:
        return short
    return "kit.llm(\n" + indent("\n".join(prompt) + "".join(f",\n{one}" for one in arguments)) + ",\n)"


def indent(block: str) -> str:
    """Return a block one step to the right."""
    return textwrap.indent(block, "    ")
