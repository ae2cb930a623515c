"""The lineage of a run as a drawing, a few levels at a time."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from archive.views import cost_a_task

if TYPE_CHECKING:
    from collections.abc import Mapping

    from archive.archive import Standing
    from archive.records import Member

MOST = 240
"""Programs that are drawn at once."""
MOST_CHILDREN = 24
"""Children of one program that are drawn at once; of the program in focus they come in pages of this many."""
ACROSS, DOWN, MARGIN = 190.0, 30.0, 26.0


@dataclass(slots=True)
class Node:
    """A program in the drawing."""

    program: str
    name: str
    member: Member | None
    """None for a parent from another run."""
    standing: Standing | None
    depth: int
    below: int = 0
    """Programs that descend from it by first parent."""
    hidden: int = 0
    """Of its children, those that are not drawn."""
    children: list[Node] = field(default_factory=list)
    x: float = 0.0
    y: float = 0.0
    radius: float = 6.0
    faded: bool = False


@dataclass(frozen=True, slots=True)
class Drawing:
    """A part of a lineage, placed."""

    nodes: list[Node]
    edges: list[tuple[str, bool]]
    """Path, and whether it leads from a further parent."""
    width: float
    height: float
    roots: int
    """How many roots, or children of the program in focus, there are."""


def draw(
    members: Mapping[str, Member],
    names: Mapping[str, str],
    standings: Mapping[str, Standing],
    root: str = "",
    start: int = 0,
    proposer: str = "",
) -> Drawing:
    """Place a lineage level by level until :data:`MOST` programs are drawn.

    Siblings whose own score is best come first. Size is the cost of a task in tokens.

    Args:
        members: Of one run, by program.
        names: Of programs.
        standings: By program; they give colour and size.
        root: Draw what descends from this program only.
        start: Pass over so many roots (or children of ``root``).
        proposer: Programs of other proposers are faded.
    """
    below = _children(members)
    counts = _descendants(below)

    def merit(one: str) -> tuple[float, int, str]:
        held = standings.get(one)
        return (-held.mean if held else 0.0, -counts.get(one, 0), one)

    def node(one: str, depth: int) -> Node:
        member = members.get(one)
        return Node(
            one,
            names.get(one, "?"),
            member,
            standings.get(one),
            depth,
            counts.get(one, 0),
            faded=bool(proposer) and (member is None or member.proposer != proposer),
        )

    first = sorted(below.get(root, []), key=merit)
    page = first[start : start + MOST_CHILDREN]
    tops = [node(root, 0)] if root else [node(one, 0) for one in page]
    drawn = len(tops)
    waiting = deque(tops)
    while waiting:
        parent = waiting.popleft()
        everyone = page if parent.program == root else sorted(below.get(parent.program, []), key=merit)
        room = max(0, min(MOST_CHILDREN, MOST - drawn))
        parent.children = [node(one, parent.depth + 1) for one in everyone[:room]]
        parent.hidden = len(everyone) - len(parent.children)
        drawn += len(parent.children)
        waiting.extend(parent.children)
    nodes = _place(tops)
    _size(nodes)
    return Drawing(
        nodes,
        _edges(nodes),
        width=MARGIN * 2 + ACROSS * (1 + max((one.depth for one in nodes), default=0)),
        height=MARGIN * 2 + max((one.y for one in nodes), default=0.0) - MARGIN + 4,
        roots=len(first),
    )


def path_to(members: Mapping[str, Member], program: str) -> list[str]:
    """Return the first parents of a program, oldest first."""
    found: list[str] = []
    while (member := members.get(program)) and member.parents and member.parents[0] not in found:
        program = member.parents[0]
        found.insert(0, program)
    return found


def _children(members: Mapping[str, Member]) -> dict[str, list[str]]:
    """Return children by first parent, the roots under ``""``; a parent from another run is a root."""
    found: dict[str, list[str]] = {"": []}
    for one, member in members.items():
        parent = member.parents[0] if member.parents else ""
        if parent and parent not in members and parent not in found:
            found[""].append(parent)
        found.setdefault(parent, []).append(one)
    return found


def _descendants(below: Mapping[str, list[str]]) -> dict[str, int]:
    order, waiting = [], deque(below.get("", []))
    while waiting:
        order.append(waiting.popleft())
        waiting.extend(below.get(order[-1], []))
    counts: dict[str, int] = {}
    for one in reversed(order):
        counts[one] = sum(1 + counts.get(child, 0) for child in below.get(one, []))
    return counts


def _place(tops: list[Node]) -> list[Node]:
    """Give every leaf a line of its own and every parent the middle of its children; return all, parents first."""
    nodes: list[Node] = []
    waiting = list(reversed(tops))
    while waiting:
        nodes.append(waiting.pop())
        waiting.extend(reversed(nodes[-1].children))
    line = 0
    for one in nodes:
        one.x = MARGIN + one.depth * ACROSS
        if not one.children:
            one.y = MARGIN + line * DOWN
            line += 1
    for one in reversed(nodes):
        if one.children:
            one.y = round((one.children[0].y + one.children[-1].y) / 2, 1)
    return nodes


def _size(nodes: list[Node]) -> None:
    costs = {one.program: cost_a_task(one.standing, "tokens") or 0.0 for one in nodes if one.standing}
    most = max(costs.values(), default=0.0) or 1.0
    for one in nodes:
        one.radius = round(4.5 + 8 * math.sqrt(costs.get(one.program, 0.0) / most), 1)


def _edges(nodes: list[Node]) -> list[tuple[str, bool]]:
    at = {one.program: one for one in nodes}
    edges = []
    for one in nodes:
        for number, parent in enumerate(one.member.parents if one.member else ()):
            if (upper := at.get(parent)) and upper is not one:
                middle = (upper.x + one.x) / 2
                edges.append(
                    (f"M{upper.x} {upper.y}C{middle} {upper.y} {middle} {one.y} {one.x} {one.y}", number > 0)
                )
    return edges
