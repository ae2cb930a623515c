from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from archive.plots import plot_cost, plot_progress

if TYPE_CHECKING:
    from pathlib import Path

    from archive import Archive


def words(svg: Path) -> str:
    return " ".join(re.findall(r"<text[^>]*>([^<]*)</text>", svg.read_text()))


def test_the_front_is_named_and_the_file_the_same_again(filled: Archive, tmp_path: Path) -> None:
    standings = filled.standings(run="r", split="search")
    for name in ("a.svg", "b.svg"):
        plot_cost(standings, "calls", tmp_path / name)
    drawn = words(tmp_path / "a.svg")
    assert all(text in drawn for text in ("direct", "repair", "calls a task", "Pareto front"))
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_the_best_so_far_as_png(filled: Archive, tmp_path: Path) -> None:
    standings = {one.evaluation.program: one for one in filled.standings(run="r", split="search")}
    plot_progress(filled.members("r"), standings, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="was measured"):
        plot_progress(filled.members("r"), {}, tmp_path / "b.png")
    with pytest.raises(ValueError, match="known"):
        plot_cost([], "usd", tmp_path / "b.png")
    assert not (tmp_path / "b.png").exists()


@pytest.mark.filterwarnings("ignore:Glyph:UserWarning")
def test_hostile_names_are_drawn_as_they_are(attacked: Archive, tmp_path: Path) -> None:
    plot_cost(attacked.standings(run="h", split="search"), "seconds", tmp_path / "a.svg")
    assert "<script>" not in (tmp_path / "a.svg").read_text()
