"""The score card in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console

    from meta_agent.finish import ScoreCard


def show(card: ScoreCard, console: Console) -> None:
    """Print who was tested, how they compare, and what it means; fits 80 columns."""
    tasks = card.lines[0].tasks if card.lines else 0
    table = Table(box=None, pad_edge=False, header_style="bold dim")
    for title in ("", "agent", "solved (95%)", "calls", "tokens", "s"):
        table.add_column(
            title, justify="left" if title in ("", "agent") else "right", no_wrap=title not in ("", "agent")
        )
    for line in card.lines:
        a = line.accuracy
        table.add_row(
            line.role,
            Text(line.name),
            f"{a.mean:.1%} ({a.low:.0%}-{a.high:.0%})",
            f"{line.calls:.1f}",
            f"{line.tokens:,.0f}",
            f"{line.seconds:.1f}",
        )
    console.print(
        f"\n[bold]Score card[/bold] of run {card.run}: sealed test on {card.domain}, {tasks} tasks, opened once\n"
        f"agents run on {card.model}; calls, tokens and seconds are per task\n"
    )
    console.print(table)
    console.print()
    for versus in card.versus:
        d = versus.difference
        console.print(
            f"finalist - {versus.baseline}: {d.difference:+.1%} (95% {d.low:+.1%} to {d.high:+.1%}), "
            f"{d.wins} won, {d.losses} lost, {d.test} p = {d.p:.3f}"
        )
    console.print(Text(f"\n{card.verdict}", "bold"))
    if card.shrunken:
        console.print(
            f"Before the test the finalist had solved {card.raw:.1%}; corrected for being the chosen one: "
            f"{card.shrunken:.1%}.",
            soft_wrap=True,
        )
    if card.alarms:
        console.print(
            f"[bold red]{card.alarms} alarms[/bold red] of scores without merit: look before you believe "
            "(adas archive show PROGRAM)",
            soft_wrap=True,
        )
    dropped = (
        f", {card.dropped} of them dropped early (about {card.saved_calls:,} model calls saved)"
        if card.dropped
        else ""
    )
    console.print(
        f"{card.discovered} programs discovered{dropped}, {card.failed} failed attempts. "
        "Look at them: adas archive list",
        soft_wrap=True,
    )
