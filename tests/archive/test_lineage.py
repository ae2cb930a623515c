from __future__ import annotations

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archive import Archive, Member, Program
from archive.lineage import ancestors, branches, generations, graph, tree


def test_lineage_of_a_run(filled: Archive) -> None:
    lineage = graph(filled.members("r"), filled.programs("r"))
    a, b, c, d = (filled.program(name).id for name in ("direct", "vote", "plan", "repair"))
    assert set(lineage.edges) == {(b, c), (a, c), (c, d)}
    assert generations(lineage) == [[a, b], [c], [d]]
    assert ancestors(lineage, d) == [a, b, c]
    assert ancestors(lineage, a) == []
    assert branches(lineage) == {"": [a, b], b: [c], c: [d]}
    assert tree(lineage) == f"direct ({a})\nvote ({b})\n└── plan ({c}) + direct\n    └── repair ({d})"
    with pytest.raises(KeyError):
        ancestors(lineage, "unknown")


def test_a_parent_from_another_run_stands_outside() -> None:
    lineage = graph([Member("r", "child", 1, parents=("elder",))], [Program("x", "kid", id="child")])
    assert generations(lineage) == [["child"]]
    assert ancestors(lineage, "child") == ["elder"]
    assert tree(lineage) == "? (elder)\n└── kid (child)"


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.integers(0, 9), max_size=3), max_size=10))
def test_any_parents_make_a_forest_with_everybody_once(parents: list[list[int]]) -> None:
    members = [
        Member("r", str(i), i // 3, i % 3, tuple(map(str, chosen))) for i, chosen in enumerate(parents)
    ]
    lineage = graph(members, [])
    assert nx.is_directed_acyclic_graph(lineage)
    for member in members:
        chain = ancestors(lineage, member.program)
        assert member.program not in chain
        assert set(chain) == nx.ancestors(lineage, member.program)
    assert len(tree(lineage).splitlines()) == len(lineage)
    assert sorted(one for group in generations(lineage) for one in group) == sorted(
        m.program for m in members
    )
