from __future__ import annotations

import numpy as np
import pytest

from archive.shrinkage import SPREADS, levels


def binary(levels_: list[float], tasks: int, seed: int, hardness: float = 0.3) -> np.ndarray:
    """Return outcomes of programs with these solve rates on tasks that are hard or easy for all alike."""
    draws = np.random.default_rng(seed)
    shift = draws.uniform(-hardness, hardness, tasks)
    return (draws.random((len(levels_), tasks)) < np.clip(np.array(levels_)[:, None] + shift, 0, 1)).astype(
        float
    )


def test_complete_scores_give_the_closed_form() -> None:
    """Without gaps the means are independent, and the posterior is that of Rubin's model (BDA3, equations 5.17, 5.21)."""
    scores = binary([0.3, 0.4, 0.5, 0.7, 0.45], 40, seed=1)
    n, tasks = scores.shape
    means = scores.mean(axis=1)
    residuals = scores - means[:, None] - scores.mean(axis=0) + scores.mean()
    noise = ((residuals**2).sum() + 0.25) / ((n - 1) * (tasks - 1) + 1)
    variance = SPREADS**2 + noise / tasks
    away = means - means.mean()
    fit = -0.5 * ((n - 1) * np.log(variance) + (away**2).sum() / variance)
    weights = np.exp(fit - fit.max()) / np.exp(fit - fit.max()).sum()
    kept = weights @ (SPREADS**2 / variance)
    found = levels(scores)
    assert found.mean == pytest.approx(means.mean() + kept * away)
    spread = (weights @ (SPREADS**2 * noise / tasks / variance)) + (
        weights @ (SPREADS**2 / variance) ** 2 - kept**2
    ) * away**2
    assert found.draws.std(axis=0) ** 2 == pytest.approx(spread * (n - 1) / n, rel=0.15)


def test_shrinkage_keeps_the_order_and_pulls_to_the_middle() -> None:
    scores = binary([0.2, 0.3, 0.4, 0.5, 0.6, 0.5], 25, seed=2)
    raw, found = scores.mean(axis=1), levels(scores).mean
    assert (np.argsort(raw, kind="stable") == np.argsort(found.round(9), kind="stable")).all()
    assert np.abs(found - raw.mean()).max() < np.abs(raw - raw.mean()).max()
    assert found.mean() == pytest.approx(raw.mean())


def test_pure_noise_is_shrunken_to_almost_nothing_and_the_curse_is_gone() -> None:
    raw, corrected, truth = [], [], []
    for seed in range(60):
        scores = binary([0.5] * 30, 40, seed=seed)
        found = levels(scores)
        winner = scores.mean(axis=1).argmax()
        raw.append(scores.mean(axis=1)[winner] - scores.mean())
        corrected.append(found.mean[winner] - scores.mean())
        truth.append(0.0)
    assert np.mean(raw) > 0.1
    assert np.mean(corrected) < 0.25 * np.mean(raw)


def test_probabilities_of_being_best_are_calibrated() -> None:
    """Over many sets of programs, those given a chance of about p are the best in about p of the cases."""
    said, true = [], []
    draws = np.random.default_rng(3)
    for seed in range(300):
        truth = np.clip(draws.normal(0.5, 0.1, 8), 0.05, 0.95)
        chances = levels(binary(list(truth), 30, seed=seed, hardness=0.0)).best(range(8))
        assert chances.sum() == pytest.approx(1)
        said += list(chances)
        true += [float(i == truth.argmax()) for i in range(8)]
    said, true = np.array(said), np.array(true)
    for low, high in ((0.0, 0.05), (0.05, 0.2), (0.2, 0.5), (0.5, 1.01)):
        held = (said >= low) & (said < high)
        error = 3 * np.sqrt(said[held].mean() * (1 - said[held].mean()) / held.sum())
        assert abs(said[held].mean() - true[held].mean()) <= error + 0.02


def test_what_is_hard_about_a_task_is_taken_out() -> None:
    """A program that was dropped on hard tasks is not thought worse than one that met easy ones."""
    hard, easy = np.zeros(10), np.ones(10)
    scores = np.array([[*hard, *easy], [*hard, *easy], [*hard, *([np.nan] * 10)], [*([np.nan] * 10), *easy]])
    found = levels(scores).mean
    assert found == pytest.approx(np.full(4, 0.5))


def test_odd_shapes() -> None:
    assert levels(np.array([[1.0, 0.0]])).mean == pytest.approx([0.5])
    assert levels(np.array([[1.0, 0.0]])).best([0]) == pytest.approx([1.0])
    same = levels(np.ones((3, 5)))
    assert same.mean == pytest.approx([1.0] * 3)
    assert same.best([0, 2]).sum() == pytest.approx(1)
    with pytest.raises(ValueError, match="at least one score"):
        levels(np.array([[1.0], [np.nan]]))


def test_another_order_of_programs_changes_nothing_but_the_order() -> None:
    scores = binary([0.3, 0.5, 0.4, 0.6], 20, seed=5)
    scores[2, 8:] = np.nan
    order = [2, 0, 3, 1]
    assert levels(scores[order]).mean == pytest.approx(levels(scores).mean[order])
