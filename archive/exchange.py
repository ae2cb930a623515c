"""An archive as a folder that people and other programs can read.

``programs/ID_NAME.py`` holds each program as it is, ``TABLE.jsonl`` one record a line (the fields of
:mod:`archive.records`; in ``programs.jsonl`` the source is replaced by the name of its file), and
``manifest.json`` the format version and how many records there are. Import brings back an equal archive.
"""

from __future__ import annotations

import json
import re
import types
from contextlib import contextmanager
from dataclasses import MISSING, asdict, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin, get_type_hints

from archive.errors import ArchiveError
from archive.records import Program, Rollout, Run, program_id
from archive.schema import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from archive.archive import Archive, Record

FORMAT = "adas-archive"
VERSION = 4
_SINCE = {"claims": 2, "drops": 3, "alarms": 3, "remarks": 4}
"""The format version that a table came with, when it was not the first."""


def export_archive(archive: Archive, folder: Path, run: str | None = None) -> dict[str, int]:
    """Write an archive into a new or empty folder; return how many records of each table were written.

    Args:
        archive: What to write.
        folder: Where to.
        run: Id of the only run to write, with its programs and their parents; all by default.

    Raises:
        ArchiveError: The folder holds something, or cannot be written.
    """
    counts = {}
    with begin(folder):
        (folder / "programs").mkdir()
        for kind, table in TABLES.items():
            found = rows(archive, kind, run)
            if kind is Program:
                found = _with_files(found, folder)
            counts[table.name] = _write_lines(folder / f"{table.name}.jsonl", found)
        manifest = {"format": FORMAT, "version": VERSION, "records": counts}
        (folder / "manifest.json").write_text(
            json.dumps(manifest, indent=2) + "\n"
        )  # last: a whole export has one
    return counts


def import_folder(archive: Archive, folder: Path) -> dict[str, int]:
    """Add what a folder holds, in one transaction; return how many records of each table were read.

    What the archive holds already is skipped, so that importing twice changes nothing.

    Raises:
        ArchiveError: A file is missing, broken (with its line and the reason) or from a newer version, or a
            record contradicts the archive. Nothing is imported then.
    """
    folder = Path(folder)
    promised = _manifest(folder / "manifest.json")
    archive.add_all(_read_all(folder, promised))
    return promised


@contextmanager
def begin(folder: Path) -> Iterator[None]:
    """Make a folder to export into; the block fills it.

    Raises:
        ArchiveError: The folder holds something, or the block could not write.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise ArchiveError(f"{folder} is not empty: export into a new folder")
        yield
    except OSError as error:
        raise ArchiveError(f"cannot export to {folder}: {error.strerror}") from error


def rows(archive: Archive, kind: type, run: str | None = None) -> Iterator[dict[str, Any]]:
    """Yield the records of one kind as rows; of one run (a full id), or of all runs in their order."""
    if kind is Program:
        yield from map(asdict, _programs(archive, run))
        return
    for one in archive.runs() if run is None else [archive.run(run)]:
        records: Iterable[Record]
        if kind is Run:
            records = [one]
        elif kind is Rollout:
            evaluations = archive.evaluations(run=one.id)
            records = (rollout for e in evaluations for rollout in archive.rollouts(e.id))
        else:
            records = getattr(archive, TABLES[kind].name)(one.id)
        yield from map(asdict, records)


def _programs(archive: Archive, run: str | None) -> list[Program]:
    if run is None:
        return archive.programs()
    members = archive.members(run)
    needed = (
        {m.program for m in members}
        | {p for m in members for p in m.parents}
        | {e.program for e in archive.evaluations(run=run)}
        | {claim.program for claim in archive.claims(run)}
        | {remark.program for remark in archive.remarks(run)}
    )
    return [program for program in archive.programs() if program.id in needed]


def _with_files(programs: Iterable[dict[str, Any]], folder: Path) -> Iterator[dict[str, Any]]:
    """Write the sources as files, and yield the rows with the names of these instead."""
    for row in programs:
        name = re.sub(r"[^A-Za-z0-9]+", "_", row["name"]).strip("_")[:40]
        row["file"] = f"{row['id']}_{name}.py"
        (folder / "programs" / row["file"]).write_bytes(row.pop("source").encode("utf-8", "surrogatepass"))
        yield row


def _write_lines(path: Path, rows: Iterable[dict[str, Any]]) -> int:
    count = 0
    with path.open("w", encoding="utf-8", errors="surrogatepass", newline="\n") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    return count


def _manifest(path: Path) -> dict[str, int]:
    """Return how many records of each table the folder claims to hold."""
    try:
        manifest = json.loads(path.read_bytes())
    except OSError as error:
        raise ArchiveError(
            f"{path}: {error.strerror}; expected a folder that `adas archive export` made"
        ) from error
    except ValueError as error:
        raise ArchiveError(f"{path}: not JSON ({error})") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ArchiveError(f'{path}: expected "format": "{FORMAT}"')
    version = manifest.get("version")
    if not isinstance(version, int) or not 1 <= version <= VERSION:
        raise ArchiveError(
            f"{path}: format version {version}, this program reads {VERSION}: upgrade meta-agent-search"
        )
    records: Any = manifest.get("records")
    names = [table.name for table in TABLES.values() if _SINCE.get(table.name, 1) <= version]
    if not _fits(records, dict[str, int]) or sorted(records) != sorted(names):
        raise ArchiveError(f'{path}: expected "records" with a number for each of {", ".join(names)}')
    return dict(records)


def _read_all(folder: Path, promised: dict[str, int]) -> Iterator[Record]:
    """Yield all records, in the order of :data:`TABLES`."""
    for kind, table in TABLES.items():
        if table.name not in promised:
            continue
        path = folder / f"{table.name}.jsonl"
        count = 0
        for number, row in _lines(path):
            try:
                yield _program(row, folder) if kind is Program else _record(kind, row)
            except ArchiveError as error:
                raise ArchiveError(f"{path}, line {number}: {error}") from None
            count += 1
        if count != promised[table.name]:
            raise ArchiveError(f"{path}: {count} records, but manifest.json promises {promised[table.name]}")


def _lines(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield the number (from 1) and the value of each line that is not blank."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, json.loads(line.decode("utf-8", "surrogatepass"))
    except OSError as error:
        raise ArchiveError(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ArchiveError(f"{path}, line {number}: not JSON ({error})") from None


def _program(row: Any, folder: Path) -> Program:
    if not isinstance(row, dict) or not isinstance(name := row.pop("file", None), str):
        raise ArchiveError("expected an object with the name of a file")
    if Path(name).name != name:
        raise ArchiveError(f"file {name!r}: expected a name without a folder")
    path = folder / "programs" / name
    try:
        source = path.read_bytes().decode("utf-8", "surrogatepass")
    except OSError as error:
        raise ArchiveError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise ArchiveError(f"{path}: {error}") from None
    program: Program = _record(Program, {**row, "source": source})
    if program.id != program_id(source):
        raise ArchiveError(f"{path} was changed: its id is {program_id(source)}, not {program.id}")
    return program


def _record(kind: type, row: Any) -> Any:
    """Build a record from a JSON object, refusing what does not fit."""
    if not isinstance(row, dict):
        raise ArchiveError(f"expected an object, got {type(row).__name__}")
    hints = _hints(kind)
    if unknown := row.keys() - hints.keys():
        raise ArchiveError(f"unknown field {min(unknown)!r}")
    if missing := _required(kind) - row.keys():
        raise ArchiveError(f"field {min(missing)!r} is missing")
    for name, value in row.items():
        if not _fits(value, hints[name]):
            raise ArchiveError(f"field {name!r}: expected {_say(hints[name])}, got {json.dumps(value)[:60]}")
    lists = {name: tuple(value) for name, value in row.items() if isinstance(value, list)}
    return kind(**{**row, **lists})


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


@cache
def _required(kind: type) -> set[str]:
    return {f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING}


def _fits(value: Any, hint: Any) -> bool:
    """Return whether a JSON value is one of a type that :mod:`archive.records` uses."""
    origin, args = get_origin(hint), get_args(hint)
    if hint is object:
        return True
    if origin is Literal:
        return value in args
    if origin in (Union, types.UnionType):
        return any(_fits(value, one) for one in args)
    if origin is tuple:
        return isinstance(value, list) and all(_fits(one, args[0]) for one in value)
    if origin is dict:
        return isinstance(value, dict) and all(_fits(one, args[1]) for one in value.values())
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, hint) and (hint is bool or not isinstance(value, bool))


def _say(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return " or ".join(map(repr, get_args(hint)))
    return hint.__name__ if isinstance(hint, type) and not get_args(hint) else str(hint)
