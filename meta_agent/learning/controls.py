"""Data for the controls of a round: what is gained without verification is no gain of verification.

Each control has as many rows as the verified data, about the same tasks, from the same model's draws.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from meta_agent.learning.harvest import Harvest
from meta_agent.learning.rows import Row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from meta_agent.learning.sampling import Drawn

Control = Literal["response-only", "sharpened", "random"]
CONTROLS: tuple[Control, ...] = ("response-only", "sharpened", "random")
"""``response-only`` trains on the verified rows without what was asked (arXiv 2410.02465); ``sharpened`` on what the
model says most often, the likeliest answer without any verifier (arXiv 2412.01951); ``random`` on any of its draws."""


def unverified(control: Control, drawn: Sequence[Drawn], rows: int, seed: int) -> Harvest:
    """Return the data of the controls that verify nothing, at most ``rows`` rows, spread over the tasks.

    Raises:
        ValueError: The control trains on the verified rows.
    """
    if control == "response-only":
        raise ValueError("this control trains on the verified rows")
    draw = random.Random(f"{control}/{seed}")  # noqa: S311
    lessons = [_lessons(each, control, draw) for each in drawn]
    longest = max((len(each) for each in lessons), default=0)
    in_turn = [each[i] for i in range(longest) for each in lessons if i < len(each)]
    kept = [replace(row, source={**row.source, "place": place}) for place, row in enumerate(in_turn[:rows])]
    return Harvest(tuple(kept), {"rows written": len(kept), "verified": 0})


def _lessons(drawn: Drawn, control: Control, draw: random.Random) -> list[Row]:
    """Return the draws of a task as rows, in the order in which the control wants them."""
    places = list(range(len(drawn.replies)))
    if control == "random":
        draw.shuffle(places)
    else:
        often = Counter(drawn.keys)
        places.sort(key=lambda i: (-often[drawn.keys[i]], len(drawn.replies[i])))
        places = [i for i in places if drawn.keys[i] == drawn.keys[places[0]]]
    return [
        Row("sft", control, drawn.domain, drawn.task.id, drawn.prompt, drawn.replies[i], source={"draw": i})
        for i in places
    ]
