"""Composition alone, reflection alone, and the mix of proposers: what does each find for the same tokens?

    python benchmarks/search_mix.py [--domain mbpp] [--budget 100k-tokens] [--seeds 3] [KEY=VALUE ...]

One search for each arm and seed, each with a cache of its own, so that none gets for free what another has paid for.
The whole budget is the search's. Outside of it every program that was the best so far at the end of a generation is
measured on the selection split; who of them solves most of both splits is the result, and meets the best hand-designed
agent on the sealed test. Killed at any moment, the same command goes on where it was; what a finished search came to
lies beside the report, and is not searched again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict
from rich.console import Console

sys.path.insert(0, str(Path(__file__).parent.parent))

from archive import Archive, Run
from archive.diversity import behaviour_entropy, mean_distance
from archive.statistics import mean_interval, paired
from domains import load_domain
from meta_agent.choosing import Standings, scores_of
from meta_agent.commands.search import parts, run_search
from meta_agent.config import SearchConfig, load_config, validate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from archive import Member, Split
    from domains import Domain

ARMS = {"composition": "composition", "reflective": "reflective", "mix": ",".join(SearchConfig().proposers)}
SETTINGS = (
    "agents=direct,self_debug",
    "width=4",
    "finish_share=0",
    "calls_per_task=4",
    "search_tasks=12",
    "selection_tasks=24",
    "test_tasks=48",
)
"""Of every search: few seeds and cheap programs, so that the tokens reach for some generations."""
POINTS = (0.25, 0.5, 0.75, 1.0)


class Outcome(BaseModel):
    """One finished search, and what its programs scored on the selection split."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    arm: str
    seed: int
    run: str
    tokens: int
    """Uncached tokens of the search."""
    leaders: list[tuple[float, float]]
    """Tokens spent until then -> selection score of the best so far, in the order of the search."""
    searched: float
    """Tokens of the last program that was measured on the search split."""
    ran: int
    lost: int
    """Proposals that never ran, or for which the budget did not last."""
    behaviour: list[tuple[int, float, float]]
    """Generation, entropy of behaviours in bits, mean distance of pairs, over all programs so far."""
    proposers: Counter[str]
    result: dict[str, float]
    """Task -> score on the test split, of the program that solved most of the search and selection tasks."""
    hand: dict[str, float]
    """The same, of the hand-designed agent that led before the first generation."""

    def best_so_far(self, share: float) -> float:
        """Return the selection score of the best program at a share of the search's tokens."""
        return [
            score
            for tokens, score in self.leaders
            if tokens <= share * self.searched or tokens == self.leaders[0][0]
        ][-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "settings",
        nargs="*",
        metavar="KEY=VALUE",
        help=f"settings of every search, after {' '.join(SETTINGS)}",
    )
    parser.add_argument("--domain", default="mbpp")
    parser.add_argument("--budget", default="100k-tokens", help="of each search, the same for all")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=list(ARMS))
    parser.add_argument("--preset", default="laptop")
    parser.add_argument("--folder", type=Path, default=Path("logs/search_mix"), help="archive and caches")
    parser.add_argument("--report", type=Path, default=Path("docs/results/search.md"))
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    outcomes = []
    for seed in range(options.seeds):
        for arm in options.arms:
            outcomes.append(finished(options, arm, seed) or outcome(options, arm, seed))
            figure = plot(outcomes, options.report.with_suffix(".svg"))
            options.report.write_text(report(options, outcomes, figure))
            print(f"{arm}, seed {seed}: done; {options.report} is up to date", flush=True)


def planned(options: argparse.Namespace, arm: str, seed: int) -> tuple[SearchConfig, str]:
    """Return the settings of a search and its id, which the settings name."""
    pairs = [*SETTINGS, *options.settings, f"proposers={ARMS[arm]}", f"seed={seed}"]
    config = load_config(options.preset, None, pairs, domain=options.domain, budget=options.budget)
    settings = json.dumps(config.model_dump(mode="json"))
    return config, hashlib.sha256(settings.encode()).hexdigest()[:8]


def file_of(options: argparse.Namespace, arm: str, seed: int) -> Path:
    return options.report.with_suffix("") / f"{arm}-{seed}.json"


def finished(options: argparse.Namespace, arm: str, seed: int) -> Outcome | None:
    """Return what a search with these settings came to, if it is known."""
    file = file_of(options, arm, seed)
    known = Outcome.model_validate_json(file.read_text()) if file.exists() else None
    return known if known and known.run == planned(options, arm, seed)[1] else None


def searched(options: argparse.Namespace, arm: str, seed: int) -> str:
    """Run a search, or the rest of it, and return its id; a finished one costs nothing again."""
    config, run = planned(options, arm, seed)
    os.environ["ADAS_CACHE"] = str(options.folder / f"{arm}-{seed}.cache.db")
    with Archive(options.folder / "archive.db") as archive:
        domain = domain_of(config)
        settings = config.model_dump(mode="json")
        archive.add_run(
            Run(id=run, kind="search", domain=domain.name, domain_version=domain.version, config=settings)
        )
        return run_search(archive, run, config, Console(highlight=False)).run


def domain_of(config: SearchConfig) -> Domain:
    return load_domain(config.domain, sizes=config.sizes, seed=config.seed)


def outcome(options: argparse.Namespace, arm: str, seed: int) -> Outcome:
    """Search, measure the best-so-far programs and the result, read the rest, and write it all beside the report."""
    run = searched(options, arm, seed)
    os.environ["ADAS_CACHE"] = str(options.folder / f"measured-{seed}.cache.db")  # all arms share it
    with Archive(options.folder / "archive.db") as archive:
        config = validate(archive.run(run).config)
        search = scores(archive, run, "search")
        members = [m for m in archive.members(run) if len(search.get(m.program, ())) >= config.race_block]
        steps = leaders(archive, run, members)
        hand, programs = steps[0][1], [program for _, program in steps]
        with unlimited(archive, f"{run}-measured", config) as measure:
            selection = measure(programs, "selection")
            result = max(programs, key=lambda p: sum(search[p].values()) + sum(selection[p].values()))
            test = measure([result, hand], "test")
        found = Outcome(
            arm=arm,
            seed=seed,
            run=run,
            tokens=sum(archive.spent(run)[1:3]),
            leaders=[(tokens, fmean(selection[program].values())) for tokens, program in steps],
            searched=max(known(archive, run).values()),
            ran=sum(m.generation > 0 for m in members),
            lost=len(
                {(f.generation, f.slot) for f in archive.failures(run)}
                - {(m.generation, m.slot) for m in members}
            ),
            behaviour=behaviour(archive, run, members),
            proposers=Counter(m.proposer for m in members if m.generation > 0),
            result=test[result],
            hand=test[hand],
        )
    file_of(options, arm, seed).parent.mkdir(parents=True, exist_ok=True)
    file_of(options, arm, seed).write_text(found.model_dump_json(indent=1) + "\n")
    return found


def known(archive: Archive, run: str) -> dict[str, float]:
    """Return the uncached tokens that were spent when a program was measured on the search split, by its id."""
    calls = sorted(
        (c.created, c.prompt_tokens + c.completion_tokens) for c in archive.calls(run) if not c.cached
    )
    return {
        e.program: sum(tokens for created, tokens in calls if created <= max(r.created for r in rollouts))
        for e in archive.evaluations(run=run, split="search")
        if (rollouts := archive.rollouts(e.id))
    }


def leaders(archive: Archive, run: str, members: list[Member]) -> list[tuple[float, str]]:
    """Return the tokens spent at the end of each generation, and the program that was the best by then."""
    rows, spent = scores_of(archive, run, ["search"]), known(archive, run)
    found = []
    for generation in range(1 + max(m.generation for m in members)):
        so_far = [m.program for m in members if m.generation <= generation]
        standings = Standings.of({program: rows[program] for program in so_far})
        tokens = max(spent[program] for program in so_far)
        found.append((tokens, max(so_far, key=standings.score)))
    return found


@contextmanager
def unlimited(
    archive: Archive, run: str, config: SearchConfig
) -> Iterator[Callable[[list[str], Split], dict[str, dict[str, float]]]]:
    """Yield what measures programs on a split outside the budget, in a run of its own: program -> task -> score."""
    domain = domain_of(config)
    archive.add_run(Run(id=run, kind="evaluate", domain=domain.name, domain_version=domain.version))
    free = config.model_copy(update={"budget": "", "meta_model": config.model})
    with parts(archive, run, free, Console(highlight=False)) as (_, evaluator, _, _):

        def measure(programs: list[str], split: Split) -> dict[str, dict[str, float]]:
            archive.open_split(run, split, programs)
            evaluator.evaluate(
                run, [archive.program(p) for p in dict.fromkeys(programs)], domain.tasks(split), split
            )
            return scores(archive, run, split)

        yield measure


def scores(archive: Archive, run: str, split: Split) -> dict[str, dict[str, float]]:
    """Return program -> task -> score of a run on a split."""
    return {
        e.program: {r.task: r.score for r in archive.rollouts(e.id)}
        for e in archive.evaluations(run=run, split=split)
    }


def behaviour(archive: Archive, run: str, members: list[Member]) -> list[tuple[int, float, float]]:
    """Return how differently the programs behave, on the tasks that all have met."""
    rows = scores_of(archive, run, ["search"])
    found = []
    for generation in range(1 + max(m.generation for m in members)):
        so_far = [rows[m.program] for m in members if m.generation <= generation]
        shared = sorted(set.intersection(*(set(row) for row in so_far)))
        outcomes = [[row[task] for task in shared] for row in so_far]
        found.append((generation, behaviour_entropy(outcomes), mean_distance(outcomes)))
    return found


def plot(outcomes: list[Outcome], file: Path) -> str:
    """Draw the curves as SVG where matplotlib is installed; return the file's name, or nothing."""
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError:
        return ""
    with mpl.rc_context({"svg.hashsalt": "search", "font.size": 9}):
        figure = Figure(figsize=(9, 3.4), layout="constrained")
        seeds = sorted({o.seed for o in outcomes})
        panels = figure.subplots(1, len(seeds), sharey=True, squeeze=False)[0]
        panels[0].set_ylabel("selection tasks solved by the best so far")
        for o in outcomes:
            panel = panels[seeds.index(o.seed)]
            panel.set_title(f"seed {o.seed}")
            panel.set_xlabel("thousand tokens spent")
            arm = list(ARMS).index(o.arm)
            tokens, solved = zip(*o.leaders, (o.searched, o.leaders[-1][1]), strict=True)
            panel.step(
                [each / 1000 for each in tokens],
                solved,
                where="post",
                color=f"C{arm}",
                linestyle=("-", "--", ":")[arm],
                linewidth=2,
                label=o.arm,
            )
        panels[-1].legend()
        figure.savefig(file, format="svg", metadata={"Date": None})
    return file.name


def report(options: argparse.Namespace, outcomes: list[Outcome], figure: str) -> str:
    """Return the page."""
    arms = list(dict.fromkeys(o.arm for o in outcomes))
    command = " ".join(
        [
            "python benchmarks/search_mix.py",
            f"--domain {options.domain} --budget {options.budget}",
            *options.settings,
        ]
    )
    lines = [
        "# What the proposers find",
        "",
        (
            f"{options.domain}, {options.budget} for each search, seeds 0 to {max(o.seed for o in outcomes)}; a seed fixes the tasks "
            f"of each split, the same for all arms. The mix is {', '.join(ARMS['mix'].split(','))}. Reproduce with `{command}`."
        ),
        "",
        "## Best so far, on the selection split",
        "",
        (
            "Share of the selection tasks solved by the program that led on the search split when so much of the search's tokens was "
            "spent: mean over the seeds, and each seed."
        ),
        "",
        "| arm | " + " | ".join(f"{point:.0%}" for point in POINTS) + " |",
        "|---|" + "---|" * len(POINTS),
    ]
    for arm in arms:
        own = [o for o in outcomes if o.arm == arm]
        cells = [[o.best_so_far(point) for o in own] for point in POINTS]
        lines.append(
            f"| {arm} | "
            + " | ".join(f"{fmean(c):.1%} ({', '.join(f'{x:.0%}' for x in c)})" for c in cells)
            + " |"
        )
    lines += ["", f"![best so far]({figure})"] if figure else []
    lines += [
        "",
        "## Sealed test",
        "",
        "The result of a search is which of these programs solves most of the search and selection tasks together.",
        "",
        "| arm | seed | result | best hand-designed | difference (95%) | won | lost | p | tokens |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {o.arm} | {o.seed} | {_solved([o.result])} | {_solved([o.hand])} | {_duel([(o.result, o.hand)])} | {o.tokens:,} |"
        for o in outcomes
    ]
    lines += [
        "",
        "All seeds together:",
        "",
        "| arm | against | result | other | difference (95%) | won | lost | p |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for arm in arms:
        own = {o.seed: o.result for o in outcomes if o.arm == arm}
        rivals = {"best hand-designed": {o.seed: o.hand for o in outcomes if o.arm == arm}}
        if arm == "mix":
            rivals |= {
                other: {o.seed: o.result for o in outcomes if o.arm == other}
                for other in arms
                if other != arm
            }
        for rival, theirs in rivals.items():
            pairs = [(own[seed], theirs[seed]) for seed in own if seed in theirs]
            mine, others = ([pair[side] for pair in pairs] for side in (0, 1))
            lines.append(f"| {arm} | {rival} | {_solved(mine)} | {_solved(others)} | {_duel(pairs)} |")
    lines += ["", "## Who wrote what, and how different it is", ""]
    lines += [
        "| arm | seed | programs by proposer | lost | entropy of behaviours, by generation (bits) | mean distance, by generation |",
        "|---|---|---|---|---|---|",
    ]
    for o in outcomes:
        names = ", ".join(f"{name} {count}" for name, count in sorted(o.proposers.items()))
        entropies, distances = (" ".join(f"{row[i]:.2f}" for row in o.behaviour) for i in (1, 2))
        lines.append(f"| {o.arm} | {o.seed} | {names} | {o.lost} | {entropies} | {distances} |")
    return "\n".join(lines) + "\n"


def _solved(rows: list[dict[str, float]]) -> str:
    interval = mean_interval([score for row in rows for score in row.values()])
    return f"{interval.mean:.1%} ({interval.low:.0%}-{interval.high:.0%})"


def _duel(rows: list[tuple[dict[str, float], dict[str, float]]]) -> str:
    """Return the cells of a paired comparison on the tasks of all rows."""
    pairs = [(mine[task], theirs[task]) for mine, theirs in rows for task in sorted(mine)]
    result = paired([a for a, _ in pairs], [b for _, b in pairs])
    return f"{result.difference:+.1%} ({result.low:+.1%} to {result.high:+.1%}) | {result.wins} | {result.losses} | {result.p:.3f}"


if __name__ == "__main__":
    main()
