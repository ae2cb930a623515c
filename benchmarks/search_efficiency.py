"""How often a search picks its best program, and at what cost: replayed, so that the truth is known.

    python benchmarks/search_efficiency.py --archive board.db     # outcomes of `adas evaluate`
    python benchmarks/search_efficiency.py --claims mgsm.json ... # fitness published by ADAS

Programs come in the order of a search: hand-designed ones first, then the others. "Evaluate program p on task t" is a
look-up. Tasks are drawn with replacement from the measured ones, so that a program's true score is its row's mean. From
published fitness only the means are known: outcomes are drawn with the published test score as probability, each by
itself, which is the hard case for paired tests.

ADAS's procedure, plain successive halving and ours get the same draws in each repetition. Ours calls what `adas search`
calls: the race, the shrunken levels, the knock-out, the paired test of the score card, under the preset `adas`.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np

from archive import Archive
from archive.sequential import incumbents
from archive.shrinkage import Levels, levels
from archive.statistics import mcnemar, paired, wilson
from meta_agent.agents import SEEDS
from meta_agent.choosing import knock_out
from meta_agent.config import SearchConfig, load_config
from meta_agent.finish import HAND_FINALISTS
from meta_agent.racing import lost

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Array = npt.NDArray[np.float64]

VALIDATION, TEST = 128, 800
"""Tasks that ADAS scores every program on, on three of its five domains."""
OURS = load_config("adas")
MOST_CALLS, MOST_SEARCH, MOST_RISK, LEAST_ZERO = 0.15, 0.40, 0.06, 0.94


@dataclass(frozen=True)
class World:
    """Programs whose true scores are known."""

    name: str
    truth: Array
    seeds: int
    """How many of the first are hand-designed."""
    calls: Array
    """Model calls a task of each program."""
    outcomes: Array | None = None
    """Measured scores, programs x tasks; without them outcomes are drawn from the truth."""

    def draw(self, draws: np.random.Generator, tasks: int) -> Array:
        """Return the scores of all programs on new tasks."""
        if self.outcomes is None:
            return (draws.random((len(self.truth), tasks)) < self.truth[:, None]).astype(float)
        return self.outcomes[:, draws.integers(self.outcomes.shape[1], size=tasks)]

    def shuffled(self, draws: np.random.Generator) -> World:
        """Return the world with the programs that are not hand-designed in another order."""
        order = np.concatenate(
            [np.arange(self.seeds), self.seeds + draws.permutation(len(self.truth) - self.seeds)]
        )
        outcomes = None if self.outcomes is None else self.outcomes[order]
        return World(self.name, self.truth[order], self.seeds, self.calls[order], outcomes)


@dataclass
class Tally:
    """What one procedure did in one repetition."""

    pick: int
    reported: float
    """Score that it reports for its pick."""
    search: float
    """Model calls of the search phase: everything on which programs are bred."""
    total: float
    rollouts: int = 0
    """Before the test."""
    dropped: set[int] = field(default_factory=set)


def adas(world: World, validation: Array, test: Array) -> dict[str, Tally]:
    """Score all on validation and all on test; pick by either."""
    search = VALIDATION * world.calls.sum()
    total = search + TEST * world.calls.sum()
    by = {"ADAS, chosen by validation": validation.mean(axis=1), "ADAS, best of all tests": test.mean(axis=1)}
    return {
        name: Tally(int(means.argmax()), float(means.max()), float(search), float(total))
        for name, means in by.items()
    }


def halving(world: World, tasks: Array, rollouts: int) -> Tally:
    """Measure all, keep the better half, and so on; each round costs the same (Karnin, Koren and Somekh 2013)."""
    alive, seen = np.arange(len(world.truth)), 0
    rounds = int(np.ceil(np.log2(len(alive))))
    calls = 0.0
    for _ in range(rounds):
        more = min(rollouts // (rounds * len(alive)), tasks.shape[1] - seen)
        seen += more
        calls += more * world.calls[alive].sum()
        means = tasks[alive, :seen].mean(axis=1)
        alive = alive[np.argsort(-means, kind="stable")[: (len(alive) + 1) // 2]]
    return Tally(int(alive[0]), float(tasks[alive[0], :seen].mean()), calls, calls)


def ours(world: World, search: Array, selection: Array, test: Array, config: SearchConfig) -> Tally:
    """Race the candidates generation by generation, let the likely best knock each other out, test three."""
    programs, split = search.shape
    seen = np.full((programs, split + selection.shape[1]), np.nan)
    seen[: world.seeds, :split] = search[: world.seeds]
    looks = np.arange(config.race_block, split, config.race_block)
    dropped: set[int] = set()
    for first in range(world.seeds, programs, config.width):
        rivals = seen[:first, :split].copy()
        for candidate in range(first, min(first + config.width, programs)):
            out = lost(search[candidate] - incumbents(rivals), config.race_risk)[looks - 1]
            end = looks[out.argmax()] if out.any() else split
            seen[candidate, :end] = search[candidate, :end]
            dropped |= {candidate} if out.any() else set()
    rollouts = (~np.isnan(seen)).sum(axis=1)
    calls = float(rollouts @ world.calls)

    def measure(rows: Sequence[int], start: int, end: int) -> None:
        seen[rows, split + start : split + end] = selection[rows, start:end]

    def standing(_asked: int) -> Levels:
        return levels(seen)

    left = knock_out(
        standing,
        [range(world.seeds, programs), range(world.seeds)],
        measure,
        seats=[config.finalists, HAND_FINALISTS],
        tasks=selection.shape[1],
        saved=int(programs * split - rollouts.sum()),
        block=config.race_block,
    )
    means = levels(seen).mean
    found, hand = (max(group, key=lambda row: means[row], default=-1) for group in left)
    pick = max((row for row in (found, hand) if row >= 0), key=lambda row: means[row])
    rollouts = (~np.isnan(seen)).sum(axis=1)
    tested = world.calls[[found, hand, found]].sum()  # self-consistency costs what the finalist does
    total = float(rollouts @ world.calls + test.shape[1] * tested)
    return Tally(pick, float(test[pick].mean()), calls, total, int(rollouts.sum()), dropped)


def replay(world: World, repetitions: int, config: SearchConfig) -> dict[str, list[tuple[Tally, World]]]:
    """Let every procedure search in the same draws."""
    done: dict[str, list[tuple[Tally, World]]] = {}
    for repetition in range(repetitions):
        draws = np.random.default_rng(1_000_000 + repetition)  # none that the preset was set by
        drawn = world if world.outcomes is None else world.shuffled(draws)
        sizes = (config.search_tasks, config.selection_tasks, config.test_tasks, VALIDATION, TEST)
        search, selection, test, validation, adas_test = (drawn.draw(draws, size) for size in sizes)
        tallies = adas(drawn, validation, adas_test)
        mine = ours(drawn, search, selection, test, config)
        tallies["successive halving"] = halving(drawn, drawn.draw(draws, TEST), mine.rollouts)
        tallies["ours"] = mine
        for name, tally in tallies.items():
            done.setdefault(name, []).append((tally, drawn))
    return done


def share(hits: Sequence[bool]) -> str:
    """Return a share with its 95% interval."""
    interval = wilson(sum(hits), len(hits))
    return f"{interval.mean:.1%} ({interval.low:.1%} to {interval.high:.1%})"


def mean(values: Sequence[float]) -> str:
    """Return a mean in points with its 95% interval."""
    half = 1.96 * np.std(values, ddof=1) / np.sqrt(len(values))
    return f"{100 * np.mean(values):+.1f} ± {100 * half:.1f}"


def compared(world: World, done: dict[str, list[tuple[Tally, World]]]) -> tuple[str, bool]:
    """Return the table of one world, and whether ours met its bars there."""
    hits = {
        name: [bool(drawn.truth[tally.pick] == drawn.truth.max()) for tally, drawn in tallies]
        for name, tallies in done.items()
    }
    spent = {
        name: [float(np.mean([getattr(tally, what) for tally, _ in tallies])) for what in ("search", "total")]
        for name, tallies in done.items()
    }
    whole = spent["ADAS, chosen by validation"]
    rows = [
        f"| {name} | {share(hits[name])} | {mean([drawn.truth.max() - drawn.truth[t.pick] for t, drawn in tallies])} | "
        f"{mean([t.reported - drawn.truth[t.pick] for t, drawn in tallies])} | {spent[name][0]:,.0f} "
        f"({spent[name][0] / whole[0]:.0%}) | {spent[name][1]:,.0f} ({spent[name][1] / whole[1]:.1%}) |"
        for name, tallies in done.items()
    ]
    best = [
        bool(drawn.truth.argmax() in tally.dropped)
        for tally, drawn in done["ours"]
        if drawn.truth.argmax() >= drawn.seeds
    ]
    wins = sum(a and not b for a, b in zip(hits["ours"], hits["ADAS, chosen by validation"], strict=True))
    losses = sum(b and not a for a, b in zip(hits["ours"], hits["ADAS, chosen by validation"], strict=True))
    raced = [len(tally.dropped) / (len(drawn.truth) - drawn.seeds) for tally, drawn in done["ours"]]
    risk = (
        f"the true best was dropped in {share(best)} of the searches" if best else "the true best is a seed"
    )
    met = (
        wins >= losses
        and spent["ours"][0] <= MOST_SEARCH * whole[0]
        and spent["ours"][1] <= MOST_CALLS * whole[1]
        and np.mean(best or [False]) <= MOST_RISK
    )
    text = f"""
### {world.name}

{len(world.truth)} programs, {world.seeds} of them hand-designed; true scores from {world.truth.min():.1%} to {world.truth.max():.1%}, the
best two {100 * np.diff(np.sort(world.truth)[-2:])[0]:.1f} points apart.

| procedure | picks the true best | regret, points | reported minus true, points | calls of the search | all calls |
|---|---|--:|--:|--:|--:|
{chr(10).join(rows)}

Against ADAS's choice by validation, in the same draws: {wins} searches won, {losses} lost (exact McNemar
p = {mcnemar(wins, losses):.2g}). Racing dropped {np.mean(raced):.0%} of the candidates; {risk}.
"""
    return text, bool(met)


def equals(programs: int, seeds: int, rate: float) -> World:
    """Return a world in which all programs are the same."""
    return World("noise", np.full(programs, rate), seeds, np.ones(programs))


def risk_of(races: int, rivals: int, tasks: int, risk: float, block: int) -> str:
    """Return how often a candidate that is exactly as good as its rivals is dropped."""
    draws = np.random.default_rng(1)
    looks = np.arange(block, tasks, block) - 1
    dropped = []
    for _ in range(races):
        outcomes = (draws.random((1 + rivals, tasks)) < 0.5).astype(float)
        dropped.append(bool(lost(outcomes[0] - incumbents(outcomes[1:]), risk)[looks].any()))
    return share(dropped)


def noise(searches: int, config: SearchConfig) -> dict[str, list[bool]]:
    """Search among equals: does the interval of the reported advantage hold 0?"""
    world = equals(37, 7, 0.5)
    holds: dict[str, list[bool]] = {name: [] for name in ("ours", "best test", "own interval", "validation")}
    for number in range(searches):
        draws = np.random.default_rng(10_000 + number)
        search, selection = world.draw(draws, config.search_tasks), world.draw(draws, config.selection_tasks)
        test = world.draw(draws, config.test_tasks)
        pick = ours(world, search, selection, test, config).pick
        baseline = 0 if pick else 1
        validation, every = world.draw(draws, VALIDATION), world.draw(draws, TEST)
        hand = int(validation[: world.seeds].mean(axis=1).argmax())
        best = int(every.mean(axis=1).argmax())
        chosen = int(validation.mean(axis=1).argmax())
        own = wilson(int(every[best].sum()), TEST)
        differences = {
            "ours": paired(test[pick].tolist(), test[baseline].tolist()),
            "best test": paired(every[best].tolist(), every[hand].tolist()),
            "validation": paired(validation[chosen].tolist(), validation[0 if chosen else 1].tolist()),
        }
        for name, difference in differences.items():
            holds[name].append(difference.low <= 0 <= difference.high)
        holds["own interval"].append(own.low <= 0.5 <= own.high)
    return holds


def from_archive(path: Path, run: str | None) -> World:
    """Return the world of an evaluation run: its programs that were measured on all of its tasks."""
    with Archive(path) as archive:
        runs = [r.id for r in archive.runs() if (r.id == run if run else r.kind == "evaluate")]
        if not runs:
            sys.exit(f"{path} has no run of `adas evaluate`{f' {run}' if run else ''}")
        held = archive.evaluations(run=runs[-1], split="search")
        rollouts = {e.id: {r.task: r for r in archive.rollouts(e.id)} for e in held}
        most = max(len(found) for found in rollouts.values())
        whole = [e for e in held if len(rollouts[e.id]) == most]
        names = [archive.program(e.program).name for e in whole]
        hand = [name.replace("_", "-") for name in SEEDS]
        order = sorted(range(len(whole)), key=lambda i: (names[i] not in hand, i))
        tasks = sorted(rollouts[whole[0].id])
        table = [[rollouts[whole[i].id][task] for task in tasks] for i in order]
        outcomes = np.array([[rollout.score for rollout in row] for row in table])
        calls = np.array([np.mean([rollout.calls for rollout in row]) for row in table])
        seeds = sum(name in hand for name in names)
        run_ = archive.run(runs[-1])
    name = f"{run_.domain} with {whole[0].model}, measured on {len(tasks)} tasks"
    return World(name, outcomes.mean(axis=1), seeds, calls, outcomes)


def from_claims(path: Path) -> World:
    """Return the world of a published ADAS archive: its claimed test scores, taken as true."""
    import json

    from meta_agent.adas_compat.published import read_fitness

    rows = json.loads(path.read_text())
    truth = np.array([read_fitness(row["test_fitness"]).point for row in rows])
    seeds = sum(row["generation"] == "initial" for row in rows)
    return World(f"{path.stem}, as claimed", truth, seeds, np.ones(len(rows)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument(
        "--archive", type=Path, action="append", default=[], help="with a run of `adas evaluate`"
    )
    parser.add_argument("--run", help="which one (default: the last)")
    parser.add_argument("--claims", type=Path, nargs="*", default=[], help="published ADAS archives")
    parser.add_argument("--repetitions", type=int, default=200)
    parser.add_argument("--searches", type=int, default=500, help="among equals")
    parser.add_argument("--report", type=Path)
    options = parser.parse_args()
    started = time.monotonic()
    worlds = [*(from_archive(p, options.run) for p in options.archive), *map(from_claims, options.claims)]
    sections, met = [], []
    for world in worlds:
        text, good = compared(world, replay(world, options.repetitions, OURS))
        sections.append(text)
        met.append((world.name, good))
        print(text, flush=True)
    holds = noise(options.searches, OURS)
    text = report(sections, met, holds, options)
    print(text.partition("## Risk")[1] + text.partition("## Risk")[2])
    print(f"{time.monotonic() - started:.0f} s")
    if options.report:
        options.report.write_text(text)


SETTING = """\
Programs come in the order of a search, hand-designed ones first, and "evaluate program p on task t" is a look-up. From a
measured board tasks are drawn with replacement, so that a program's true score is its row's mean. Of published archives
only the means are known: outcomes are drawn with the claimed test score as probability, each by itself, which is the hard
case for paired tests; their calls are rollouts.
"""


def report(
    sections: Sequence[str],
    met: Sequence[tuple[str, bool]],
    holds: dict[str, list[bool]],
    options: argparse.Namespace,
) -> str:
    c, risk = OURS, OURS.race_risk
    races = "\n".join(
        f"| {rivals} | {tasks} | {risk_of(4000, rivals, tasks, risk, c.race_block)} |"
        for rivals, tasks in ((1, c.search_tasks), (7, c.search_tasks), (36, c.search_tasks), (36, 1000))
    )
    verdicts = "\n".join(f"- {name}: {'met' if good else '**not met**'}" for name, good in met)
    zero = f"**{share(holds['ours'])}** ({'met' if np.mean(holds['ours']) >= LEAST_ZERO else 'not met'}: at least {LEAST_ZERO:.0%})"
    return f"""# Search efficiency, replayed

Written by:

```sh
{shlex.join(["python", "benchmarks/search_efficiency.py", *sys.argv[1:]])}
```

{SETTING}
- **ADAS** scores every program on {VALIDATION} validation and {TEST} test tasks. Its search sees validation only; its published table
  shows the best of all tests, which is a choice by the test. Both are here.
- **Successive halving** has all programs at once, as no search has, and gets as many rollouts as our search and selection
  together. Without a test.
- **Ours** is the preset `adas`: {c.search_tasks} search tasks, raced in blocks of {c.race_block} at a risk of {risk:.0%}; a selection split of
  {c.selection_tasks} tasks with {c.finalists} seats; {c.test_tasks} test tasks for the finalist and two baselines. The preset was set with the published archives in
  view, by other draws.

{options.repetitions} repetitions, 95% intervals. Bars: at least as likely as ADAS's choice by validation to pick the true best, with at
most {MOST_SEARCH:.0%} of its calls in the search and {MOST_CALLS:.0%} of all its calls, and the true best dropped in at most {MOST_RISK:.0%} of the searches.

{verdicts}

*Regret* is the true score of the best program minus that of the pick; *reported minus true* is the winner's curse.
{"".join(sections)}
## Risk of dropping a program that is as good as any

4000 races of a program against rivals that are exactly as good. The nominal risk is {risk:.0%}; it holds at all looks together,
whatever the number of rivals and tasks.

| rivals | tasks | dropped |
|--:|--:|---|
{races}

## Nothing but noise

{options.searches} searches among 37 equal programs, 7 of them hand-designed. How often does the 95% interval of the reported
advantage hold the true one, 0?

| report | holds 0 |
|---|---|
| ours: finalist against a hand-designed agent on the sealed test | {zero} |
| ADAS-style: the best of all test scores against the best hand-designed agent by validation | {share(holds["best test"])} |
| ADAS-style: the best of all validation scores against a hand-designed agent | {share(holds["validation"])} |
| the interval that ADAS prints beside its best test score, and that program's true score | {share(holds["own interval"])} |
"""


if __name__ == "__main__":
    main()
