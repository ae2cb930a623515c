"""Quality, diversity and complexity of a set of programs or texts.

The three are logged together because each pays for another: Havrilla et al. (2024), Surveying the Effects of
Quality, Diversity, and Complexity in Synthetic Data From Large Language Models, arXiv 2412.02980.
"""

from __future__ import annotations

import ast
import math
import re
from collections import Counter
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

_TOKEN = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Profile:
    """Quality, diversity and complexity of a set."""

    n: int
    verified: float
    """Share that was verified."""
    duplicates: float
    """Share of texts that repeat an earlier one."""
    distinct_1: float
    """Distinct tokens over all tokens."""
    distinct_2: float
    """Distinct pairs of neighbouring tokens over all pairs."""
    vendi: float
    """Effective number of different texts, by their tokens: 1 to ``n``."""
    behaviours: int
    """Different rows of outcomes."""
    tokens: float
    """Mean number of tokens."""
    nodes: float | None
    """Mean number of syntax nodes of the texts that are Python; None when none is."""
    branching: float | None
    """Mean cyclomatic complexity of the texts that are Python."""
    difficulty: float
    """1 less the mean outcome."""


def profile(
    texts: Sequence[str], outcomes: Sequence[Sequence[float]], verified: Sequence[bool] | None = None
) -> Profile:
    """Return the profile of a set of texts.

    ``outcomes`` has a row for each text: its scores from 0 to 1 on the same tests or tasks. A text is ``verified``
    when all its outcomes are 1, unless told otherwise.

    Raises:
        ValueError: There is no text, no outcome, or the three are not of the same texts.
    """
    known = (
        [bool(row) and all(score == 1 for score in row) for row in outcomes] if verified is None else verified
    )
    if not texts or not len(texts) == len(outcomes) == len(known) or not all(outcomes):
        raise ValueError(f"expected outcomes of each text, got {len(texts)} texts and {len(outcomes)} rows")
    sizes = [size for text in texts if (size := syntax(text))]
    return Profile(
        n=len(texts),
        verified=fmean(known),
        duplicates=1 - len(set(texts)) / len(texts),
        distinct_1=distinct_n(texts, 1),
        distinct_2=distinct_n(texts, 2),
        vendi=vendi_score(token_similarity(texts)),
        behaviours=behaviour_classes(outcomes),
        tokens=fmean(len(_TOKEN.findall(text)) for text in texts),
        nodes=fmean(nodes for nodes, _ in sizes) if sizes else None,
        branching=fmean(branching for _, branching in sizes) if sizes else None,
        difficulty=1 - fmean(fmean(row) for row in outcomes),
    )


def vendi_score(similarity: npt.ArrayLike) -> float:
    """Return the effective number of different items: 1 when all are alike, their number when none are.

    The exponential of the entropy of the eigenvalues of ``similarity / n``: Friedman and Dieng (2023), The Vendi
    Score, arXiv 2210.02410. ``similarity`` is symmetric and positive semi-definite, with 1 for an item and itself.

    Raises:
        ValueError: It is not a square matrix with ones on the diagonal.
    """
    matrix = np.asarray(similarity, float)
    n = len(matrix)
    if n == 0 or matrix.shape != (n, n) or not np.allclose(matrix.diagonal(), 1):
        raise ValueError(f"expected a square matrix with ones on the diagonal, got shape {matrix.shape}")
    weights = np.linalg.eigvalsh(matrix / n)
    weights = weights[weights > 0]
    return float(np.exp(-(weights * np.log(weights)).sum()))


def token_similarity(texts: Sequence[str]) -> npt.NDArray[np.float64]:
    """Return the cosine of the token counts of each pair of texts; texts without a token are all alike."""
    counts = [Counter(_TOKEN.findall(text)) or Counter([""]) for text in texts]
    column = {token: i for i, token in enumerate(sorted(set().union(*counts)))}
    vectors = np.zeros((len(texts), len(column)))
    for vector, count in zip(vectors, counts, strict=True):
        vector[[column[token] for token in count]] = list(count.values())
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors @ vectors.T)


def distinct_n(texts: Sequence[str], n: int) -> float:
    """Return the share of different ones among all runs of ``n`` tokens; 0 when there is no run.

    Li et al. (2016), A Diversity-Promoting Objective Function for Neural Conversation Models, arXiv 1510.03055.
    """
    runs: Counter[tuple[str, ...]] = Counter()
    for text in texts:
        tokens = _TOKEN.findall(text)
        runs.update(zip(*(tokens[i:] for i in range(n)), strict=False))
    return len(runs) / runs.total() if runs else 0.0


def behaviour_classes(outcomes: Sequence[Sequence[float]]) -> int:
    """Return the number of different rows: programs that do the same on everything are one class."""
    return len({tuple(row) for row in outcomes})


def behaviour_entropy(outcomes: Sequence[Sequence[float]]) -> float:
    """Return the entropy of the rows in bits: 0 when all do the same, log2 of their number when no two do."""
    counts = Counter(tuple(row) for row in outcomes)
    shares = [count / len(outcomes) for count in counts.values()]
    return sum(share * math.log2(1 / share) for share in shares)


def mean_distance(outcomes: Sequence[Sequence[float]]) -> float:
    """Return the mean difference of two rows, 0 to 1, over all pairs; 0 for a single row or rows without a column."""
    pairs = [(a, b) for a, b in combinations(outcomes, 2) if a]
    return fmean(fmean(abs(x - y) for x, y in zip(a, b, strict=True)) for a, b in pairs) if pairs else 0.0


def syntax(source: str) -> tuple[int, int] | None:
    """Return the number of syntax nodes and the cyclomatic complexity of a Python text, None when it is not Python.

    Complexity is 1 more than the number of decisions: branches, loops, handlers, conditions in comprehensions, cases,
    and further operands of ``and`` and ``or``. McCabe (1976), A Complexity Measure, IEEE TSE 2:308-320.
    """
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return len(nodes), 1 + sum(_decisions(node) for node in nodes)


def _decisions(node: ast.AST) -> int:
    if isinstance(node, ast.BoolOp):
        return len(node.values) - 1
    if isinstance(node, ast.comprehension):
        return 1 + len(node.ifs)
    branching = (
        ast.If,
        ast.IfExp,
        ast.For,
        ast.AsyncFor,
        ast.While,
        ast.ExceptHandler,
        ast.match_case,
        ast.Assert,
    )
    return int(isinstance(node, branching))
