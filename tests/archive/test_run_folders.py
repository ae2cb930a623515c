from __future__ import annotations

import json
from typing import TYPE_CHECKING

from archive.run_folders import export_run_folders
from archive.tables import portable
from tests.archive.conftest import ATTACK

if TYPE_CHECKING:
    from pathlib import Path

    from archive import Archive


def test_a_step_is_a_program_in_the_order_kept(filled: Archive, tmp_path: Path) -> None:
    assert export_run_folders(filled, tmp_path / "runs") == {"runs": 1, "steps": 4}
    files = tmp_path / "runs" / "run-001-r" / "files"
    rows = [json.loads(line) for line in (files / "wandb-history.jsonl").read_text().splitlines()]
    assert [row["_step"] for row in rows] == [0, 1, 2, 3]
    assert (
        [row["search/best"] for row in rows] == [row["search/mean"] for row in rows] == [0.2, 0.4, 0.6, 0.8]
    )
    assert [row["search/calls"] for row in rows] == [1, 2, 3, 4]
    summary = json.loads((files / "wandb-summary.json").read_text())
    assert (summary["name"], summary["search/tokens"], summary["spent/calls"]) == ("repair", 15, 1)
    assert json.loads((files / "config.yaml").read_text())["workers"] == {"value": 2}
    plan = filled.program("plan")
    assert (files / "code" / f"{plan.id}.py").read_text() == plan.source


def test_hostile_text_survives(attacked: Archive, tmp_path: Path) -> None:
    export_run_folders(attacked, tmp_path / "runs")
    files = tmp_path / "runs" / "run-001-h" / "files"
    assert json.loads((files / "wandb-history.jsonl").read_text().splitlines()[0])["name"] == ATTACK
    assert {portable(p.source) for p in attacked.programs()} == {
        path.read_bytes().decode() for path in (files / "code").iterdir()
    }
