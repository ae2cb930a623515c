"""Where things go in the charts, in the units of an SVG's view box."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from archive.views import UNITS, best_so_far, cost_a_task, front
from archive.web import figures

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from archive.archive import Standing
    from archive.records import Member

WIDTH, HEIGHT = 720.0, 340.0
LEFT, RIGHT, TOP, BOTTOM = 52.0, 14.0, 14.0, 40.0
MOST_DOTS = 800
_CELL = 4.0  # dots this close hide each other: the best one is drawn


@dataclass(frozen=True, slots=True)
class Axis:
    """A scale from values to places."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def at(self, value: float) -> float:
        """Return the place of a value; values beyond the ends go to the ends."""
        return self.places([value])[0]

    def places(self, values: Sequence[float]) -> list[float]:
        """Return the places of values."""
        scale = np.log if self.log else np.asarray
        low, high = scale(self.low), scale(self.high)
        shares = (scale(np.maximum(values, 1e-12) if self.log else values) - low) / ((high - low) or 1.0)
        places: list[float] = (self.start + np.clip(shares, 0, 1) * (self.end - self.start)).round(1).tolist()
        return places

    def ticks(self, most: int = 6) -> list[float]:
        """Return round values to label, within the ends."""
        if self.log:
            first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
            marks = [m * 10.0**e for e in range(first, last + 1) for m in (1, 2, 5)]
            held = [m for m in marks if self.low <= m <= self.high]
            return held[:: max(1, math.ceil(len(held) / most))]
        span = (self.high - self.low) or 1.0
        step = 10.0 ** math.floor(math.log10(span / most))
        step *= next((m for m in (1, 2, 5) if span / (step * m) <= most), 10)
        first_mark = math.ceil(self.low / step - 1e-9)
        return [round(k * step, 10) for k in range(first_mark, math.floor(self.high / step + 1e-9) + 1)]


@dataclass(frozen=True, slots=True)
class Dot:
    """A program in a chart."""

    x: float
    y: float
    low: float
    """Where the lower end of the interval of its score lies."""
    high: float
    standing: Standing
    marked: bool
    words: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart of scores (upwards) against something."""

    title: str
    across: str
    x: Axis
    y: Axis
    dots: list[Dot]
    line: str
    """Path of the front, or of the best so far."""
    band: str = ""
    """Path round the interval of the best so far."""
    left_out: int = 0
    """Programs that are hidden by others at the same place."""
    labels: list[tuple[float, str]] = field(default_factory=list)


def against_cost(standings: Sequence[Standing], unit: str) -> Chart | None:
    """Return accuracy against cost a task, with the Pareto front; None when nothing has a cost."""
    costs = {one.evaluation.id: cost for one in standings if (cost := cost_a_task(one, unit)) is not None}
    priced = [one for one in standings if one.evaluation.id in costs]
    if not priced:
        return None
    least, most = min(costs.values()), max(costs.values())
    log = least > 0 and most > 8 * least
    low, high = (least / 1.15, most * 1.15) if log else (0.0, most * 1.08 or 1.0)
    x, y = Axis(low, high, LEFT, WIDTH - RIGHT, log), _score_axis(priced)
    best = front(standings, unit)
    dots = _dots(
        x.places([costs[one.evaluation.id] for one in priced]),
        priced,
        y,
        {one.evaluation.id for one in best},
        lambda one: figures.cost(costs[one.evaluation.id], unit) + " a task",
    )
    line = ""
    for one in best:
        at = x.at(costs[one.evaluation.id]), y.at(one.mean)
        line += f"H{at[0]}V{at[1]}" if line else f"M{at[0]} {at[1]}"
    return Chart(
        title="Score against cost",
        across=UNITS[unit],
        x=x,
        y=y,
        dots=dots,
        line=line + f"H{WIDTH - RIGHT}",
        left_out=len(priced) - len(dots),
        labels=[(x.at(tick), _tick(tick, unit)) for tick in x.ticks()],
    )


def over_time(members: Sequence[Member], standings: dict[str, Standing]) -> Chart | None:
    """Return the best score so far over the members of a run; None when none was measured."""
    steps = best_so_far(members, standings)
    if not steps:
        return None
    positions = {m.program: i for i, m in enumerate(members) if m.program in standings}
    measured = [standings[program] for program in positions]
    x, y = Axis(0, max(1, len(members) - 1), LEFT + 6, WIDTH - RIGHT - 6), _score_axis(measured)
    dots = _dots(
        x.places(list(positions.values())),
        measured,
        y,
        {step.standing.evaluation.id for step in steps},
        lambda one: f"generation {members[positions[one.evaluation.program]].generation}",
    )
    line, upper, lower = "", "", ""
    ends = [step.position for step in steps[1:]] + [len(members) - 1]
    for step, end in zip(steps, ends, strict=True):
        one = step.standing
        from_, to = x.at(step.position), x.at(end)
        line += f"{'V' if line else f'M{from_} '}{y.at(one.mean)}H{to}"
        upper += f"{'L' if upper else 'M'}{from_} {y.at(one.high)}H{to}"
        lower = f"L{to} {y.at(one.low)}H{from_}" + lower
    return Chart(
        title="Best so far",
        across="programs, in the order in which they were kept",
        x=x,
        y=y,
        dots=dots,
        line=line,
        band=f"{upper}{lower}Z",
        left_out=len(measured) - len(dots),
        labels=[(x.at(tick), figures.short(tick)) for tick in x.ticks() if tick == int(tick)],
    )


def _score_axis(standings: Sequence[Standing]) -> Axis:
    low = min(one.low for one in standings)
    high = max(one.high for one in standings)
    room = max(0.02, (high - low) * 0.05)
    return Axis(max(0.0, low - room), min(1.0, high + room), HEIGHT - BOTTOM, TOP)


def _dots(
    across: Sequence[float],
    standings: Sequence[Standing],
    y: Axis,
    marked: set[str],
    words: Callable[[Standing], str],
) -> list[Dot]:
    """Return one dot a place, at most about :data:`MOST_DOTS`; the marked ones last, so that they lie on top."""
    up = y.places([one.mean for one in standings])
    cell = _CELL if len(standings) > MOST_DOTS else 0.1
    held: dict[tuple[int, int], int] = {}
    kept = {i for i, one in enumerate(standings) if one.evaluation.id in marked}
    while not held or len(held) > MOST_DOTS:
        held = {}
        for i, place in enumerate(zip(across, up, strict=True)):
            held.setdefault((int(place[0] / cell), int(place[1] / cell)), i)
        cell *= 2
    drawn = [i for i in held.values() if i not in kept] + sorted(kept)
    return [
        Dot(
            across[i],
            up[i],
            y.at(one.low),
            y.at(one.high),
            one,
            i in kept,
            f"{figures.percent(one.mean)} ({figures.percent(one.low)} to {figures.percent(one.high)}), {words(one)}",
        )
        for i, one in ((i, standings[i]) for i in drawn)
    ]


def _tick(value: float, unit: str) -> str:
    return figures.dollars(value) if unit == "usd" else figures.short(value)
