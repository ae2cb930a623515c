"""Splits are disjoint, nested and stable, for any sizes and seed."""

from __future__ import annotations

import hashlib
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains import DomainError
from domains.splits import DEFAULT_SIZES, EVERY, NAMES, Pool, deal, ordered, partition

IDS = [f"task/{number}" for number in range(200)]
SHARES = {"search": 32, "selection": 32, "test": 100}

counts = st.integers(3, 200)
seeds = st.integers(0, 2**32)
shares = st.fixed_dictionaries(dict.fromkeys(NAMES, st.integers(1, 100)))


@st.composite
def sized(draw: st.DrawFn) -> tuple[int, dict, int]:
    """Some number of tasks, sizes that fit, and a seed."""
    count = draw(counts)
    search = draw(st.integers(0, count))
    selection = draw(st.integers(0, count - search))
    test = draw(st.integers(0, count - search - selection))
    return count, {"search": search, "selection": selection, "test": test}, draw(seeds)


def test_the_order_is_that_of_the_documented_digest() -> None:
    digests = [hashlib.sha256(f"7:{name}".encode()).hexdigest() for name in ordered(IDS, 7)]
    assert digests == sorted(digests)
    assert ordered(IDS, 7) != ordered(IDS, 8)


def test_the_order_is_pinned() -> None:
    assert ordered(IDS[:6], 0) == ["task/4", "task/1", "task/2", "task/0", "task/3", "task/5"]


@given(counts, shares, seeds)
def test_parts_hold_every_task_once_in_about_their_shares(count: int, weights: dict, seed: int) -> None:
    parts = partition(IDS[:count], weights, seed)
    assert Counter(task for part in parts.values() for task in part) == Counter(IDS[:count])
    for name, part in parts.items():
        assert abs(len(part) - count * weights[name] / sum(weights.values())) < 1


@given(sized())
def test_splits_are_disjoint_and_as_large_as_asked(case: tuple[int, dict, int]) -> None:
    count, sizes, seed = case
    chosen = deal([Pool(IDS[:count], SHARES)], sizes, seed)
    assert {name: len(tasks) for name, tasks in chosen.items()} == sizes
    together = [task for tasks in chosen.values() for task in tasks]
    assert len(set(together)) == len(together)


@given(sized(), st.sampled_from(NAMES), st.data())
def test_a_smaller_split_is_the_beginning_of_a_larger_one(
    case: tuple[int, dict, int], name: str, data: st.DataObject
) -> None:
    count, sizes, seed = case
    smaller = {**sizes, name: data.draw(st.integers(0, sizes[name]))}
    large = deal([Pool(IDS[:count], SHARES)], sizes, seed)
    small = deal([Pool(IDS[:count], SHARES)], smaller, seed)
    assert small[name] == large[name][: smaller[name]]


@given(sized(), seeds)
def test_sizes_within_the_parts_never_move_tasks_of_another_split(
    case: tuple[int, dict, int], seed: int
) -> None:
    count, sizes, _ = case
    parts = partition(IDS[:count], SHARES, seed)
    within = {name: min(size, len(parts[name])) for name, size in sizes.items()}
    chosen = deal([Pool(IDS[:count], SHARES)], within, seed)
    assert chosen == {name: parts[name][: within[name]] for name in NAMES}


def test_a_split_larger_than_its_part_takes_what_others_leave() -> None:
    before = deal([Pool(IDS[:164], SHARES)], {"search": 32, "selection": 32, "test": 50}, 0)
    after = deal([Pool(IDS[:164], SHARES)], {"search": 60, "selection": 32, "test": 50}, 0)
    assert after["selection"] == before["selection"]
    assert after["test"] == before["test"]
    assert after["search"][:32] == before["search"]


def test_defaults_shrink_with_the_data() -> None:
    chosen = deal([Pool(IDS[:8], {"search": 1, "selection": 1, "test": 2})], None, 0)
    assert [len(chosen[name]) for name in NAMES] == [2, 2, 4]
    assert [len(tasks) for tasks in deal([Pool(IDS[:164], SHARES)], None, 0).values()] == list(
        DEFAULT_SIZES.values()
    )


def test_every_task_of_a_part_and_no_more() -> None:
    ids = [f"t{i}" for i in range(164)]
    shares = {"search": 32, "selection": 32, "test": 100}
    pool = [Pool(ids, shares)]
    whole = deal(pool, dict.fromkeys(NAMES, EVERY), 0)
    assert {name: sorted(part) for name, part in whole.items()} == {
        name: sorted(part) for name, part in partition(ids, shares, 0).items()
    }
    assert deal(pool, {"test": EVERY}, 0)["search"] == whole["search"][: DEFAULT_SIZES["search"]]


def test_splits_left_out_give_way_to_those_asked_for() -> None:
    chosen = deal([Pool(IDS[:20], {"search": 1, "selection": 1, "test": 2})], {"search": 15}, 0)
    assert len(chosen["search"]) == 15
    assert sum(map(len, chosen.values())) == 20


def test_a_pool_never_lends_to_another() -> None:
    pools = [Pool(IDS[:10], {"search": 1, "selection": 1}), Pool(IDS[10:40], {"test": 1})]
    chosen = deal(pools, {"search": 8, "selection": 2, "test": 5}, 0)
    assert set(chosen["search"]) | set(chosen["selection"]) == set(IDS[:10])
    with pytest.raises(
        DomainError, match="asked for search 9 \\+ selection 2, there are 10 for search, selection"
    ):
        deal(pools, {"search": 9, "selection": 2}, 0)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"train": 3}, "unknown split 'train': the splits are search, selection, test"),
        ({"search": -1}, "the size of split 'search' must be 0 or more, not -1"),
        (
            {"search": 100, "selection": 60, "test": 50},
            "asked for search 100 \\+ selection 60 \\+ test 50, there are 200",
        ),
    ],
)
def test_impossible_sizes_say_what_there_is(sizes: dict, message: str) -> None:
    with pytest.raises(DomainError, match=message):
        deal([Pool(IDS, SHARES)], sizes, 0)
