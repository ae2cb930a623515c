r"""The records of an archive as flat tables that any other program reads: CSV and Parquet.

One file a table, with the columns of :mod:`archive.records`; lists and objects are JSON. Both formats hold Unicode
only, so a lone surrogate becomes its escape (``\udc80``); every other text stays as it is. A spreadsheet may take a
CSV cell that begins with ``=`` for a formula: open files of strangers as text.
"""

from __future__ import annotations

import csv
import json
from dataclasses import fields
from itertools import islice
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from archive.exchange import begin, rows
from archive.schema import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from archive.archive import Archive

_BATCH = 1000
"""Rows of a row group."""


def portable(text: str) -> str:
    """Return text as Unicode that can be encoded: lone surrogates become escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def export_csv(archive: Archive, folder: Path, run: str | None = None) -> dict[str, int]:
    """Write one ``TABLE.csv`` a table into a new or empty folder; return how many rows each has.

    Args:
        archive: What to write.
        folder: Where to.
        run: Id of the only run to write; all by default.

    Raises:
        ArchiveError: The folder holds something, or cannot be written.
    """
    counts = {}
    with begin(folder):
        for kind, table in TABLES.items():
            with (folder / f"{table.name}.csv").open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, [one.name for one in fields(kind)])
                writer.writeheader()
                counts[table.name] = 0
                for row in _cells(archive, kind, run):
                    writer.writerow(row)
                    counts[table.name] += 1
    return counts


def export_parquet(archive: Archive, folder: Path, run: str | None = None) -> dict[str, int]:
    """Write one ``TABLE.parquet`` a table; otherwise as :func:`export_csv`.

    Raises:
        ArchiveError: As for :func:`export_csv`.
        ImportError: pyarrow is not installed (``pip install "meta-agent-search[parquet]"``).
    """
    import pyarrow as pa
    from pyarrow import parquet

    counts = {}
    with begin(folder):
        for kind, table in TABLES.items():
            schema = pa.schema([(name, _arrow(hint, pa)) for name, hint in get_type_hints(kind).items()])
            counts[table.name] = 0
            with parquet.ParquetWriter(folder / f"{table.name}.parquet", schema) as writer:
                cells = _cells(archive, kind, run)
                while batch := list(islice(cells, _BATCH)):
                    writer.write_table(pa.Table.from_pylist(batch, schema=schema))
                    counts[table.name] += len(batch)
    return counts


def _cells(archive: Archive, kind: type, run: str | None) -> Iterator[dict[str, Any]]:
    for row in rows(archive, kind, run):
        yield {name: _cell(value) for name, value in row.items()}


def _cell(value: object) -> object:
    if isinstance(value, str):
        return portable(value)
    if isinstance(value, dict | list | tuple):
        return portable(json.dumps(value, ensure_ascii=False))
    return value


def _arrow(hint: Any, pa: Any) -> Any:
    known = {int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
    return next((known[one] for one in (hint, *get_args(hint)) if one in known), pa.string())
