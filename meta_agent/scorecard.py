"""The score card in a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from meta_agent.finish import ScoreCard


def show(card: ScoreCard, console: Console) -> None:
    """Print who was tested, how they compare, and what it means."""
    console.print()
    table = Table(title=f"Sealed test on {card.domain}, once, with {card.model}", box=None, pad_edge=False, title_justify="left",
                  header_style="bold dim")
    for title in ("", "agent", "solved", "95% interval", "tasks", "calls/task", "tokens/task", "seconds/task"):
        table.add_column(title, justify="left" if title in ("", "agent") else "right")
    for line in card.lines:
        table.add_row(line.role, f"{line.name} [dim]{line.program[:8]}[/dim]", f"{line.accuracy.mean:.1%}",
                      f"{line.accuracy.low:.1%} to {line.accuracy.high:.1%}", str(line.tasks), f"{line.calls:.1f}",
                      f"{line.tokens:,.0f}", f"{line.seconds:.1f}")
    console.print(table)
    for versus in card.versus:
        d = versus.difference
        console.print(f"finalist minus {versus.baseline}: {d.difference:+.1%} (95% interval {d.low:+.1%} to {d.high:+.1%}, "
                      f"{d.test} p = {d.p:.3f}, {d.wins} tasks won, {d.losses} lost)")
    console.print(Text(card.verdict, "bold"))
    console.print(f"{card.discovered} programs discovered, {card.failed} failed attempts on the way. "
                  f"Look at them: adas archive list --run {card.run}")
