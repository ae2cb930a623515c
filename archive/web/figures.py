"""Figures as a reader wants them: short, with a unit."""

from __future__ import annotations

import time


def percent(share: float | None) -> str:
    """Return 0.493 as ``49.3%``."""
    return "-" if share is None else f"{100 * share:.1f}%"


def points(difference: float) -> str:
    """Return a difference of shares as signed percentage points."""
    return f"{100 * difference:+.1f}"


def short(number: float | None) -> str:
    """Return 12345 as ``12.3k``."""
    if number is None:
        return "-"
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(number) >= limit:
            return f"{number / (1e3 if unit == 'k' else limit):.1f}{unit}"
    return f"{number:,.0f}" if number >= 10 or number == int(number) else f"{number:.1f}"


def dollars(cost: float | None) -> str:
    """Return a cost; an unknown one is said."""
    if cost is None:
        return "unpriced"
    return "$0" if cost == 0 else f"${cost:.2f}" if cost >= 0.995 else f"${cost:.2g}"


def duration(seconds: float) -> str:
    """Return seconds in the unit that fits."""
    if seconds < 120:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def cost(value: float | None, unit: str) -> str:
    """Return what a task took, in its unit: ``tokens``, ``calls``, ``seconds`` or ``usd``."""
    if value is None:
        return "-"
    if unit == "usd":
        return dollars(value)
    return duration(value) if unit == "seconds" else f"{short(value)} {unit}"


def moment(seconds: float) -> str:
    """Return a Unix time as local date and time."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def moment_exactly(seconds: float) -> str:
    """Return a Unix time as local date and time to the second."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def step(score: float | None) -> str:
    """Return the class that colours a score: ``s0`` to ``s10``; ``none`` without one."""
    return "none" if score is None else f"s{round(10 * score)}"


FILTERS = {
    "percent": percent,
    "points": points,
    "short": short,
    "dollars": dollars,
    "duration": duration,
    "cost": cost,
    "moment": moment,
    "moment_exactly": moment_exactly,
    "step": step,
}
