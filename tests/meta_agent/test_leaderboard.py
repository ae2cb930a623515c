"""The board's figures against values computed by hand from its rollouts."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

from archive import Rollout
from archive.statistics import mcnemar, wilson
from meta_agent.leaderboard import MAX_SAMPLES, Board, Measured, markdown, plot, rows, samples_for

if TYPE_CHECKING:
    from pathlib import Path


def measured(name: str, scores: str, tokens: int, failed: int = 0) -> Measured:
    rollouts = tuple(
        Rollout(
            evaluation=f"e-{name}",
            task=str(n),
            score=float(score),
            failure="broke" if n < failed else "",
            calls=2,
            prompt_tokens=tokens - 10,
            completion_tokens=10,
            seconds=1.5,
            cpu_seconds=0.25,
        )
        for n, score in enumerate(scores)
    )
    return Measured(name, f"p-{name}", f"e-{name}", rollouts)


SC5 = measured("self-consistency", "1111110000" * 2, 500)
CURVE = {
    1: measured("sc-1", "1111000000" * 2, 100),
    2: measured("sc-2", "1111100000" * 2, 200),
    5: SC5,
    16: measured("sc-16", "1111111000" * 2, 1600),
}
AGENTS = [
    measured("direct", "1111000000" * 2, 100),
    measured("good", "1111111110" * 2, 210, failed=2),
    measured("bad", "1110000000" * 2, 5000),
    measured("same", "1111000000" * 2, 90),
    SC5,
]
BOARD = Board(
    run="lb",
    domain="d",
    domain_version="v",
    scorer="s",
    model="m",
    tasks=20,
    rows=rows(AGENTS, CURVE, SC5),
    curve=tuple((n, m.tokens, m.mean("score")) for n, m in CURVE.items()),
)


def test_rows_are_ranked_and_say_what_was_measured() -> None:
    assert [row.name for row in BOARD.rows] == ["good", "self-consistency", "same", "direct", "bad"]
    good = BOARD.rows[0]
    assert (good.accuracy.mean, good.accuracy) == (0.9, wilson(18, 20))
    assert (good.calls, good.tokens, good.seconds, good.cpu_seconds) == (2, 210, 1.5, 0.25)
    assert (good.tasks, good.failures, good.evaluation) == (20, 2, "e-good")


def test_differences_are_paired_on_tasks() -> None:
    best, _, same, *_ = BOARD.rows
    assert best.to_best.difference == 0
    assert same.to_best.difference == pytest.approx(-0.5)
    assert (same.to_best.losses, same.to_best.p) == (10, mcnemar(0, 10))
    assert same.to_self_consistency.difference == pytest.approx(-0.2)


def test_equal_cost_is_as_many_samples_as_the_tokens_buy() -> None:
    assert {row.name: (row.samples, row.verdict) for row in BOARD.rows} == {
        "good": (2, "better"),
        "self-consistency": (5, "no better"),
        "same": (1, "no better"),
        "direct": (1, "no better"),
        "bad": (16, "worse"),
    }
    assert [samples_for(tokens, 100) for tokens in (1, 149, 151, 10**6)] == [1, 1, 2, MAX_SAMPLES]


def test_the_front_is_what_nobody_beats_at_its_price() -> None:
    dominated = {
        a.name
        for a in BOARD.rows
        for b in BOARD.rows
        if b.accuracy.mean >= a.accuracy.mean and b.tokens <= a.tokens and b != a
    }
    assert {row.name for row in BOARD.rows if row.front} == {"good", "same"}
    assert {row.name for row in BOARD.rows} - dominated == {"good", "same"}


def test_the_report_holds_every_figure() -> None:
    text = markdown(BOARD, "adas evaluate --tasks 20", "board.svg")
    assert (
        "| good | 90.0% (70%-97%) | +0.0% | +30.0% | better (+40.0%, x2) | 2.0 | 210 | 1.5 | 0.25 | * | `e-good` |"
        in text
    )
    assert "Better than sampling at its own cost: good." in text
    assert "| bad | 16 | -40.0% (" in text
    assert "| 16 | 1,600 | 70.0% |" in text
    assert "![Accuracy against tokens](board.svg)" in text
    assert "svg" not in markdown(BOARD, "adas evaluate")


def test_nobody_better_is_said() -> None:
    alone = rows([AGENTS[0]], CURVE, SC5)
    board = Board("lb", "d", "v", "s", "m", 20, alone, BOARD.curve)
    assert "No agent is better than sampling at its own cost." in markdown(board, "x")


def test_the_plot_is_the_same_every_time(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    for name in ("a.svg", "b.svg"):
        plot(BOARD, tmp_path / name)
    text = (tmp_path / "a.svg").read_text()
    assert text == (tmp_path / "b.svg").read_text()
    assert ET.fromstring(text).tag.endswith("svg")
    assert "self-consistency, by samples" in text
