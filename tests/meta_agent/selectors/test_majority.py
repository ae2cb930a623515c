from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from meta_agent.selectors import majority, most_passed, probe_inputs

KEYS = st.lists(st.none() | st.sampled_from("abc"), min_size=1)


@given(KEYS)
def test_majority_by_brute_force(keys: list[str | None]) -> None:
    counts = Counter(key for key in keys if key is not None)
    chosen = majority(keys)
    if counts:
        assert counts[keys[chosen]] == max(counts.values())  # type: ignore[index]
        assert keys.index(keys[chosen]) == chosen
    else:
        assert chosen == 0


@given(st.data(), KEYS)
def test_most_passed_never_passes_fewer(data: st.DataObject, keys: list[str | None]) -> None:
    passed = data.draw(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=len(keys), max_size=len(keys)))
    chosen = most_passed(passed, keys)
    assert passed[chosen] == max(passed)
    rivals = [
        key for share, key in zip(passed, keys, strict=True) if share == max(passed) and key is not None
    ]
    if rivals:
        assert rivals.count(keys[chosen]) == max(Counter(rivals).values())  # type: ignore[arg-type]


def test_probe_inputs_come_from_the_tests_and_their_mutations() -> None:
    inputs = probe_inputs(
        "f", ["assert f([1, 2], 'ab') == 3", "assert g(9) == 1", "not python (", "assert f(x) == 1"]
    )
    assert inputs[0] == "([1, 2], 'ab')"
    assert "([2, 1], 'ab')" in inputs
    assert "([1, 2], 'ba')" in inputs
    assert not any("9" in text or "x" in text for text in inputs)
    assert len(probe_inputs("f", [f"assert f({i}) == 0" for i in range(99)])) == 12
