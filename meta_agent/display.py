"""What a person sees while a search runs: a live table in a terminal, plain lines in a pipe."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from archive import Alarm, Evaluation, Rollout

MAX_ROWS = 28
HEARTBEAT_S = 20.0
"""A pipe hears of progress at least this often, as long as there is some."""
_STYLES = {"failed": "red", "repair": "yellow", "dropped": "dim"}


@dataclass(slots=True)
class _Row:
    label: str
    name: str = ""
    stage: str = ""
    scores: list[float] = field(default_factory=list)
    tasks: int = 0
    calls: int = 0


class Display:
    """Follows a search: give :meth:`rollout` to the evaluator and :meth:`candidate` to the search.

    Args:
        console: where to show; a console that is no terminal gets a line for each event instead of a table.
        name_of: program id -> name.
        usage: one line about the budget and the model calls so far.
    """

    def __init__(self, console: Console, name_of: Callable[[str], str], usage: Callable[[], str]) -> None:
        self.console = console
        self.name_of = name_of
        self.usage = usage
        self._rows: dict[str, _Row] = {}
        self._lock = threading.Lock()
        self._started = self._told = time.monotonic()
        self._finished = 0
        self._alarms: set[tuple[str, str]] = set()
        self._live = (
            Live(get_renderable=self._render, console=console, refresh_per_second=4, transient=False)
            if console.is_terminal
            else None
        )

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def say(self, words: str) -> None:
        """Show one line of text above the table."""
        self.console.print(words, highlight=False)

    def alarm(self, alarm: Alarm) -> None:
        """Show an alarm, of one kind only once a program."""
        with self._lock:
            known = (alarm.kind, alarm.program) in self._alarms
            self._alarms.add((alarm.kind, alarm.program))
        if not known:
            who = f"{self.name_of(alarm.program)}: " if alarm.program else ""
            self.console.print(f"ALARM ({alarm.kind}): {who}{alarm.words}", style="bold red", markup=False)

    def candidate(self, generation: int, slot: int, stage: str, words: str) -> None:
        """Follow a candidate: ``words`` is its name, or why it came to ``repair``, ``failed`` or ``dropped``."""
        key = f"{generation}.{slot}"
        with self._lock:
            row = self._rows.setdefault(key, _Row(label=key))
            last = words.strip().rsplit("\n", 1)[-1]
            if stage in ("repair", "failed", "dropped"):
                row.stage = f"{stage}: {last}"
            else:
                row.stage = row.stage if stage == "ran" and row.stage.startswith("dropped") else stage
                row.name = words or row.name
        if not self._live and stage in ("ran", "failed", "repair", "dropped", "propose"):
            self.console.print(
                f"[{self._clock()}] candidate {key} {stage}{': ' + last if last else ''}",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )

    def rollout(self, evaluation: Evaluation, rollout: Rollout) -> None:
        """Count a finished rollout."""
        name = self.name_of(evaluation.program)
        with self._lock:
            row = next(
                (r for r in reversed(self._rows.values()) if r.name == name and r.stage == "evaluate"), None
            )
            if row is None:
                row = self._rows.setdefault(
                    f"{evaluation.split}/{evaluation.program}", _Row(evaluation.split, name)
                )
                row.stage = "" if len(row.scores) + 1 < evaluation.tasks else "done"
            row.scores.append(rollout.score)
            row.tasks = evaluation.tasks
            row.calls += rollout.calls
            self._finished += 1
            complete = len(row.scores) == row.tasks
        if self._live:
            return
        if complete:
            mean = sum(row.scores) / len(row.scores)
            self._line(
                f"{evaluation.split}: {name} solves {mean:.0%} of {row.tasks} tasks "
                f"with {row.calls / row.tasks:.1f} calls a task"
            )
        elif time.monotonic() - self._told > HEARTBEAT_S:
            self._line(f"{self._finished} rollouts finished")

    def _line(self, words: str) -> None:
        self._told = time.monotonic()
        self.console.print(
            f"[{self._clock()}] {words} ({self.usage()})", markup=False, highlight=False, soft_wrap=True
        )

    def _render(self) -> RenderableType:
        table = Table(box=None, pad_edge=False, header_style="bold dim", expand=False)
        for title, justify in (
            ("", "left"),
            ("agent", "left"),
            ("solved", "right"),
            ("tasks", "right"),
            ("calls/task", "right"),
            ("", "left"),
        ):
            table.add_column(title, justify=justify, no_wrap=True, overflow="ellipsis", max_width=44)  # type: ignore[arg-type]
        with self._lock:
            rows = list(self._rows.values())
            hidden = len(rows) - MAX_ROWS
            for row in rows[-MAX_ROWS:]:
                n = len(row.scores)
                style = _STYLES.get(row.stage.partition(":")[0], "")
                table.add_row(
                    Text(row.label, "dim"),
                    Text(row.name),
                    f"{sum(row.scores) / n:.0%}" if n else "",
                    f"{n}/{row.tasks}" if n else "",
                    f"{row.calls / n:.1f}" if n else "",
                    Text(row.stage, style),
                )
        more = Text(f"... {hidden} earlier rows", "dim") if hidden > 0 else Text()
        return Group(more, table, Text(f"{self._clock()}  {self.usage()}", "dim"))

    def _clock(self) -> str:
        minutes, seconds = divmod(int(time.monotonic() - self._started), 60)
        return f"{minutes:02}:{seconds:02}"
