"""Where things go in the charts, in the units of an SVG's view box."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from archive.views import best_so_far, cost_a_task, front
from archive.web import figures

if TYPE_CHECKING:
    from collections.abc import Sequence

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
        low, high, value = (math.log(v) if self.log else v for v in (self.low, self.high, max(value, 1e-12)))
        share = (value - low) / (high - low) if high > low else 0.5
        return round(self.start + min(1.0, max(0.0, share)) * (self.end - self.start), 1)

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
    costs = {one.evaluation.id: cost_a_task(one, unit) for one in standings}
    priced = [(one, cost) for one in standings if (cost := costs[one.evaluation.id]) is not None]
    if not priced:
        return None
    values = [cost for _, cost in priced]
    positive = [value for value in values if value > 0]
    log = bool(positive) and len(positive) == len(values) and max(positive) > 8 * min(positive)
    low, high = (min(values) / 1.15, max(values) * 1.15) if log else (0.0, max(values) * 1.08 or 1.0)
    x = Axis(low, high, LEFT, WIDTH - RIGHT, log)
    y = _score_axis([one for one, _ in priced])
    best = front(standings, unit)
    kept = {one.evaluation.id for one in best}
    placed = [(x.at(cost), one, figures.cost(cost, unit) + " a task") for one, cost in priced]
    dots = _dots(placed, y, kept)
    line = ""
    for one in best:
        at = x.at(costs[one.evaluation.id] or 0.0), y.at(one.mean)
        line += f"M{at[0]} {at[1]}" if not line else f"H{at[0]}V{at[1]}"
    return Chart(
        title="Score against cost",
        across={"usd": "dollars a task", "seconds": "seconds a task"}.get(unit, f"{unit} a task"),
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
    measured = [
        (i, standings[member.program]) for i, member in enumerate(members) if member.program in standings
    ]
    x = Axis(0, max(1, len(members) - 1), LEFT + 6, WIDTH - RIGHT - 6)
    y = _score_axis([one for _, one in measured])
    generation = {member.program: member.generation for member in members}
    placed = [(x.at(i), one, f"generation {generation[one.evaluation.program]}") for i, one in measured]
    dots = _dots(placed, y, {step.standing.evaluation.id for step in steps})
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


def _dots(placed: Sequence[tuple[float, Standing, str]], y: Axis, marked: set[str]) -> list[Dot]:
    """Return one dot a place, the marked ones last, so that they lie on top."""
    cell = _CELL if len(placed) > MOST_DOTS else 0.1
    while True:
        held: dict[tuple[int, int], tuple[float, Standing, str]] = {}
        for one in placed:
            place = round(one[0] / cell), round(y.at(one[1].mean) / cell)
            other = held.get(place)
            if other is None or one[1].mean > other[1].mean or one[1].evaluation.id in marked:
                held[place] = one
        if len(held) <= MOST_DOTS:
            break
        cell *= 1.5
    drawn = [
        Dot(
            x,
            y.at(one.mean),
            y.at(one.low),
            y.at(one.high),
            one,
            one.evaluation.id in marked,
            f"{figures.percent(one.mean)} ({figures.percent(one.low)} to {figures.percent(one.high)}), {words}",
        )
        for x, one, words in held.values()
    ]
    return sorted(drawn, key=lambda dot: dot.marked)


def _tick(value: float, unit: str) -> str:
    return figures.dollars(value) if unit == "usd" else figures.short(value)
