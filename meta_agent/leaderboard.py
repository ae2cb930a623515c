"""The leaderboard: agents on the same tasks with the same model, in figures that all come from rollouts.

Accuracy says little without its cost, so each agent also meets self-consistency (majority vote) with as many samples
as its own tokens buy. An agent that is not better than that is a dear way to sample.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from archive.statistics import SIGNIFICANCE, Interval, Paired, mean_interval, paired, pareto

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from rich.table import Table

    from archive import Rollout

MAX_SAMPLES = 16

Verdict = Literal["better", "no better", "worse"]


@dataclass(frozen=True, slots=True)
class Measured:
    """What one program did on the tasks of the board."""

    name: str
    program: str
    evaluation: str
    rollouts: tuple[Rollout, ...]
    """One a task, in the order of the tasks."""

    @property
    def scores(self) -> list[float]:
        """The score on each task."""
        return [rollout.score for rollout in self.rollouts]

    def mean(self, field: str) -> float:
        """Return the mean of a field over the tasks."""
        return math.fsum(getattr(rollout, field) for rollout in self.rollouts) / len(self.rollouts)

    @property
    def tokens(self) -> float:
        """Prompt and generated tokens a task."""
        return self.mean("prompt_tokens") + self.mean("completion_tokens")


@dataclass(frozen=True, slots=True)
class Row:
    """One agent's line; costs are means a task, cached replies counted at their full price in calls and tokens."""

    name: str
    program: str
    evaluation: str
    tasks: int
    failures: int
    """Tasks on which the program itself failed."""
    accuracy: Interval
    calls: float
    tokens: float
    seconds: float
    """Wall seconds, waits for a shared model included; a reply that was in the cache takes none."""
    cpu_seconds: float
    """In sandboxes, marking included."""
    to_best: Paired
    """Against the most accurate agent."""
    to_self_consistency: Paired
    """Against self-consistency as shelved, with its five samples."""
    samples: int
    """Of self-consistency that this agent's tokens buy."""
    at_equal_cost: Paired
    """Against self-consistency with that many."""
    verdict: Verdict
    front: bool
    """Whether no other agent is as accurate for fewer tokens."""


@dataclass(frozen=True, slots=True)
class Board:
    """All agents, the most accurate first, and the curve of self-consistency over its samples."""

    run: str
    domain: str
    domain_version: str
    scorer: str
    model: str
    tasks: int
    rows: tuple[Row, ...]
    curve: tuple[tuple[int, float, float], ...]
    """(samples, tokens a task, accuracy) of self-consistency."""

    def as_json(self) -> dict[str, Any]:
        """Return the board as JSON types."""
        return asdict(self)


def samples_for(tokens: float, one_sample: float) -> int:
    """Return how many samples of self-consistency so many tokens buy, at least 1 and at most MAX_SAMPLES."""
    return min(MAX_SAMPLES, max(1, round(tokens / max(1.0, one_sample))))


def rows(agents: Sequence[Measured], baselines: Mapping[int, Measured], shelved: Measured) -> tuple[Row, ...]:
    """Return the lines of a board, the most accurate first, among equals the cheapest.

    Args:
        agents: what to rank, all measured on the same tasks.
        baselines: self-consistency by its number of samples, 1 among them.
        shelved: self-consistency as the shelf has it.
    """
    ranked = sorted(agents, key=lambda agent: (-agent.mean("score"), agent.tokens, agent.name))
    front = pareto([(agent.mean("score"), agent.tokens) for agent in ranked])
    return tuple(
        _row(agent, ranked[0], baselines, shelved, front=on_it)
        for agent, on_it in zip(ranked, front, strict=True)
    )


def _row(
    agent: Measured, best: Measured, baselines: Mapping[int, Measured], shelved: Measured, *, front: bool
) -> Row:
    samples = samples_for(agent.tokens, baselines[1].tokens)
    at_equal_cost = paired(agent.scores, baselines[samples].scores)
    return Row(
        name=agent.name,
        program=agent.program,
        evaluation=agent.evaluation,
        tasks=len(agent.rollouts),
        failures=sum(bool(rollout.failure) for rollout in agent.rollouts),
        accuracy=mean_interval(agent.scores),
        calls=agent.mean("calls"),
        tokens=agent.tokens,
        seconds=agent.mean("seconds"),
        cpu_seconds=agent.mean("cpu_seconds"),
        to_best=paired(agent.scores, best.scores),
        to_self_consistency=paired(agent.scores, shelved.scores),
        samples=samples,
        at_equal_cost=at_equal_cost,
        verdict=_verdict(at_equal_cost),
        front=front,
    )


def _verdict(difference: Paired) -> Verdict:
    if difference.p >= SIGNIFICANCE:
        return "no better"
    return "better" if difference.difference > 0 else "worse"


def table(board: Board) -> Table:
    """Return the board for a terminal."""
    from rich.table import Table

    shown = Table(box=None, pad_edge=False, header_style="bold dim")
    for title in _TITLES:
        shown.add_column(title, justify="left" if title in _LEFT else "right", no_wrap=title not in _LEFT)
    for row in board.rows:
        shown.add_row(*_cells(row))
    return shown


_TITLES = ("agent", "solved (95%)", "to best", "to SC-5", "at equal cost", "calls", "tokens", "s", "CPU s")
_LEFT = ("agent", "at equal cost")


def _cells(row: Row) -> list[str]:
    a, same = row.accuracy, row.at_equal_cost
    return [
        row.name,
        f"{a.mean:.1%} ({a.low:.0%}-{a.high:.0%})",
        f"{row.to_best.difference:+.1%}",
        f"{row.to_self_consistency.difference:+.1%}",
        f"{row.verdict} ({same.difference:+.1%}, x{row.samples})",
        f"{row.calls:.1f}",
        f"{row.tokens:,.0f}",
        f"{row.seconds:.1f}",
        f"{row.cpu_seconds:.2f}",
    ]


def markdown(board: Board, command: str, figure: str = "") -> str:
    """Return the report.

    Args:
        board: the figures.
        command: what to type to get them again.
        figure: file name of the plot beside the report, if there is one.
    """
    better = ", ".join(row.name for row in board.rows if row.verdict == "better")
    return _REPORT.format(
        board=board,
        command=command,
        figure=f"![Accuracy against tokens]({figure})\n\n" if figure else "",
        titles=" | ".join(_TITLES),
        ruler="|".join("---" if title in _LEFT else "--:" for title in _TITLES),
        rows="\n".join(
            f"| {' | '.join(_cells(row))} | {'*' if row.front else ''} | `{row.evaluation}` |"
            for row in board.rows
        ),
        most=MAX_SAMPLES,
        p=SIGNIFICANCE,
        verdict=f"Better than sampling at its own cost: {better}." if better else _NONE_BETTER,
        duels="\n".join(_duel(row) for row in board.rows),
        curve="\n".join(f"| {n} | {tokens:,.0f} | {solved:.1%} |" for n, tokens, solved in board.curve),
    )


_NONE_BETTER = "No agent is better than sampling at its own cost."
_REPORT = """\
# Leaderboard: {board.domain}, {board.model}

Written by:

```sh
{command}
```

Agents on the same {board.tasks} tasks. Data {board.domain_version}, scorer {board.scorer}, run `{board.run}` of the
archive: every figure is computed from the rollouts of the evaluation that its row names.

{figure}| {titles} | front | evaluation |
|{ruler}|:-:|---|
{rows}

Costs are means a task. Cached replies count at their full price in calls and tokens, but take no seconds. CPU is what
sandboxes used, marking included. `*`: no other agent is as accurate for fewer tokens.

## At equal cost

Each agent meets self-consistency (majority vote) with as many samples as its tokens buy, at most {most}, on the same
tasks. *Better* and *worse* are said at p < {p}, exact where scores are 0 or 1, and without correction for the number of
agents.

{verdict}

| agent | samples | difference (95%) | won | lost | p | |
|---|--:|--:|--:|--:|--:|---|
{duels}

| samples | tokens | solved |
|--:|--:|--:|
{curve}
"""


def _duel(row: Row) -> str:
    d = row.at_equal_cost
    return (
        f"| {row.name} | {row.samples} | {d.difference:+.1%} ({d.low:+.1%} to {d.high:+.1%}) | {d.wins} | {d.losses} | "
        f"{d.p:.3f} | {row.verdict} |"
    )


def plot(board: Board, file: Path) -> None:
    """Draw accuracy against tokens, the Pareto front and the curve of self-consistency, as SVG.

    Raises:
        ImportError: matplotlib is not installed (``pip install "meta-agent-search[plots]"``).
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.hashsalt": board.run, "font.size": 9}):
        figure = Figure(figsize=(9, 5.5), layout="constrained")
        axes = figure.subplots()
        axes.set_xscale("log")
        axes.set_xlabel("tokens a task")
        axes.set_ylabel(f"solved of {board.tasks} tasks (95% interval)")
        axes.set_title(f"{board.domain}, {board.model}")
        for row in board.rows:
            a = row.accuracy
            axes.errorbar(
                row.tokens,
                a.mean,
                yerr=[[a.mean - a.low], [a.high - a.mean]],
                fmt="o",
                color="tab:blue" if row.front else "tab:gray",
                elinewidth=0.5,
            )
            axes.annotate(
                row.name, (row.tokens, a.mean), textcoords="offset points", xytext=(4, 4), fontsize=7
            )
        front = sorted((row.tokens, row.accuracy.mean) for row in board.rows if row.front)
        axes.step(*zip(*front, strict=True), where="post", color="tab:blue", label="Pareto front")
        axes.plot(
            [tokens for _, tokens, _ in board.curve],
            [solved for *_, solved in board.curve],
            "--",
            color="tab:orange",
            label="self-consistency, by samples",
        )
        axes.legend(loc="lower right")
        figure.savefig(file, format="svg", metadata={"Date": None})
