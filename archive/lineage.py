"""Who came from whom: the programs of a run as a directed graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    import networkx as nx

    from archive.records import Member, Program


def graph(members: Iterable[Member], programs: Iterable[Program]) -> nx.DiGraph:
    """Return the lineage of one run: a node a program id, an edge from each parent to its child.

    Nodes carry ``name``, ``generation``, ``slot`` and ``parents`` (ids, first parent first). A parent from
    outside the run is a node with generation -1. An edge never leads back to an earlier member, so the graph
    has no cycle.

    Args:
        members: The members of the run.
        programs: At least the programs that the members name.
    """
    import networkx as nx

    names = {program.id: program.name for program in programs}
    lineage = nx.DiGraph()
    for member in sorted(members, key=lambda m: (m.generation, m.slot)):
        for parent in member.parents:
            if parent not in lineage:
                lineage.add_node(parent, name=names.get(parent, "?"), generation=-1, slot=0, parents=())
        lineage.add_node(
            member.program,
            name=names.get(member.program, "?"),
            generation=member.generation,
            slot=member.slot,
            parents=tuple(parent for parent in member.parents if parent != member.program),
        )
        for parent in lineage.nodes[member.program]["parents"]:
            if not nx.has_path(lineage, member.program, parent):
                lineage.add_edge(parent, member.program)
    return lineage


def ancestors(lineage: nx.DiGraph, program: str) -> list[str]:
    """Return the ids of all programs that a program descends from, oldest first.

    Raises:
        KeyError: The program is not in the graph.
    """
    import networkx as nx

    if program not in lineage:
        raise KeyError(program)
    return sorted(nx.ancestors(lineage, program), key=lambda one: _position(lineage, one))


def generations(lineage: nx.DiGraph) -> list[list[str]]:
    """Return the ids of the run's programs, one list a generation, in the order of their slots."""
    found: dict[int, list[str]] = {}
    for one in sorted(lineage, key=lambda one: _position(lineage, one)):
        found.setdefault(lineage.nodes[one]["generation"], []).append(one)
    return [ids for generation, ids in sorted(found.items()) if generation >= 0]


def branches(lineage: nx.DiGraph) -> dict[str, list[str]]:
    """Return the graph as a forest: each program's children by first parent, and the roots under ``""``."""
    found: dict[str, list[str]] = {"": []}
    for one in sorted(lineage, key=lambda one: _position(lineage, one)):
        parent = next((p for p in lineage.nodes[one]["parents"] if lineage.has_edge(p, one)), "")
        found.setdefault(parent, []).append(one)
    return found


def tree(lineage: nx.DiGraph) -> str:
    """Return the forest of :func:`branches` as text, one program a line; further parents follow a ``+``."""
    below = branches(lineage)
    lines: list[str] = []
    pending = [("", "", one) for one in reversed(below[""])]
    while pending:
        fork, margin, one = pending.pop()
        others = "".join(f" + {lineage.nodes[p]['name']}" for p in lineage.nodes[one]["parents"][1:])
        lines.append(f"{fork}{lineage.nodes[one]['name']} ({one}){others}")
        children = below.get(one, [])
        for child in reversed(children):
            last = child == children[-1]
            pending.append(
                (margin + ("└── " if last else "├── "), margin + ("    " if last else "│   "), child)
            )
    return "\n".join(lines)


def _position(lineage: nx.DiGraph, one: str) -> tuple[int, int, str]:
    node = lineage.nodes[one]
    return node["generation"], node["slot"], one
