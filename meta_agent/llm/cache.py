"""The disk's memory of every completion: a repeated request costs nothing, in this run or the next.

One SQLite file in WAL mode. A stored completion survives the death of the process (``kill -9``) as soon as
:meth:`Cache.put` returns; after a power cut the last few may be missing, never torn.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from meta_agent.errors import UserError
from meta_agent.llm.llm import Completion

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION = 1
_WAIT_S = 60.0
_TABLE = """
CREATE TABLE IF NOT EXISTS completions (
    key TEXT PRIMARY KEY, model TEXT NOT NULL, text TEXT NOT NULL, prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL, cost_usd REAL, finish TEXT NOT NULL, seconds REAL NOT NULL,
    created REAL NOT NULL
) WITHOUT ROWID
"""


def default_path() -> Path:
    """Return where completions are kept: ``ADAS_CACHE``, else ``llm.db`` in the user's cache folder."""
    if chosen := os.environ.get("ADAS_CACHE"):
        return Path(chosen)
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("adas")) / "llm.db"


class Cache:
    """Completions by request key. Safe for many threads and several processes at once.

    Args:
        path: the file, made when absent; None keeps everything in memory.

    Raises:
        UserError: the file cannot be opened, is no cache, or was written by a newer version.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self._lock = threading.Lock()
        with self._explained():
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(
                path or ":memory:", timeout=_WAIT_S, isolation_level=None, check_same_thread=False
            )
            try:
                self._prepare()
            except BaseException:
                self._db.close()
                raise

    def _prepare(self) -> None:
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        (found,) = self._db.execute("PRAGMA user_version").fetchone()
        if found > VERSION:
            raise UserError(
                f"the reply cache {self.path} has format {found}, this version reads up to {VERSION}: "
                "upgrade, or set ADAS_CACHE to another file"
            )
        self._db.execute(_TABLE)
        self._db.execute(f"PRAGMA user_version={VERSION}")

    def get(self, key: str) -> Completion | None:
        """Return the completion stored under ``key``, marked as cached, or None."""
        with self._lock, self._explained():
            row = self._db.execute(
                "SELECT text, prompt_tokens, completion_tokens, cost_usd, finish, seconds"
                " FROM completions WHERE key = ?",
                (key,),
            ).fetchone()
        if row is None:
            return None
        text, prompt_tokens, completion_tokens, cost_usd, finish, seconds = row
        return Completion(
            text, prompt_tokens, completion_tokens, cost_usd, finish, cached=True, seconds=seconds
        )

    def put(self, key: str, model: str, completion: Completion) -> None:
        """Store a completion for good; the first one stored under a key stays."""
        row = (
            key, model, completion.text, completion.prompt_tokens, completion.completion_tokens,
            completion.cost_usd, completion.finish, completion.seconds, time.time(),
        )  # fmt: skip
        with self._lock, self._explained():
            self._db.execute("INSERT OR IGNORE INTO completions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

    def __len__(self) -> int:
        """Return how many completions are stored."""
        with self._lock, self._explained():
            (count,) = self._db.execute("SELECT count(*) FROM completions").fetchone()
        return int(count)

    def close(self) -> None:
        """Close the file; idempotent."""
        with self._lock:
            self._db.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what only the user can mend (full disk, no permission, not a database) into one line."""
        try:
            yield
        except sqlite3.ProgrammingError:
            raise
        except (sqlite3.DatabaseError, OSError) as error:
            raise UserError(
                f"the reply cache {self.path} cannot be used ({error}): make room, fix or delete the file, "
                "or set ADAS_CACHE to another one"
            ) from error
