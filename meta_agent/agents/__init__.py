"""The hand-designed agents: one readable program a file, each a ``forward(task, kit)`` that a meta agent could write.

The files are read as text and run in the sandbox; nothing here is ever imported by the host except
:mod:`meta_agent.agents.kit`'s pure text helpers.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

from archive import Program
from meta_agent.errors import UserError
from sandboxes.syntax import parse

SEEDS = (
    "direct",
    "chain_of_thought",
    "self_consistency",
    "self_refine",
    "debate",
    "step_back",
    "quality_diversity",
    "roles",
    "self_debug",
)
"""The hand-designed agents that open an archive, in the order of their cost and age."""

SHELF = (
    *SEEDS,
    "self_debug_simple",
    "self_debug_explain",
    "self_debug_tests_explain",
    "self_debug_trace",
    "adaptive_refinement",
    "taxonomy_critique",
    "self_collaboration",
    "self_contemplation",
    "auto_evolve",
    "sop",
    "program_search",
    "solve_or_verify",
    "fun_coder",
    "auto_manual",
    "auto_code_rover",
    "chat_repair",
)
"""Every hand-designed agent; those beyond :data:`SEEDS` cost more or need more, see ``docs/agents.md``."""

REPAIRERS = (
    "direct",
    "chain_of_thought",
    "self_consistency",
    "self_refine",
    "step_back",
    "auto_code_rover",
    "chat_repair",
)
"""Those that make patches: the last two know what a repository is, the others write edits from what a prompt shows."""

_FOLDER = Path(__file__).parent
_SAMPLES = re.compile(r"^SAMPLES = (\d+)$", re.MULTILINE)


@cache
def kit_source() -> str:
    """Return the source of the kit, which the sandbox guest executes beside the program."""
    return (_FOLDER / "kit.py").read_text()


def load_agent(name: str) -> Program:
    """Return the hand-designed agent of that name, or the program in that ``.py`` file.

    Raises:
        UserError: there is no such agent or file.
    """
    path = Path(name) if name.endswith(".py") else _FOLDER / f"{name}.py"
    if not path.is_file() or (path.parent == _FOLDER and path.stem in ("kit", "__init__")):
        known = ", ".join(sorted(p.stem for p in _FOLDER.glob("[a-z]*.py") if p.stem != "kit"))
        raise UserError(f"unknown agent {name!r}: expected one of {known}, or a path to a .py file")
    source = path.read_text()
    thought = ast.get_docstring(parse(source)) or ""
    return Program(source=source, name=path.stem.replace("_", "-"), thought=thought, origin="hand")


@cache
def self_consistency_of(samples: int) -> Program:
    """Return majority vote over that many samples."""
    base = load_agent("self_consistency")
    source = _SAMPLES.sub(f"SAMPLES = {samples}", base.source)
    return Program(source=source, name=f"self-consistency-{samples}", thought=base.thought, origin="hand")


def samples_of(program: Program) -> int:
    """Return over how many samples one of our majority votes votes; 0 for any other program."""
    stated = _SAMPLES.search(program.source)
    samples = int(stated[1]) if stated and program.origin == "hand" else 0
    return samples if program.source == self_consistency_of(samples).source else 0
