"""How close does an evaluation of ADAS size come to its critical path?

9 agents x 64 tasks at 64 workers, a scripted model that takes 200 ms a call. The critical path is the larger of the
longest chain of calls and all calls spread evenly over the workers; wall time beyond it is ours.

    python benchmarks/scale.py
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from archive import Archive, Run
from domains import load_domain
from meta_agent.agents import SEEDS, load_agent
from meta_agent.evaluation import Allowance, Evaluator
from meta_agent.llm import Cache, open_gateway
from sandboxes import ProcessSandbox
from tests.meta_agent.rehearsal import slow_agent, write_tasks

LATENCY_S = 0.2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=64)
    parser.add_argument("--workers", type=int, default=64)
    options = parser.parse_args()
    assert slow_agent.latency == LATENCY_S  # type: ignore[attr-defined]
    with tempfile.TemporaryDirectory() as folder, Archive(Path(folder) / "archive.db") as archive:
        sizes = {"search": options.tasks, "selection": 1, "test": 1}
        domain = load_domain(str(write_tasks(Path(folder) / "plus.jsonl", options.tasks * 2)), sizes=sizes)  # type: ignore[arg-type]
        archive.add_run(Run(id="bench", kind="evaluate", domain=domain.name, domain_version=domain.version))
        programs = [archive.add_program(load_agent(name)) for name in SEEDS]
        model = "scripted:tests.meta_agent.rehearsal:slow_agent"
        sandbox = ProcessSandbox()
        with open_gateway(
            cache=Cache(Path(folder) / "llm.db"), ledger=archive.add_call, run="bench"
        ) as gateway:
            evaluator = Evaluator(
                archive=archive,
                domain=domain,
                gateway=gateway,
                sandbox=sandbox,
                model=model,
                workers=options.workers,
                allowance=Allowance(calls=40, tokens=10**6),
            )
            started = time.perf_counter()
            evaluations = evaluator.evaluate("bench", programs, domain.tasks("search"), "search")
            wall = time.perf_counter() - started
            evaluator.close()
        sandbox.close()
        rollouts = [rollout for evaluation in evaluations for rollout in archive.rollouts(evaluation.id)]
        paid = sum(not call.cached for call in archive.calls("bench"))
    chains = [LATENCY_S * rollout.calls for rollout in rollouts]
    critical = max(*chains, LATENCY_S * paid / options.workers)
    assert not [rollout.failure for rollout in rollouts if rollout.failure]
    print(
        json.dumps(
            {
                "rollouts": len(rollouts),
                "calls": sum(r.calls for r in rollouts),
                "paid_calls": paid,
                "wall_s": round(wall, 2),
                "critical_path_s": round(critical, 2),
                "ratio": round(wall / critical, 3),
            }
        )
    )


if __name__ == "__main__":
    main()
