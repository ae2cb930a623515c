from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from archive import ArchiveError, Evaluation, Rollout
from archive.ranking import By, rank

if TYPE_CHECKING:
    from archive import Archive


@pytest.mark.parametrize("by", ["interval", "shrunken", "winrate"])
def test_a_better_program_is_ranked_higher(filled: Archive, by: By) -> None:
    ranked = rank(filled, filled.best(), by)
    assert [one.standing.name for one in ranked] == ["repair", "plan", "vote", "direct"]
    assert [one.front for one in ranked] == [True, False, False, False]  # all cost the same tokens


def test_figures_are_what_they_are_called(filled: Archive) -> None:
    shrunken = rank(filled, filled.best(), "shrunken")
    assert 0.2 < shrunken[-1].figures["shrunken"] < shrunken[0].figures["shrunken"] < 0.8
    assert sum(one.figures["best"] for one in shrunken) == pytest.approx(1)
    wins = rank(filled, filled.best(), "winrate")
    # repair solves eight of ten tasks, the others six, four and two of these: 0.6, 0.7 and 0.8 against them
    assert wins[0].figures["wins"] == pytest.approx(0.7)
    assert wins[0].figures["mixture"] == pytest.approx(1, abs=0.01)


def test_what_was_measured_under_other_conditions_is_not_compared(filled: Archive) -> None:
    program = filled.program("direct").id
    other = Evaluation("r", program, "quiz", "v1", "search", "local/other", 7, "exact", 10)
    filled.add_evaluation(other)
    filled.add_rollout(Rollout(other.id, "t0", 1.0))
    assert len(rank(filled, filled.best(), "interval")) == 5
    with pytest.raises(ArchiveError, match="different models"):
        rank(filled, filled.best(), "winrate")


def test_nothing_is_ranked_to_nothing(archive: Archive) -> None:
    assert rank(archive, [], "winrate") == []
