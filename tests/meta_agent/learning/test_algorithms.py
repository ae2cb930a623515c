"""The published formulas against values worked out by hand or in closed form."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meta_agent.learning.balance import Draw, balance_score, choose, reward_at, task_score
from meta_agent.learning.games import self_improvement, self_play, win_rates
from meta_agent.learning.grafting import base_patch, graft, overlap, score_gradient, soft_mask
from meta_agent.learning.merging import breadcrumbs, merge
from meta_agent.learning.rewards import code_bleu, explanation_reward, repair_reward
from meta_agent.learning.sharpening import best_of, sharpened
from meta_agent.learning.tree_values import Step, step_value, value_targets, visit_label

CYCLE = [[0.5, 0.9, 0.1], [0.1, 0.5, 0.9], [0.9, 0.1, 0.5]]
MIXED = [[0.5, 0.8, 0.3], [0.2, 0.5, 0.9], [0.7, 0.1, 0.5]]
CONDORCET = [[0.5, 0.7, 0.8], [0.3, 0.5, 0.6], [0.2, 0.4, 0.5]]


@pytest.mark.parametrize(
    ("right", "kept", "score"),
    [(8, 8, 1), (4, 4, 0.5), (16, 32, 0.5), (8, 16, 0.5), (2, 4, 0.125), (0, 5, 0), (0, 0, 0)],
)
def test_balance_scores(right: int, kept: int, score: float) -> None:
    assert balance_score(right, kept) == score


@given(st.integers(1, 40), st.data())
def test_the_balance_score_grows_with_right_ones(kept: int, data: st.DataObject) -> None:
    right = data.draw(st.integers(0, kept - 1))
    assert balance_score(right, kept) < balance_score(right + 1, kept) or right >= kept


def test_more_right_than_kept_is_refused() -> None:
    with pytest.raises(ValueError, match="expected 0 <= right <= kept"):
        balance_score(3, 2)


def test_equal_answers_count_once() -> None:
    draws = [Draw("a", 1.0, True)] * 5 + [Draw("b", 1.0, False), Draw("c", 0.0, False)]
    assert task_score(draws, 0.5) == balance_score(1, 2)
    assert task_score(draws, -1) == balance_score(1, 3)


def test_the_setting_with_the_best_balance_is_chosen() -> None:
    same = [[Draw("a", 1.0, True)] * 4]  # cool: one answer, again and again
    various = [[Draw(str(i), 0.9 if i < 6 else 0.2, i < 6) for i in range(10)]]
    setting = choose({0.3: same, 0.9: various}, [0.0, 0.5])
    assert (setting.temperature, setting.threshold, setting.score) == (0.9, 0.5, 6 / 8)


def test_reward_at_shares_ties() -> None:
    draws = [Draw("a", 2, True), Draw("b", 1, True), Draw("c", 1, False), Draw("d", 0, True)]
    assert reward_at(draws, 1) == 1.0
    assert reward_at(draws, 2) == 0.75
    assert reward_at(draws, 4) == 0.75


def chain(*rights: bool) -> list[Step[int]]:
    steps = [Step(i, right=right) for i, right in enumerate((False, *rights))]
    for above, below in itertools.pairwise(steps):
        above.children.append(below)
    return steps


def test_values_along_a_straight_path() -> None:
    steps = chain(False, False, False, True)
    values = value_targets(steps[0])
    assert [values[step] for step in steps] == pytest.approx([0, 0.25, 0.5, 0.75, 1])


def test_the_value_of_a_wrong_step() -> None:
    assert step_value(0.5, 2, right=False) == pytest.approx(1 / 3)
    steps = chain(False, False, False, True)
    wrong, worse = Step(9), Step(10)
    steps[2].children.append(wrong)
    wrong.children.append(worse)
    values = value_targets(steps[0])
    assert values[wrong] == pytest.approx(1 / 3)
    assert values[worse] == pytest.approx(1 / 3 - (2 / 3) / 3)


def test_a_search_that_found_nothing_is_worth_nothing() -> None:
    steps = chain(False, False)
    assert set(value_targets(steps[0]).values()) == {0.0}


@given(st.recursive(st.booleans(), lambda below: st.lists(below, min_size=1, max_size=3), max_leaves=12))
def test_values_lie_within_zero_and_one(shape: object) -> None:
    def grow(shape: object) -> Step[None]:
        if isinstance(shape, bool):
            return Step(None, right=shape)
        step = Step(None)
        step.children = [grow(below) for below in shape]  # type: ignore[attr-defined]
        return step

    assert all(0 <= value <= 1 + 1e-12 for value in value_targets(grow([shape])).values())


@pytest.mark.parametrize(("best", "worst", "label"), [(5, 5, 0.5), (3, 0, 0), (3, 1, 0.25), (1, 9, 0.5)])
def test_the_label_of_a_pair_of_steps(best: int, worst: int, label: float) -> None:
    assert visit_label(best, worst) == pytest.approx(label)


def test_repair_and_explanation_rewards() -> None:
    code = "def f(x):\n    return x + 1\n"
    assert repair_reward(code_bleu(code, code), 1.0) == 5
    assert repair_reward(0.4, 0.6) == pytest.approx(0)
    assert repair_reward(0, 0) == -5
    assert [explanation_reward(s) for s in (0.4, 0.7, 1.0)] == pytest.approx([-5, 0, 5])


def test_code_bleu_orders_by_likeness() -> None:
    code = "def f(xs):\n    total = 0\n    for x in xs:\n        total += x\n    return total\n"
    renamed = code.replace("total", "acc").replace("xs", "items")
    other = "def f(xs):\n    return sorted(set(xs), key=len)\n"
    assert 1 > code_bleu(renamed, code) > code_bleu(other, code) > code_bleu("no code at all (", code) >= 0
    assert code_bleu("", code) == 0


def test_sharpening_in_closed_form() -> None:
    policy = [0.4, 0.3, 0.2, 0.1]
    assert sharpened(policy, 1) == pytest.approx([0.5333, 0.3, 0.1333, 0.0333], abs=5e-5)
    assert sharpened(policy, 0.3) == pytest.approx([0.7465, 0.2146, 0.0370, 0.0018], abs=5e-5)
    assert sharpened(policy, 0.05) == pytest.approx([0.9976, 0.0024, 0, 0], abs=5e-5)
    assert best_of(policy, 4) == pytest.approx([0.8704, 0.1215, 0.0080, 0.0001], abs=5e-5)


def test_best_of_is_what_drawing_gives() -> None:
    rng = np.random.default_rng(0)
    policy = np.array([0.1, 0.5, 0.15, 0.25])
    draws = rng.choice(4, p=policy, size=(200_000, 3))
    likeliest = np.take_along_axis(draws, policy[draws].argmax(1)[:, None], 1).ravel()
    assert best_of(policy, 3) == pytest.approx(np.bincount(likeliest) / len(draws), abs=5e-3)


def test_a_cyclic_game_is_won_on_average_only() -> None:
    played = self_play(CYCLE, rounds=20_000)
    assert played.average == pytest.approx([1 / 3] * 3, abs=5e-3)
    assert played.last.max() > 0.5


def test_a_condorcet_winner_wins() -> None:
    assert self_play(CONDORCET).average.argmax() == 0
    assert self_play(CONDORCET, rounds=20_000).last[0] > 0.99
    assert win_rates(CONDORCET) == pytest.approx([0.75, 0.45, 0.3])


def test_the_average_of_self_play_tends_to_the_nash_equilibrium() -> None:
    nash = np.array([4, 2, 3]) / 9
    assert np.array(MIXED) @ nash == pytest.approx([0.5] * 3)
    assert self_play(MIXED, rounds=20_000).average == pytest.approx(nash, abs=0.01)


def srpo_objective(
    answering: np.ndarray, revising: np.ndarray, reference: np.ndarray, revise: np.ndarray, beta: float
) -> float:
    wins = np.array(MIXED).T  # wins[y1, y2]: y2 beats y1
    kl_revising = (revising * np.log(revising / revise)).sum(1)
    kl_answering = (answering * np.log(answering / reference)).sum()
    return float(answering @ ((revising * wins).sum(1) - beta * kl_revising) + beta * kl_answering)


def test_self_improvement_is_a_saddle_point() -> None:
    """The two identities hold, and leaving either policy helps nobody."""
    rng = np.random.default_rng(3)
    reference, revise, beta = rng.dirichlet([1] * 3), rng.dirichlet([1] * 3, size=3), 0.4
    answering, revising = self_improvement(reference, revise, MIXED, beta)
    r, r2, p = np.log(answering / reference), np.log(revising / revise), np.array(MIXED)
    for y1 in range(3):
        for y2 in range(3):
            assert p[y2, y1] - 0.5 == pytest.approx(beta * (r2[y1, y2] - r2[y1, y1]), abs=1e-12)
            tied = r2[y1, y2] + r[y2] - r2[y2, y1] - r[y1]
            assert p[y2, y1] - 0.5 == pytest.approx(beta / 2 * tied, abs=1e-12)
    best = srpo_objective(answering, revising, reference, revise, beta)
    for _ in range(50):
        other = 0.9 * answering + 0.1 * rng.dirichlet([1] * 3)
        assert srpo_objective(other, revising, reference, revise, beta) >= best - 1e-12
        others = 0.9 * revising + 0.1 * rng.dirichlet([1] * 3, size=3)
        assert srpo_objective(answering, others, reference, revise, beta) <= best + 1e-12


def test_breadcrumbs_keep_the_middle() -> None:
    delta = [0.01, -0.02, 0.03, 0.5, -0.6, 0.7, 0.8, 0.9, -5, 10]
    assert breadcrumbs(delta, keep=0.6, remove=0.2).astype(int).tolist() == [0, 0, 1, 1, 1, 1, 1, 1, 0, 0]
    assert breadcrumbs(delta, keep=0.5, remove=0.01).sum() == 5  # a share of less than one entry removes none
    assert breadcrumbs(delta).all()
    with pytest.raises(ValueError, match="keep"):
        breadcrumbs(delta, keep=0.9, remove=0.2)


def test_one_model_merged_whole_is_itself() -> None:
    rng = np.random.default_rng(0)
    base, fine = (rng.normal(size=(40, 30)).astype(np.float32) for _ in range(2))
    delta = fine.astype(np.float64) - base
    assert np.array_equal(merge(base, [delta]), fine)
    assert np.array_equal(merge(base, [delta, -delta]), base)
    both = merge(base, [delta, delta], alpha=0.5, keep=0.6, remove=0.1)
    mask = breadcrumbs(delta, 0.6, 0.1)
    assert np.array_equal(both[mask], fine[mask])
    assert np.array_equal(both[~mask], base[~mask])


def test_grafting_between_the_two_models() -> None:
    rng = np.random.default_rng(1)
    before, after = rng.normal(size=(2, 30, 20)).astype(np.float32)
    assert np.array_equal(graft(before, after, np.zeros_like(before, bool)), before)
    assert np.array_equal(graft(before, after, np.ones_like(before, bool)), after)
    patch = base_patch({"w": after - before}, 0.01)["w"]
    assert patch.sum() == 6
    assert np.abs(after - before)[patch].min() > np.abs(after - before)[~patch].max()


def test_a_mask_starts_at_its_patch_and_learns_by_the_gradient() -> None:
    """The gradient written out by hand is the one of differences."""
    rng = np.random.default_rng(2)
    patch, delta = rng.random((4, 3)) < 0.3, rng.normal(size=(4, 3))
    assert np.abs(soft_mask(patch, np.zeros((4, 3))) - patch).max() < 0.01
    scores, aim = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))

    def loss(scores: np.ndarray) -> float:
        return float(((soft_mask(patch, scores, 1.0) * delta - aim) ** 2).sum())

    gradient = 2 * (soft_mask(patch, scores, 1.0) * delta - aim)
    found = score_gradient(patch, scores, delta, gradient, 1.0)
    for place in np.ndindex(4, 3):
        step = np.zeros((4, 3))
        step[place] = 1e-6
        assert found[place] == pytest.approx(
            (loss(scores + step) - loss(scores - step)) / 2e-6, rel=1e-4, abs=1e-8
        )


def test_the_overlap_of_masks() -> None:
    a = {"w": np.array([True, True, False])}
    assert overlap(a, a) == 1
    assert overlap(a, {"w": np.array([False, True, True])}) == pytest.approx(1 / 3)
    assert overlap(a, {"v": np.array([True])}) == 0
