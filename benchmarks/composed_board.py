"""More programs for a measured board: agents composed of blocks, most of which share their draws.

    python benchmarks/composed_board.py FOLDER      # writes a program a file, and prints the names for `adas evaluate --agents`

`adas evaluate --agents NAMES` then fills the outcome matrix that `search_efficiency.py --archive` replays.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from meta_agent.composition.agents import HAND, agent_space
from meta_agent.composition.space import Choices, made, walk

CALLS = 20
ONCE, MANY = HAND["code"]["direct"], HAND["code"]["self-consistency"]
DRAFTS = ("direct", "reason", "plan", "edge cases", "worked examples")


def designs() -> dict[str, Choices]:
    """Return the choices that make each program."""
    found: dict[str, Choices] = {}
    for samples in (2, 3, 5):
        many = {**MANY, "samples": samples}
        for selection in ("tests", "mbr", "codet"):
            found[f"alike_{samples}_{selection}"] = {**many, "selection": selection}
        found[f"until_{samples}"] = {**many, "way": "until one passes", "selection": "tests"}
        for name in (f"alike_{samples}_tests", f"until_{samples}"):
            found[f"{name}_debugged"] = {**found[name], "revision": "tests", "rounds": 1}
    for draft in DRAFTS[2:]:
        found[draft.replace(" ", "_")] = {**ONCE, "draft": draft}
    for draft in DRAFTS:
        name = draft.replace(" ", "_")
        found[f"{name}_debugged"] = {**ONCE, "draft": draft, "revision": "tests", "rounds": 1}
    return found


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for name, choices in designs().items():
        file = folder / f"{name}.py"
        file.write_text(walk(agent_space("code", CALLS), made(choices))[1])
        names.append(str(file))
    print(",".join(names))


if __name__ == "__main__":
    main()
