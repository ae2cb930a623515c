from __future__ import annotations

import hashlib
import sqlite3
from dataclasses import fields
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.schema import CreateTable

from archive import Archive, ArchiveError, Run, schema

if TYPE_CHECKING:
    from pathlib import Path


def version_of(path: Path) -> int:
    connection = sqlite3.connect(path)
    (found,) = connection.execute("SELECT version FROM adas_schema").fetchone()
    connection.close()
    return int(found)


def old_archive(path: Path) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", [])
        with Archive(path) as archive:
            archive.add_run(Run("r", "search", "d", "1", created=5.0))
    assert version_of(path) == 1
    return path


def tables_of(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Return the columns, keys and indices of each table of a SQLite file."""
    connection = sqlite3.connect(path)
    names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    found = {
        name: [
            row
            for what in ("table_info", "foreign_key_list", "index_list")
            for row in connection.execute(f"PRAGMA {what}({name})")
        ]
        for name in names
    }
    connection.close()
    return found


def test_an_archive_of_the_first_version_gets_the_tables_of_a_new_one(tmp_path: Path) -> None:
    path = old_archive(tmp_path / "a.db")
    connection = sqlite3.connect(path)
    for table in ("claims", "drops", "alarms", "remarks"):
        connection.execute(f"DROP TABLE {table}")
    connection.commit()
    connection.close()
    Archive(tmp_path / "new.db").close()
    assert tables_of(path) != tables_of(tmp_path / "new.db")
    with Archive(path) as archive:
        assert archive.runs() == [Run("r", "search", "d", "1", created=5.0)]
        assert archive.claims() == archive.drops() == archive.alarms() == archive.remarks() == []
    assert version_of(path) == version_of(tmp_path / "new.db") == schema.version()
    assert tables_of(path) == tables_of(tmp_path / "new.db")


def test_migrations_are_applied_once_and_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = old_archive(tmp_path / "a.db")
    applied: list[int] = []

    def add_note(connection: Connection) -> None:
        applied.append(1)
        connection.execute(text("ALTER TABLE runs ADD COLUMN note TEXT NOT NULL DEFAULT 'none'"))

    def fill_note(connection: Connection) -> None:
        applied.append(2)
        connection.execute(text("UPDATE runs SET note = 'run ' || id"))

    monkeypatch.setattr(schema, "MIGRATIONS", [add_note, fill_note])
    for _ in range(2):
        with Archive(path) as archive:
            assert archive.runs() == [Run("r", "search", "d", "1", created=5.0)]
    assert applied == [1, 2]
    assert version_of(path) == 3
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT note FROM runs").fetchall() == [("run r",)]
    connection.close()


def test_only_the_missing_steps_are_applied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = old_archive(tmp_path / "a.db")
    applied: list[int] = []
    steps: list[schema.Migration] = [lambda _, n=n: applied.append(n) for n in (1, 2, 3)]  # type: ignore[misc]
    for count in (1, 3):
        monkeypatch.setattr(schema, "MIGRATIONS", steps[:count])
        Archive(path).close()
    assert applied == [1, 2, 3]
    with Archive(tmp_path / "new.db"):
        assert applied == [1, 2, 3]
    assert version_of(tmp_path / "new.db") == version_of(path) == 4


def test_a_failed_migration_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = old_archive(tmp_path / "a.db")

    def break_down(connection: Connection) -> None:
        connection.execute(text("ALTER TABLE runs ADD COLUMN note TEXT"))
        connection.execute(text("ALTER TABLE nowhere ADD COLUMN note TEXT"))

    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", [break_down])
        with pytest.raises(ArchiveError, match="no such table: nowhere"):
            Archive(path)
    connection = sqlite3.connect(path)
    assert "note" not in [row[1] for row in connection.execute("PRAGMA table_info(runs)")]
    connection.close()
    monkeypatch.setattr(schema, "MIGRATIONS", [])
    with Archive(path) as archive:
        assert len(archive.runs()) == 1


def test_an_archive_from_a_newer_version_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = old_archive(tmp_path / "a.db")
    connection = sqlite3.connect(path)
    connection.execute("UPDATE adas_schema SET version = 99")
    connection.commit()
    connection.close()
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(
        ArchiveError, match=rf"newer version \(schema 99, this one knows {schema.version()}\)"
    ) as caught:
        Archive(path)
    assert "\n" not in str(caught.value)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.db"]


def test_sqlite_runs_in_wal_mode(archive: Archive) -> None:
    connection = sqlite3.connect(archive.name)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_tables_stand_for_records() -> None:
    for kind, table in schema.TABLES.items():
        assert {c.name for c in table.c} - {"digest"} == {field.name for field in fields(kind)}
        written = str(CreateTable(table).compile(dialect=PGDialect()))  # type: ignore[no-untyped-call]
        assert f"CREATE TABLE {table.name}" in written
