from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from meta_agent.learning.games import self_improvement  # noqa: E402
from meta_agent.learning.losses import (  # noqa: E402
    Revisions,
    degree,
    dpo,
    rpo,
    sppo,
    srpo,
    with_degree,
)


def test_sppo_of_soft_wins() -> None:
    chosen, rejected = torch.tensor([0.3], dtype=torch.float64), torch.tensor([-0.2], dtype=torch.float64)
    assert sppo(chosen, rejected, 0.8, 0.3).item() == pytest.approx(64870.065)


def test_sppo_of_hard_wins_is_half_of_trls() -> None:
    rng = torch.Generator().manual_seed(0)
    chosen, rejected = torch.randn(2, 7, dtype=torch.float64, generator=rng)
    beta = 0.05
    hard = (chosen - 0.5 / beta) ** 2 + (rejected + 0.5 / beta) ** 2
    assert torch.allclose(2 * sppo(chosen, rejected, beta=beta), hard)


def test_dpo_at_even_odds() -> None:
    zero = torch.zeros(1)
    assert dpo(zero, zero).item() == pytest.approx(math.log(2))


def test_a_pair_that_may_be_either_way_round_teaches_nothing() -> None:
    margin = torch.zeros(1, requires_grad=True)
    (gradient,) = torch.autograd.grad(dpo(margin, torch.zeros(1), wrong=0.5).sum(), margin)
    assert gradient.item() == 0
    one, two = torch.tensor([1.7]), torch.tensor([0.2])
    assert dpo(one, two, wrong=0.5).item() == pytest.approx(dpo(two, one, wrong=0.5).item())
    assert dpo(one, two, wrong=0.25).item() == pytest.approx(
        0.75 * dpo(one, two).item() + 0.25 * dpo(two, one).item()
    )


def test_a_sure_pair_is_plain_dpo_bit_for_bit() -> None:
    rng = torch.Generator().manual_seed(1)
    chosen, rejected = torch.randn(2, 64, generator=rng)
    plain = -torch.nn.functional.logsigmoid(0.1 * (chosen - rejected))
    assert torch.equal(dpo(chosen, rejected), plain)
    assert torch.equal(dpo(chosen, rejected, wrong=torch.zeros(64)), plain)


def test_rpo_adds_the_likelihood() -> None:
    one = torch.tensor([1.0])
    assert rpo(one, -one, torch.tensor([-2.0]), weight=0.5).item() == pytest.approx(
        dpo(one, -one).item() + 1.0
    )


def test_a_degree_of_weight_zero_is_not_there() -> None:
    rng = torch.Generator().manual_seed(2)
    chosen = torch.randn(16, generator=rng, requires_grad=True)
    logits = torch.randn(16, 3, generator=rng, requires_grad=True)
    degrees = degree(logits, torch.arange(16) % 3)
    loss = dpo(chosen, torch.zeros(16))
    plain, none = loss.mean(), with_degree(loss, degrees, 0.0)
    assert torch.equal(plain, none)
    first = torch.autograd.grad(plain, chosen, retain_graph=True)[0]
    assert torch.equal(first, torch.autograd.grad(none, chosen, retain_graph=True)[0])
    assert with_degree(loss, degrees, 0.5).item() == pytest.approx(plain.item() + 0.5 * degrees.mean().item())
    assert degree(torch.zeros(1, 4), torch.tensor([2])).item() == pytest.approx(math.log(4))


def test_srpo_vanishes_at_the_solution_alone() -> None:
    """For an answer that always wins, the game's solution has no loss, and any other policy has some."""
    preference = np.array([[0.5, 1.0], [0.0, 0.5]])
    rng = np.random.default_rng(0)
    reference, revise, beta = rng.dirichlet([1, 1]), rng.dirichlet([1, 1], size=2), 0.3
    answering, revising = self_improvement(reference, revise, preference, beta)
    r, r2 = np.log(answering / reference), np.log(revising / revise)
    found = Revisions(*(torch.tensor([x]) for x in (r[0], r[1], r2[1, 0], r2[0, 1], r2[0, 0], r2[1, 1])))
    for alpha in (0.0, 0.5, 1.0):
        assert srpo(found, beta, alpha).item() == pytest.approx(0, abs=1e-24)
    assert srpo(found._replace(chosen=found.chosen + 0.1), beta, 0.5).item() > 1e-5
    assert srpo(found._replace(chosen_from_chosen=found.chosen_from_chosen + 0.1), beta, 0.5).item() > 1e-5
