"""Prompt tuning: the program stays as it is, one of the prompts in it is written anew.

A prompt is optimised by showing it to a model together with what it led to (Yang et al. 2023, Large Language Models as
Optimizers, arXiv 2309.03409). It is found and replaced in the syntax tree, so that nothing else can break; what is
filled in at run time must be filled in again.
"""

from __future__ import annotations

import ast
import json
import random
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from meta_agent.agents.kit import extract_code
from meta_agent.proposers.author import Author
from meta_agent.proposers.proposer import Proposal
from sandboxes.syntax import parse

if TYPE_CHECKING:
    from meta_agent.proposers.proposer import Turn

SHORTEST = 30
"""Characters of a text that counts as a prompt."""
SYSTEM = "You improve prompts for a small language model. Reply with the new prompt in one ``` block and nothing else."
WISHES = (
    "Say more exactly what is wanted and in which form.",
    "Name the mistake that a small model makes most often here, and forbid it.",
    "Make it shorter: short sentences, one instruction each.",
    "Ask for one short check before the answer.",
    "Say what the input looks like and what a good answer has in it.",
)


@dataclass(frozen=True, slots=True)
class Prompt:
    """A text in a source."""

    start: int
    end: int
    """Offsets in the source, in bytes of UTF-8."""
    text: str
    """With ``{...}`` where something is filled in."""
    blanks: tuple[str, ...]
    """What is filled in, braces included."""


class TuningProposer(Author):
    """Writes one prompt of the first parent anew."""

    name = "tuning"

    def propose(self, turn: Turn) -> Proposal:
        """Choose a prompt at random, and ask for a better one."""
        rng = random.Random(f"tuning/{turn.draw}")  # noqa: S311
        parent = turn.parents[0]
        source = self.outline(parent)
        found = prompts(source)
        wish = rng.choice(WISHES)
        new = source
        if found:
            old = rng.choice(found)
            keep = f" Keep {' and '.join(dict.fromkeys(old.blanks))} as they are." if old.blanks else ""
            answer = self.complete(
                f"A program for these tasks sends a prompt to a small language model. {self.description}\n\n"
                f"The prompt:\n```\n{old.text}\n```\n\n"
                + "".join(f"Afterwards a task failed: {line}\n" for line in parent.failures[:2])
                + f"Write the prompt anew. {wish}{keep}",
                turn.draw,
                SYSTEM,
            )
            new = rewritten(source, old, extract_code(answer))
        return Proposal(
            name=f"{parent.name.removesuffix(' reworded')} reworded"[:60],
            thought=f"{parent.name} with one prompt written anew: {wish}",
            source=new,
            parents=(parent.program,),
        )


def prompts(source: str) -> list[Prompt]:
    """Return the texts of a program that are long enough to be prompts, in their order; docstrings are none."""
    tree = parse(source)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    inside = {
        id(below) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for below in ast.walk(node)
    } - {id(node) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)}
    starts = [0]
    for line in source.encode().splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found = []
    for node in ast.walk(tree):
        if id(node) in docstrings or id(node) in inside or not isinstance(node, ast.JoinedStr | ast.Constant):
            continue
        pieces = node.values if isinstance(node, ast.JoinedStr) else [node]
        texts = [_piece(piece) for piece in pieces]
        if None in texts or sum(len(t) for t in texts if t and not t.startswith("{")) < SHORTEST:
            continue
        blanks = tuple(
            t for t, piece in zip(texts, pieces, strict=True) if t and isinstance(piece, ast.FormattedValue)
        )
        found.append(
            Prompt(
                starts[node.lineno - 1] + node.col_offset,
                starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0),
                "".join(t for t in texts if t),
                blanks,
            )
        )
    return sorted(found, key=lambda prompt: prompt.start)


def rewritten(source: str, old: Prompt, new: str) -> str:
    """Return the program with another text in place of a prompt; blanks that it lacks are put before it, one a line.

    Braces around anything else are plain text.
    """
    missing = [blank for blank in dict.fromkeys(old.blanks) if blank not in new]
    whole = "\n\n".join([*missing, new])
    blank = "|".join(map(re.escape, old.blanks)) or r"(?!)"
    pieces, filled = re.split(blank, whole), re.findall(blank, whole)
    quote = '"""' if any("'" in text or '"' in text for text in filled) else '"'
    literal = ("f" if filled else "") + quote
    for i, piece in enumerate(pieces):
        plain = json.dumps(piece, ensure_ascii=False)[1:-1]
        literal += plain.replace("{", "{{").replace("}", "}}") if filled else plain
        literal += filled[i] if i < len(filled) else ""
    raw = source.encode()
    return (raw[: old.start] + (literal + quote).encode(errors="replace") + raw[old.end :]).decode()


def _piece(node: ast.expr) -> str | None:
    """Return a piece of a text as it is shown; None when it is no text."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if not isinstance(node, ast.FormattedValue):
        return None
    conversion = f"!{chr(node.conversion)}" if node.conversion != -1 else ""
    spec = node.format_spec.values if isinstance(node.format_spec, ast.JoinedStr) else []
    form = "".join(_piece(piece) or "" for piece in spec)
    return f"{{{ast.unparse(node.value)}{conversion}{':' if form else ''}{form}}}"
