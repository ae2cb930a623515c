"""Charts of a run as files: PNG, SVG, PDF, whatever the ending of the name says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archive.report import printable
from archive.views import UNITS, best_so_far, cost_a_task, front

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from archive.archive import Standing
    from archive.records import Member

_NAMED = 12  # more names than that hide each other


def plot_cost(standings: Sequence[Standing], unit: str, file: Path) -> None:
    """Draw accuracy against cost with 95% intervals and the Pareto front.

    Args:
        standings: At least one with a known cost.
        unit: One of :data:`~archive.views.UNITS`.
        file: What to write.

    Raises:
        ImportError: matplotlib is not installed (``pip install "meta-agent-search[plots]"``).
        ValueError: Nothing has a known cost, or the ending of the file's name means nothing to matplotlib.
    """
    costs = {s.evaluation.id: cost for s in standings if (cost := cost_a_task(s, unit)) is not None}
    if not costs:
        raise ValueError(f"no {unit} are known for these programs")
    best = front(standings, unit)
    with _Canvas(file) as axes:
        for one in standings:
            if one.evaluation.id in costs:
                _point(axes, costs[one.evaluation.id], one, marked=one in best)
        ends = max(costs.values())
        axes.step(
            [*(costs[one.evaluation.id] for one in best), ends],
            [*(one.mean for one in best), best[-1].mean],
            where="post",
            color="tab:blue",
            label="Pareto front",
        )
        if min(costs.values()) > 0:
            axes.set_xscale("log")
        axes.set_xlabel(UNITS[unit])
        axes.legend(loc="lower right")
        for one in best[-_NAMED:]:
            axes.annotate(
                _name(one),
                (costs[one.evaluation.id], one.mean),
                textcoords="offset points",
                xytext=(4, 4),
                fontsize=7,
                parse_math=False,
            )


def plot_progress(members: Sequence[Member], standings: dict[str, Standing], file: Path) -> None:
    """Draw the score of each member in the order kept, and the best so far with its 95% interval.

    Args:
        members: Of one run, by generation and slot.
        standings: By program; at least one member has one.
        file: What to write.

    Raises:
        ImportError: matplotlib is not installed (``pip install "meta-agent-search[plots]"``).
        ValueError: No member was measured, or the ending of the file's name means nothing to matplotlib.
    """
    from matplotlib.ticker import MaxNLocator

    steps = best_so_far(members, standings)
    if not steps:
        raise ValueError("no program of this run was measured on this split")
    with _Canvas(file) as axes:
        at = [*(step.position for step in steps), len(members) - 1]
        best = [*(step.standing for step in steps), steps[-1].standing]
        axes.fill_between(
            at,
            [one.low for one in best],
            [one.high for one in best],
            step="post",
            color="tab:blue",
            alpha=0.15,
            label="its 95% interval",
        )
        axes.step(at, [one.mean for one in best], where="post", color="tab:blue", label="best so far")
        for position, member in enumerate(members):
            if one := standings.get(member.program):
                _point(axes, position, one, marked=any(step.position == position for step in steps))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("programs, in the order in which they were kept")
        axes.legend(loc="lower right")


class _Canvas:
    """A figure that is written when the block ends."""

    def __init__(self, file: Path) -> None:
        from matplotlib.figure import Figure

        self._file = file
        self._figure = Figure(figsize=(9, 5.5), layout="constrained")

    def __enter__(self) -> Axes:
        axes = self._figure.subplots()
        axes.set_ylabel("score, with its 95% interval")
        axes.grid(alpha=0.2)
        return axes

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            import matplotlib as mpl

            with mpl.rc_context({"svg.hashsalt": "adas", "svg.fonttype": "none"}):
                # The same archive gives the same file.
                metadata = {"Date": None} if self._file.suffix == ".svg" else None
                self._figure.savefig(self._file, dpi=150, metadata=metadata)


def _point(axes: Axes, x: float, one: Standing, *, marked: bool) -> None:
    # Wilson's interval always holds the mean, Student's cut to 0 to 1 as well.
    axes.errorbar(
        x,
        one.mean,
        yerr=[[max(0.0, one.mean - one.low)], [max(0.0, one.high - one.mean)]],
        fmt="o",
        color="tab:blue" if marked else "tab:gray",
        elinewidth=0.6,
        markersize=4,
    )


def _name(one: Standing) -> str:
    return " ".join(printable(one.name).split())[:40]
