"""Of 30 proposals by the local meta model, how many become programs that run, and what do the others die of?

Runs (or resumes) a search of 5 generations x 6 candidates with the default models and writes the report.

    python benchmarks/meta_agent_yield.py [--archive logs/yield.db] [--report docs/results/meta_agent_yield.md]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from archive import Archive

GENERATIONS, WIDTH = 5, 6
SETTINGS = ["humaneval", "proposers=reflective", "agents=direct,self_debug", f"generations={GENERATIONS}", f"width={WIDTH}", "search_tasks=2",
            "selection_tasks=1", "test_tasks=1", "finalists=1", "--budget", "600k-tokens"]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--archive", type=Path, default=Path("logs/yield.db"))
    parser.add_argument("--report", type=Path, default=Path("docs/results/meta_agent_yield.md"))
    options = parser.parse_args()
    options.archive.parent.mkdir(parents=True, exist_ok=True)
    begun = options.archive.exists()
    subprocess.run([sys.executable, "-m", "meta_agent", "search", *(["--resume"] if begun else SETTINGS),
                    "--archive", str(options.archive)], check=True, env=os.environ)  # fmt: skip
    options.report.write_text(report(options.archive))
    print(options.report.read_text())


def report(path: Path) -> str:
    with Archive(path) as archive:
        run = archive.runs()[-1]
        members = [m for m in archive.members(run.id) if m.generation > 0]
        failures = archive.failures(run.id)
        names = {m.program: archive.program(m.program) for m in members}
    tried = {(f.generation, f.slot) for f in failures} | {(m.generation, m.slot) for m in members}
    kept = {(m.generation, m.slot) for m in members}
    last = {(f.generation, f.slot): f for f in sorted(failures, key=lambda f: f.attempt)}
    ran = len(kept) + sum(
        last[slot].stage == "duplicate" and last[slot].reason.startswith("written twice")
        for slot in tried - kept
    )
    lines = [
        "# Yield of the local meta agent",
        "",
        (
            f"{len(tried)} proposals by `{run.config['meta_model']}` for HumanEval, agents executed by `{run.config['model']}`, "
            f"{run.config['reflections']} reflections, at most {run.config['repairs']} repairs. "
            "Reproduce with `python benchmarks/meta_agent_yield.py`."
        ),
        "",
        (
            f"**{ran} of {len(tried)} ({ran / len(tried):.0%}) became programs that pass the one-task try; {len(kept)} distinct ones were kept.** "
            f"{sum(m.repairs == 0 for m in members)} ran at once, {sum(m.repairs > 0 for m in members)} after repair."
        ),
        "",
        "| what stopped an attempt | stage | attempts |",
        "|---|---|---|",
    ]
    reasons = Counter((_short(f.reason), f.stage) for f in failures)
    lines += [f"| {reason} | {stage} | {count} |" for (reason, stage), count in reasons.most_common()]
    lines += ["", "| proposals lost for good | at stage |", "|---|---|"]
    lines += [f"| {_short(last[slot].reason)} | {last[slot].stage} |" for slot in sorted(tried - kept)]
    lines += ["", "Programs that were kept:", ""]
    lines += [
        f"- {names[m.program].name} (generation {m.generation}, {m.repairs} repairs): {names[m.program].thought}"
        for m in members
    ]
    return "\n".join(lines) + "\n"


def _short(reason: str) -> str:
    return (
        reason.strip().splitlines()[0 if "expected" in reason else -1][:110].replace("|", "\\|")
        if reason.strip()
        else "?"
    )


if __name__ == "__main__":
    main()
