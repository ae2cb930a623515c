"""Imports go one way: meta_agent -> archive, domains, sandboxes; domains -> sandboxes; nothing else."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "sandboxes": set(),
    "archive": set(),
    "domains": {"sandboxes"},
    "meta_agent": {"archive", "domains", "sandboxes"},
}


def imported(file: Path) -> set[str]:
    tree = ast.parse(file.read_text())
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {
        node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and not node.level
    }
    return {name.split(".")[0] for name in names}


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_no_arrow_runs_the_wrong_way(package: str) -> None:
    wrong = {
        str(file.relative_to(ROOT)): bad
        for file in (ROOT / package).rglob("*.py")
        if (bad := (imported(file) & set(MAY_IMPORT)) - MAY_IMPORT[package] - {package})
    }
    assert not wrong


def test_the_host_never_imports_an_agent_program() -> None:
    programs = {file.stem for file in (ROOT / "meta_agent/agents").glob("*.py")} - {"__init__", "kit"}
    for file in ROOT.glob("*/**/*.py"):
        if not {".venv", "tests"} & set(file.parts):
            assert not any(
                f"agents.{name} " in line or f"agents import {name}" in line
                for line in file.read_text().splitlines()
                for name in programs
            ), file
