"""How good a repair and its explanation are: CodeBLEU and the rewards of LeDex.

Jiang et al. (2024), LeDex: Training LLMs to Better Self-Debug and Explain Code, arXiv 2405.18649.
"""

from __future__ import annotations

import ast
import keyword
import math
import re
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_TOKEN = re.compile(r"\w+|[^\w\s]+")
_ORDERS = 4
_PLAIN = 0.2
"""Weight of a word that is no keyword."""


def repair_reward(similarity: float, passed: float) -> float:
    """Return LeDex's reward of a repair, -5 to 5.

    Args:
        similarity: mean CodeBLEU to right repairs, 0 to 1.
        passed: share of the tests that pass.
    """
    return 5 * (similarity + passed) - 5


def explanation_reward(similarity: float) -> float:
    """Return LeDex's reward of an explanation, from its mean cosine to those of right repairs; -5 at 0.4, 5 at 1."""
    return (50 * similarity - 35) / 3


def code_bleu(code: str, reference: str) -> float:
    """Return the similarity of two Python texts, 0 to 1; 1 for equal ones.

    The mean of four: BLEU, BLEU of single tokens with keywords five times as heavy, the share of the reference's
    syntax trees (without names) and the share of its data flow that come back. Parts that a text without syntax does
    not have count as 0. Ren et al. (2020), CodeBLEU, arXiv 2009.10297.
    """
    ours, theirs = _TOKEN.findall(code), _TOKEN.findall(reference)
    if ours == theirs:
        return 1.0
    trees = _parse(code), _parse(reference)
    syntax = flow = 0.0
    if trees[0] and trees[1]:
        syntax = _found(_shapes(trees[0]), _shapes(trees[1]))
        flow = _found(_flow(trees[0]), _flow(trees[1]))
    return (_bleu(ours, theirs) + _weighted(ours, theirs) + syntax + flow) / 4


def _bleu(ours: Sequence[str], theirs: Sequence[str]) -> float:
    logs = []
    for n in range(1, min(_ORDERS, len(ours), len(theirs)) + 1):
        mine = Counter(zip(*(ours[i:] for i in range(n)), strict=False))
        other = Counter(zip(*(theirs[i:] for i in range(n)), strict=False))
        matched = (mine & other).total()
        logs.append(math.log((matched or 0.5) / mine.total()))  # a half for nothing, else one gap is all
    return _brevity(ours, theirs) * math.exp(math.fsum(logs) / len(logs)) if logs else 0.0


def _weighted(ours: Sequence[str], theirs: Sequence[str]) -> float:
    def weigh(tokens: Counter[str]) -> float:
        return math.fsum(
            count * (1.0 if keyword.iskeyword(token) else _PLAIN) for token, count in tokens.items()
        )

    mine, other = Counter(ours), Counter(theirs)
    return _brevity(ours, theirs) * weigh(mine & other) / weigh(mine) if mine else 0.0


def _brevity(ours: Sequence[str], theirs: Sequence[str]) -> float:
    if not ours:
        return 0.0
    return min(1.0, math.exp(1 - len(theirs) / len(ours)))


def _found(ours: Counter[str], theirs: Counter[str]) -> float:
    return (ours & theirs).total() / theirs.total() if theirs else 1.0


def _parse(code: str) -> ast.Module | None:
    try:
        return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _shapes(tree: ast.AST) -> Counter[str]:
    """Return the syntax trees below and at a node, by the types of their nodes."""
    shapes: Counter[str] = Counter()

    def shape(node: ast.AST) -> str:
        below = " ".join(shape(child) for child in ast.iter_child_nodes(node))
        text = f"({type(node).__name__} {below})" if below else type(node).__name__
        if below:
            shapes[text] += 1
        return text

    shape(tree)
    return shapes


def _flow(tree: ast.AST) -> Counter[str]:
    """Return which variable gets its value from which, variables numbered as they appear."""
    numbers: dict[str, int] = {}
    edges: Counter[str] = Counter()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            value = node.value
        elif isinstance(node, ast.For | ast.comprehension):
            targets, value = [node.target], node.iter
        else:
            continue
        sources = _names(value, numbers) if value else []
        for target in targets:
            edges.update(f"{name}<-{source}" for name in _names(target, numbers) for source in sources)
    return edges


def _names(node: ast.AST, numbers: dict[str, int]) -> list[int]:
    return [
        numbers.setdefault(name.id, len(numbers)) for name in ast.walk(node) if isinstance(name, ast.Name)
    ]
