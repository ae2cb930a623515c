from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive.critique import revision

WORKED = [
    ([1, 1, 1, 1, 1], [1, 1, 0, 1, 1]),
    ([1, 0, 1, 0], [1, 1, 0, 0]),
    ([0, 0], [1, 0]),
    ([1, 1, 1, 1, 0], [1, 1, 1, 1, 1]),
]

samples = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=6)


def test_the_worked_example() -> None:
    done = revision(WORKED)
    assert done.before == pytest.approx(0.575)
    assert done.after == pytest.approx(0.7)
    assert done.confidence == pytest.approx(0.8043478, abs=1e-7)
    assert done.critique == pytest.approx(0.5588235, abs=1e-7)
    assert done.relative == pytest.approx(0.7557545, abs=1e-7)


def test_a_reviser_that_does_nothing() -> None:
    done = revision([(first, first) for first, _ in WORKED])
    assert (done.confidence, done.critique) == (pytest.approx(1), pytest.approx(0))
    assert done.after == pytest.approx(done.before)
    assert done.relative == pytest.approx(0.5)


def test_what_cannot_be_known_is_none_and_nothing_is_clipped() -> None:
    assert revision([([1, 1], [1, 0])]).critique is None
    assert revision([([1, 1], [1, 0])]).relative is None
    assert revision([([0, 0], [1, 0])]).confidence is None
    perfect, ruinous = revision([([1, 0], [1, 1])]), revision([([1, 0], [0, 0])])
    assert (perfect.relative, ruinous.relative) == (pytest.approx(1.5), pytest.approx(-0.5))


@given(st.lists(samples, min_size=1, max_size=6))
def test_the_decomposition_holds(drawn: list[list[tuple[int, int]]]) -> None:
    questions = [([b for b, _ in pairs], [a for _, a in pairs]) for pairs in drawn]
    done = revision(questions)
    shares = [(sum(before) / len(before), sum(after) / len(after)) for before, after in questions]
    assert done.before == pytest.approx(sum(b for b, _ in shares) / len(shares))
    assert done.after == pytest.approx(sum(a for _, a in shares) / len(shares))
    kept, mended = done.before * (done.confidence or 0), (1 - done.before) * (done.critique or 0)
    assert done.after == pytest.approx(kept + mended)
    # Conditional chances, question by question, weighted as the paper does.
    weights = [sum(before) / len(before) for before, _ in questions]
    stays = [
        sum(b * a for b, a in zip(before, after, strict=True)) / max(1, sum(before))
        for before, after in questions
    ]
    if sum(weights):
        expected = sum(w * s for w, s in zip(weights, stays, strict=True)) / sum(weights)
        assert done.confidence == pytest.approx(expected)


@pytest.mark.parametrize("questions", [[], [([], [])], [([1], [1, 0])]])
def test_samples_must_match(questions: list[tuple[list[float], list[float]]]) -> None:
    with pytest.raises(ValueError, match="equally many samples"):
        revision(questions)
