"""The table at the end of a loop: every model on the same held-out tasks, each against the base."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from archive.statistics import Interval, Paired, mean_interval, paired

if TYPE_CHECKING:
    from collections.abc import Sequence

    from meta_agent.learning.sampling import Drawn


@dataclass(frozen=True, slots=True)
class Result:
    """One model on the sealed test."""

    model: str
    domains: dict[str, Interval]
    """pass@1 a domain."""
    all: Interval
    tasks: int
    tokens: float
    """A task, prompt and reply."""
    unrelated: Interval | None
    """On a domain that nothing was learned about."""
    to_base: Paired | None
    """This model less the base, a task at a time; None for the base itself."""
    unrelated_to_base: Paired | None
    scores: tuple[float, ...]
    unrelated_scores: tuple[float, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the result as JSON types."""
        return asdict(self)


def result(model: str, measured: Sequence[Drawn], unrelated: Sequence[Drawn], base: Result | None) -> Result:
    """Return the result of greedy answers, one a task, against those of the base."""
    scores, others = tuple(d.score for d in measured), tuple(d.score for d in unrelated)
    names = dict.fromkeys(d.domain for d in measured)
    return Result(
        model,
        {name: mean_interval([d.score for d in measured if d.domain == name]) for name in names},
        mean_interval(scores),
        len(scores),
        fmean(d.tokens for d in measured),
        mean_interval(others) if others else None,
        paired(scores, base.scores) if base else None,
        paired(others, base.unrelated_scores) if base and others else None,
        scores,
        others,
    )


def report(state: dict[str, Any], command: str) -> str:
    """Return what a loop came to, as Markdown; ``state`` is its ``loop.json``."""
    results, settings = state["results"], state["settings"]
    domains = list(results[0]["domains"])
    titles = ["model", *domains, "all", "to base", "p", "tokens"]
    if unrelated := settings["unrelated"]:
        titles += [unrelated, f"{unrelated} to base", "p"]
    rows = "\n".join("| " + " | ".join(_cells(one, domains)) + " |" for one in results)
    rounds = "\n".join(_round(number, one) for number, one in state["rounds"].items())
    best = [r["model"] for r in results[1:] if r["to_base"]["p"] < 0.05 and r["to_base"]["difference"] > 0]
    return _REPORT.format(
        command=command,
        tasks=results[0]["tasks"],
        titles=" | ".join(titles),
        ruler="|".join("---" if i == 0 else "--:" for i in range(len(titles))),
        rows=rows,
        heads=" | ".join(_HEADS),
        rule="|".join("---" for _ in _HEADS),
        rounds=rounds,
        verdict=(
            f"Better than the base: {', '.join(best)}."
            if best
            else "A null result: no model can be told from the base on the sealed test."
        ),
        kept=state["model"],
    )


def _cells(one: dict[str, Any], domains: Sequence[str]) -> list[str]:
    cells = [
        f"`{one['model']}`",
        *(_share(one["domains"][name]) for name in domains),
        _share(one["all"]),
        *_difference(one["to_base"]),
        f"{one['tokens']:.0f}",
    ]
    if one["unrelated"]:
        cells += [_share(one["unrelated"]), *_difference(one["unrelated_to_base"])]
    return cells


def _difference(to_base: dict[str, float] | None) -> tuple[str, str]:
    return (f"{to_base['difference']:+.1%}", f"{to_base['p']:.3f}") if to_base else ("", "")


def _share(interval: dict[str, float]) -> str:
    return f"{interval['mean']:.1%} ({interval['low']:.0%}-{interval['high']:.0%})"


def _round(number: str, one: dict[str, Any]) -> str:
    gate, seen = one["gate"], one["exploration"]
    d = gate["difference"]
    rows = ", ".join(f"{count} {kind}" for kind, count in one["rows"].items())
    return (
        f"| {number} | `{seen['model']}` | {seen['temperature']:g} | {seen['threshold']:g} | {seen['score']:.3f} | "
        f"{seen['pass_at_1']:.1%} | {seen['pass_at_k']:.1%} | {seen['distinct']:.1f} | {seen['best_of_k']:.1%} | "
        f"{rows} | {d['difference']:+.1%} ({d['low']:+.1%} to {d['high']:+.1%}), p = {d['p']:.3f}, n = {d['n']} | "
        f"{gate['decision']} |"
    )


_REPORT = """\
# Search, train, search again

Written by:

```sh
{command}
```

Greedy answers in one call to the same {tasks} held-out tasks, never trained on and opened once; pass@1 with its 95%
interval, paired difference to the base and its exact p value, tokens a task, and pass@1 on a domain that nothing was
learned about.

| {titles} |
|{ruler}|
{rows}

{verdict} The loop ends with `{kept}`.

## Rounds

Temperature and threshold are B-STaR's choice by its balance score. pass@1, pass@K, different answers a task and
best-of-K (by visible tests) are of the draws on the search tasks. The gate compares the new model with the one before
on the selection split, with draws of a seed used for nothing else.

| {heads} |
|{rule}|
{rounds}
"""
_HEADS = (
    "round",
    "explored with",
    "temperature",
    "threshold",
    "balance",
    "pass@1",
    "pass@K",
    "distinct",
    "best-of-K",
    "rows",
    "gate",
    "decision",
)
