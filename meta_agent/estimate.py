"""What a search will take, from a pilot of a few tasks; and when it pays back.

A pilot is the search itself, small: the hand-designed agents on a few search tasks, and one generation. Its replies
stay in the cache, so that the search does not pay for them again.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import asdict, dataclass, fields
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from archive.statistics import student_t
from meta_agent.agents import load_agent
from meta_agent.finish import HAND_FINALISTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from archive import Archive, Call, Rollout
    from meta_agent.config import SearchConfig

TESTED = 3
"""Programs on the sealed test: finalist and two baselines."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What something takes; replies from the cache count in full."""

    calls: float = 0.0
    tokens: float = 0.0
    seconds: float = 0.0
    """Of waiting for models, one call after the other."""
    dollars: float = 0.0
    unpriced: float = 0.0
    """Calls without a known price, which ``dollars`` leaves out."""

    def __add__(self, other: Cost) -> Cost:
        return Cost(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def __mul__(self, times: float) -> Cost:
        return Cost(*(getattr(self, f.name) * times for f in fields(self)))


@dataclass(frozen=True, slots=True)
class Pilot:
    """What a small search took."""

    seeds: dict[str, tuple[Cost, ...]]
    """Name of each hand-designed agent -> its cost on each task of the pilot."""
    writing: Cost
    """Of the meta model, for one candidate on its way into the archive."""
    spent: Cost
    """Of the whole pilot, what was in the cache left out."""
    wall_s: float
    workers: int
    """Rollouts in flight in the search itself."""

    def rollout(self, name: str) -> Cost:
        """Return the mean cost of one agent on one task."""
        costs = self.seeds[name]
        return sum(costs, Cost()) * (1 / len(costs))

    @property
    def spread(self) -> float:
        """How far the mean of so few tasks may be off, as a share of it: half of its 95% interval."""
        sums = [sum(agent[task].tokens for agent in self.seeds.values()) for task in range(self.tasks)]
        if len(sums) < 2 or not fmean(sums):
            return 1.0
        return min(1.0, student_t(len(sums) - 1) * stdev(sums) / math.sqrt(len(sums)) / fmean(sums))

    @property
    def tasks(self) -> int:
        """How many tasks the pilot had."""
        return len(next(iter(self.seeds.values())))


@dataclass(frozen=True, slots=True)
class Range:
    """A figure and how far it may be off."""

    low: float
    likely: float
    high: float


@dataclass(frozen=True, slots=True)
class PayBack:
    """After how many deployed queries a search has paid for itself, against self-consistency."""

    agent: str
    """As cheap as this one, and as good as self-consistency."""
    tokens: float
    """A query."""
    saved: float
    """Tokens a query; not more than 0 when it never pays back."""
    queries: Range | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a search takes without a budget."""

    rollouts: Range
    calls: Range
    tokens: Range
    seconds: Range
    """Wall clock. At best calls get through side by side as fast as alone, at worst no faster than in the pilot."""
    dollars: Range | None
    """None when a price is unknown."""
    self_consistency: float
    """Tokens a query of self-consistency as shelved."""
    pays_back: tuple[PayBack, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the estimate as JSON types."""
        return asdict(self)


def read_pilot(archive: Archive, run: str, candidates: int, wall_s: float, workers: int) -> Pilot:
    """Return what a pilot took, from its archive.

    Args:
        archive: holds nothing else of that run.
        run: the pilot.
        candidates: how many it proposed.
        wall_s: seconds it ran.
        workers: rollouts in flight in the search itself.
    """
    ledger = archive.calls(run)
    seconds = _seconds_a_token(ledger)
    seeds = {}
    for member in archive.members(run):
        if member.proposer == "hand":
            (evaluation,) = archive.evaluations(run=run, program=member.program, split="search")
            rollouts = archive.rollouts(evaluation.id)
            ordered = sorted(rollouts, key=lambda rollout: rollout.task)
            seeds[archive.program(member.program).name] = tuple(_rollout(r, seconds) for r in ordered)
    meta = [call for call in ledger if call.role == "meta"]
    return Pilot(
        seeds=seeds,
        writing=_calls(meta) * (1 / max(1, candidates)),
        spent=_calls([call for call in ledger if not call.cached]),
        wall_s=wall_s,
        workers=workers,
    )


def _calls(calls: Iterable[Call]) -> Cost:
    return sum(
        (
            Cost(
                1,
                call.prompt_tokens + call.completion_tokens,
                call.seconds,
                call.cost_usd or 0.0,
                float(call.cost_usd is None),
            )
            for call in calls
        ),
        Cost(),
    )


def _seconds_a_token(ledger: Sequence[Call]) -> float:
    """Return the seconds of waiting a token, over the calls that a model answered."""
    answered = _calls(call for call in ledger if not call.cached and call.role == "agent")
    return answered.seconds / answered.tokens if answered.tokens else 0.0


def _rollout(rollout: Rollout, seconds_a_token: float) -> Cost:
    tokens = rollout.prompt_tokens + rollout.completion_tokens
    unpriced = rollout.calls if rollout.cost_usd is None else 0
    return Cost(rollout.calls, tokens, tokens * seconds_a_token, rollout.cost_usd or 0.0, unpriced)


def estimate(config: SearchConfig, pilot: Pilot) -> Estimate:
    """Return what a search with these settings takes, if nothing but its generations ends it.

    Likely: candidates cost what hand-designed agents do, none is dropped, half of the selection's rollouts are used.
    Low: they cost what the cheapest does and most are dropped at the second look. High: what the dearest does, and
    every candidate is repaired as often as it may be. The pilot's spread widens both ends.
    """
    rollout = {name: pilot.rollout(name) for name in pilot.seeds}
    by_tokens = sorted(rollout.values(), key=lambda cost: cost.tokens)
    mean = sum(by_tokens, Cost()) * (1 / len(by_tokens))
    candidates = config.generations * config.width
    seats = config.finalists + HAND_FINALISTS
    fund = seats * config.selection_tasks
    soon = min(config.search_tasks, 2 * config.race_block) if config.race_risk else config.search_tasks
    first = min(fund / 2, seats * config.race_block)
    whole: dict[str, tuple[float, Cost]] = {}
    for case, one, raced, selected, tries in (
        ("low", by_tokens[0], soon, first, 1),
        ("likely", mean, config.search_tasks, fund / 2, 1),
        ("high", by_tokens[-1], config.search_tasks, fund, 1 + config.repairs),
    ):
        found = candidates * (raced + tries) + selected + TESTED * config.test_tasks
        seeds = sum((cost * config.search_tasks for cost in rollout.values()), Cost())
        cost = seeds + one * found + pilot.writing * (candidates * tries)
        whole[case] = (found + len(rollout) * config.search_tasks, cost)
    wide = {"low": 1 - pilot.spread / 2, "likely": 1.0, "high": 1 + pilot.spread}
    total = {case: cost * wide[case] for case, (_, cost) in whole.items()}
    pace = pilot.spent.tokens / pilot.wall_s if pilot.wall_s and pilot.spent.tokens else 0.0
    slow = {case: cost.tokens / pace if pace else cost.seconds for case, cost in total.items()}
    fast = {case: min(cost.seconds / pilot.workers, slow[case]) for case, cost in total.items()}
    priced = not any(cost.unpriced for cost in total.values())
    return Estimate(
        rollouts=Range(*(n for n, _ in whole.values())),
        calls=Range(*(cost.calls for cost in total.values())),
        tokens=Range(*(cost.tokens for cost in total.values())),
        seconds=Range(fast["low"], (fast["likely"] + slow["likely"]) / 2, slow["high"]),
        dollars=Range(*(cost.dollars for cost in total.values())) if priced else None,
        self_consistency=_self_consistency(rollout),
        pays_back=tuple(pay_backs(rollout, total)),
    )


def _self_consistency(rollout: dict[str, Cost]) -> float:
    shelved = load_agent("self_consistency").name
    return rollout[shelved].tokens if shelved in rollout else max(cost.tokens for cost in rollout.values())


def pay_backs(rollout: dict[str, Cost], total: dict[str, Cost]) -> Iterable[PayBack]:
    """Yield the break-even for an agent as cheap as each hand-designed one that is cheaper than self-consistency.

    A search costs tokens once; a deployed agent that answers as well as self-consistency for fewer tokens saves some
    with each query (El, Yuksekgonul and Zou 2025, arXiv 2510.06711, find two data sets where that happens at all).
    """
    vote = _self_consistency(rollout)
    by_saving: dict[float, str] = defaultdict(str)
    for name, cost in sorted(rollout.items()):
        by_saving[vote - cost.tokens] = by_saving[vote - cost.tokens] or name
    for saved, name in sorted(by_saving.items(), reverse=True):
        queries = Range(*(cost.tokens / saved for cost in total.values())) if saved > 0 else None
        yield PayBack(name, vote - saved, saved, queries)
