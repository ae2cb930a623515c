"""CSV and Parquet, read by others' readers."""

from __future__ import annotations

import csv
import json
import sys
from typing import TYPE_CHECKING

import pytest
from pyarrow import parquet

from archive import ArchiveError
from archive.schema import TABLES
from archive.tables import export_csv, export_parquet, portable
from tests.archive.conftest import ATTACK, FLOOD

if TYPE_CHECKING:
    from pathlib import Path

    from archive import Archive


def test_csv_holds_every_record(attacked: Archive, tmp_path: Path) -> None:
    csv.field_size_limit(sys.maxsize)
    counts = export_csv(attacked, tmp_path / "out")
    assert all(counts.values()), counts
    for name, count in counts.items():
        with (tmp_path / "out" / f"{name}.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == count
        if name == "programs":
            assert rows[0]["name"] == portable(ATTACK)
        if name == "rollouts":
            assert max(len(row["answer"]) for row in rows) == FLOOD
            assert json.loads(rows[0]["trace"])[0]["reply"] == ATTACK


def test_parquet_holds_every_record_with_its_types(attacked: Archive, tmp_path: Path) -> None:
    counts = export_parquet(attacked, tmp_path / "out")
    assert list(counts) == [table.name for table in TABLES.values()]
    for name, count in counts.items():
        assert parquet.read_table(tmp_path / "out" / f"{name}.parquet").num_rows == count
    (call,) = parquet.read_table(tmp_path / "out" / "calls.parquet").to_pylist()
    assert (call["cached"], call["seconds"], call["cost_usd"]) == (False, 1.0, None)
    assert call["reply"] == portable(ATTACK)
    rollouts = parquet.read_table(tmp_path / "out" / "rollouts.parquet")
    assert str(rollouts.schema.field("score").type) == "double"
    assert str(rollouts.schema.field("calls").type) == "int64"
    assert max(len(row["answer"]) for row in rollouts.to_pylist()) == FLOOD


def test_one_run_and_a_new_folder(filled: Archive, tmp_path: Path) -> None:
    assert export_csv(filled, tmp_path / "out", "r")["rollouts"] == 40
    with pytest.raises(ArchiveError, match="not empty"):
        export_parquet(filled, tmp_path / "out")
