"""Composition: programs from building blocks, found by a search over blocks, without any model call.

The space is a tree of choices (:mod:`meta_agent.composition`). A search that is told what earlier compositions and the
hand-designed agents scored says what to try next. With a budget of some dozen evaluations the regression (SMBO) is the
quickest; the tree search (MCTS) and Optuna's estimator (TPE) assume less about how blocks add up. The first two are those
of DeepArchitect (Negrinho and Gordon 2017, arXiv 1704.08792).
"""

from __future__ import annotations

import json
import random
import re
from statistics import fmean
from typing import TYPE_CHECKING, Literal

from meta_agent.composition import HAND, MCTS, SMBO, TPE, agent_space, at_random, made, walk
from meta_agent.proposers.proposer import Proposal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from meta_agent.composition import Choices
    from meta_agent.proposers.proposer import Example, Turn

NOISE = 1.0
"""Ridge penalty for scores on a few dozen tasks, whose noise is about as large as what a block adds to them."""
REPEATS = 50
"""Designs in a row that a search may ask for although their score is known."""


class CompositionProposer:
    """Writes programs from blocks.

    Args:
        kind: ``code`` or ``answer``.
        calls: model calls that a program may make on one task, at worst.
        search: ``smbo``, ``mcts`` or ``tpe``.

    Raises:
        UserError: ``tpe`` without Optuna.
    """

    def __init__(
        self, *, kind: Literal["code", "answer"], calls: int, search: Literal["smbo", "mcts", "tpe"] = "smbo"
    ) -> None:
        self.name = "composition" if search == "smbo" else f"composition-{search}"
        self.kind: Literal["code", "answer"] = kind
        self.space = agent_space(kind, calls)
        searches: dict[str, Callable[[], SMBO | MCTS | TPE]] = {
            "smbo": lambda: SMBO(self.space, ridge=NOISE),
            "mcts": lambda: MCTS(self.space),
            "tpe": lambda: TPE(self.space),
        }
        self.search = searches[search]
        self.search()

    def propose(self, turn: Turn) -> Proposal:
        """Ask the search for a design, and write it down.

        Earlier slots of the same generation are in flight. They are asked for again, and told to be worth the mean
        (a constant liar: Ginsbourger, Le Riche and Carraro 2010, Kriging is well-suited to parallelize optimization).
        """
        known = self.known(turn.members)
        search = self.search()
        scores = [score for _, score in known.values()]
        for choices, score in known.values():
            search.tell(choices, score)
        for slot in range(turn.slot + 1):
            rng = random.Random(f"composition/{turn.draw - turn.slot + slot}")  # noqa: S311
            for _ in range(REPEATS):
                choices = search.ask(rng)
                if _key(choices) not in known:
                    break
                search.tell(choices, known[_key(choices)][1])
            if slot < turn.slot:
                liar = fmean(scores) if scores else 0.5
                search.tell(choices, liar)
                known[_key(choices)] = choices, liar
        return self.written(choices)

    def reflect(self, proposal: Proposal, step: int, draw: int) -> Proposal:
        """Return the proposal: blocks fit as they are."""
        return proposal

    def repair(self, proposal: Proposal, error: str, attempt: int, draw: int) -> Proposal:
        """Return another design, drawn at random."""
        rng = random.Random(f"composition/{draw}/{attempt}")  # noqa: S311
        return self.written(walk(self.space, at_random(rng))[0])

    def written(self, choices: Choices) -> Proposal:
        """Return the program of a design; its choices stand in its docstring, from where :meth:`known` reads them."""
        choices, source = walk(self.space, made(choices))
        idea, rest = source.removeprefix('"""').split(".\n", 1)
        return Proposal(
            name=_title(choices),
            thought=idea.replace("\n", " "),
            source=f'"""{idea}.\n\nComposition: {json.dumps(choices)}\n{rest.lstrip()}',
        )

    def known(self, members: Sequence[Example]) -> dict[str, tuple[Choices, float]]:
        """Return the designs whose score is known, by their choices: compositions and hand-designed agents."""
        found = {}
        for member in members:
            choices = HAND[self.kind].get(member.name) if member.proposer == "hand" else None
            if member.proposer.startswith("composition"):
                stated = re.search(r"^Composition: (\{.*\})$", member.source, re.MULTILINE)
                choices = json.loads(stated[1]) if stated else None
            if choices is None:
                continue
            try:
                choices, _ = walk(self.space, made(choices))
            except ValueError:  # a hand-designed agent that needs more calls than a program may make here
                continue
            found[_key(choices)] = choices, member.score
        return found


def _title(choices: Choices) -> str:
    """Return a name such as ``composed: plan x3 by majority, trace x1, else direct x2``."""
    words = str(choices.get("draft", "direct"))
    if choices.get("samples", 1) != 1:
        words += f" x{choices['samples']} by {choices.get('selection', 'tests')}"
    for choice, count, link in (
        ("wider vote", "wider vote samples", "and "),
        ("revision", "rounds", ""),
        ("fallback", "fallback samples", "else "),
    ):
        if choices.get(choice, "none") != "none":
            words += f", {link}{choices[choice]} x{choices.get(count, 1)}"
    return f"composed: {words}"


def _key(choices: Choices) -> str:
    return json.dumps(choices)
