from __future__ import annotations

import pytest

from archive.efficiency import Usage, compare_efficiency, efficiency, usage


def test_the_worked_example() -> None:
    used = usage([(0.0, 10), (0.1, 20), (0.2, 40), (0.3, 30)])
    assert (used.seconds, used.peak_mb, used.mb_seconds) == pytest.approx((0.3, 40, 8.0))


def test_time_counts_from_the_first_sample() -> None:
    assert usage([(7.0, 10), (9.0, 10)]) == Usage(2.0, 10, 20.0)


def test_the_reference_against_itself_is_one() -> None:
    reference = {"a": Usage(0.3, 40, 8), "b": Usage(2, 3, 5)}
    same = efficiency(reference, reference)
    assert (same.seconds_ratio, same.peak_ratio, same.mb_seconds_ratio) == (1, 1, 1)
    assert (same.tasks, same.seconds, same.peak_mb, same.mb_seconds) == pytest.approx((2, 1.15, 21.5, 6.5))


def test_a_ratio_is_the_mean_of_ratios() -> None:
    reference = {"a": Usage(1, 10, 10), "b": Usage(3, 10, 30)}
    mine = efficiency({"a": Usage(2, 30, 40), "b": Usage(3, 5, 15)}, reference)
    assert (mine.seconds_ratio, mine.peak_ratio, mine.mb_seconds_ratio) == (1.5, 1.75, 2.25)
    assert mine.seconds_ratio != mine.seconds / efficiency(reference, reference).seconds


def test_only_tasks_that_both_solved_are_compared() -> None:
    reference = {task: Usage(1, 1, 1) for task in "abc"}
    first, second = compare_efficiency(
        {"a": Usage(1, 1, 1), "b": Usage(9, 9, 9)}, {"c": Usage(7, 7, 7), "a": Usage(2, 2, 2)}, reference
    )
    assert (first.tasks, first.seconds_ratio, second.tasks, second.seconds_ratio) == (1, 1, 1, 2)
    with pytest.raises(ValueError, match="0 of 0 solved tasks"):
        compare_efficiency({"a": Usage(1, 1, 1)}, {"b": Usage(1, 1, 1)}, reference)


@pytest.mark.parametrize("samples", [[], [(0.0, 1.0)], [(0.2, 1.0), (0.1, 1.0)]])
def test_samples_must_be_in_order(samples: list[tuple[float, float]]) -> None:
    with pytest.raises(ValueError, match="in order of time"):
        usage(samples)


@pytest.mark.parametrize("reference", [{}, {"a": Usage(0, 0, 0)}])
def test_a_solved_task_needs_a_reference(reference: dict[str, Usage]) -> None:
    with pytest.raises(ValueError, match="0 of 1 solved tasks"):
        efficiency({"a": Usage(1, 1, 1)}, reference)
