"""How records lie in the database: tables, column types, and the steps from one schema version to the next.

A column has the name of the record's field, so that a row is a record. A new archive is made from the tables
below; an older one is brought up by :data:`MIGRATIONS`, whose last step must leave the same tables.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from contextlib import closing
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Engine,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    inspect,
    select,
)
from sqlalchemy.engine import Connection

from archive.errors import ArchiveError
from archive.records import (
    Alarm,
    Call,
    Claim,
    Drop,
    Evaluation,
    Failure,
    Member,
    Opening,
    Program,
    Remark,
    Rollout,
    Run,
)

_ESCAPED = "\x1a"
_PLAIN = b"\0"  # no zlib stream begins like this
_SHORT = 100  # bytes that compression would not make fewer
_write_json = json.JSONEncoder(ensure_ascii=False).encode


class Words(TypeDecorator[str]):
    """Any Python string, as readable text.

    Models and programs emit strings that databases refuse (NUL, lone surrogates): those are kept in hex
    after a mark, so that what comes back is what was added.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Escape what a database would refuse."""
        return None if value is None else _escape(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """Undo the escape."""
        return None if value is None else _unescape(value)


def _escape(text: str) -> str:
    if _storable(text):
        return text
    return _ESCAPED + text.encode("utf-8", "surrogatepass").hex()


def _unescape(text: str) -> str:
    if not text.startswith(_ESCAPED):
        return text
    return bytes.fromhex(text[1:]).decode("utf-8", "surrogatepass")


def _storable(text: str) -> bool:
    if "\0" in text or text.startswith(_ESCAPED):
        return False
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class Json(TypeDecorator[Any]):
    """A JSON value as text; lists come back as tuples."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str:
        """Write JSON with sorted keys."""
        return _escape(json.dumps(value, sort_keys=True, ensure_ascii=False))

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """Read JSON."""
        loaded = json.loads(_unescape(value or "null"))
        return tuple(loaded) if isinstance(loaded, list) else loaded


class Packed(TypeDecorator[Any]):
    """Compressed text or (``as_json``) a compressed JSON list; bound as what :meth:`pack` returns."""

    impl = LargeBinary
    cache_ok = True

    def __init__(self, *, as_json: bool = False) -> None:
        super().__init__()
        self.as_json = as_json

    def pack(self, value: Any) -> bytes:
        """Compress a value; done where a record is added, so that a value JSON cannot hold fails there."""
        if not value:
            return b""
        data: bytes = (_write_json(value) if self.as_json else value).encode("utf-8", "surrogatepass")
        return zlib.compress(data, 1) if len(data) > _SHORT else _PLAIN + data

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> Any:
        """Decompress."""
        if not value:
            return () if self.as_json else ""
        data = value[1:] if value.startswith(_PLAIN) else zlib.decompress(value)
        text = data.decode("utf-8", "surrogatepass")
        return tuple(json.loads(text)) if self.as_json else text


metadata = MetaData()

schema = Table("adas_schema", metadata, Column("version", Integer, nullable=False))


def _words(name: str, *args: Any, **options: Any) -> Column[str]:
    return Column(name, Words, *args, nullable=False, **options)


def _real(name: str) -> Column[float]:
    return Column(name, Float(53), nullable=False)


def _count(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


runs = Table(
    "runs",
    metadata,
    _words("id", primary_key=True),
    _words("kind"),
    _words("domain"),
    _words("domain_version"),
    Column("config", Json, nullable=False),
    _words("state"),
    _real("created"),
)

programs = Table(
    "programs",
    metadata,
    _words("id", primary_key=True),
    _words("source"),
    _words("name", index=True),
    _words("thought"),
    _words("origin"),
    _real("created"),
)

members = Table(
    "members",
    metadata,
    _words("run", ForeignKey("runs.id"), primary_key=True),
    _words("program", ForeignKey("programs.id"), primary_key=True),
    _count("generation"),
    _count("slot"),
    Column("parents", Json, nullable=False),
    _words("diff"),
    _count("repairs"),
    _words("proposer"),
    UniqueConstraint("run", "generation", "slot"),
)

claims = Table(
    "claims",
    metadata,
    _words("run", ForeignKey("runs.id"), primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    _words("what", primary_key=True),
    _words("program", ForeignKey("programs.id"), index=True),
    _words("text"),
    Column("point", Float(53)),
    Column("low", Float(53)),
    Column("high", Float(53)),
)

failures = Table(
    "failures",
    metadata,
    Column("digest", Text, primary_key=True),
    _words("run", ForeignKey("runs.id"), index=True),
    _count("generation"),
    _count("slot"),
    _count("attempt"),
    _words("stage"),
    _words("reason"),
    _words("source"),
    _real("created"),
)

evaluations = Table(
    "evaluations",
    metadata,
    _words("id", primary_key=True),
    _words("run", ForeignKey("runs.id"), index=True),
    _words("program", ForeignKey("programs.id"), index=True),
    _words("domain"),
    _words("domain_version"),
    _words("split"),
    _words("model"),
    _count("seed"),
    _words("scorer"),
    _count("tasks"),
    _real("created"),
)

rollouts = Table(
    "rollouts",
    metadata,
    _words("evaluation", ForeignKey("evaluations.id"), primary_key=True),
    _words("task", primary_key=True),
    _real("score"),
    Column("answer", Packed(), nullable=False),
    _words("failure"),
    _words("reason"),
    _count("calls"),
    _count("prompt_tokens"),
    _count("completion_tokens"),
    Column("cost_usd", Float(53)),
    _real("seconds"),
    _real("cpu_seconds"),
    Column("trace", Packed(as_json=True), nullable=False),
    _real("created"),
)
Index(
    "rollout_sums",  # holds all that `Archive.standings` sums, so that no trace is read for it
    *(
        rollouts.c[name]
        for name in (
            "evaluation",
            "score",
            "calls",
            "prompt_tokens",
            "completion_tokens",
            "cost_usd",
            "seconds",
        )
    ),
)

drops = Table(
    "drops",
    metadata,
    _words("evaluation", ForeignKey("evaluations.id"), primary_key=True),
    _count("tasks"),
    _real("difference"),
    _real("low"),
    _real("high"),
    _real("risk"),
    _words("reason"),
    _count("saved_calls"),
    _real("created"),
)

alarms = Table(
    "alarms",
    metadata,
    Column("digest", Text, primary_key=True),
    _words("run", ForeignKey("runs.id"), index=True),
    _words("kind"),
    _words("words"),
    _words("program"),
    _words("task"),
    _real("created"),
)

remarks = Table(
    "remarks",
    metadata,
    Column("digest", Text, primary_key=True),
    _words("run", ForeignKey("runs.id")),
    _words("program", ForeignKey("programs.id"), index=True),
    _words("kind"),
    _words("text"),
    _real("created"),
)

calls = Table(
    "calls",
    metadata,
    Column("digest", Text, primary_key=True),
    _words("run", ForeignKey("runs.id")),
    _words("role"),
    _words("model"),
    _words("key"),
    Column("cached", Boolean, nullable=False),
    _count("prompt_tokens"),
    _count("completion_tokens"),
    Column("cost_usd", Float(53)),
    _real("seconds"),
    _real("created"),
    Column("request", Packed(), nullable=False),
    Column("reply", Packed(), nullable=False),
)
Index("call_sums", *(calls.c[n] for n in ("run", "cached", "prompt_tokens", "completion_tokens", "cost_usd")))
Index("call_order", calls.c.run, calls.c.created)  # the ledger a page at a time

openings = Table(
    "openings",
    metadata,
    _words("run", ForeignKey("runs.id"), primary_key=True),
    _words("split", primary_key=True),
    Column("programs", Json, primary_key=True),
    _real("created"),
)

TABLES: dict[type, Table] = {
    Run: runs,
    Program: programs,
    Member: members,
    Claim: claims,
    Opening: openings,
    Evaluation: evaluations,
    Rollout: rollouts,
    Drop: drops,
    Failure: failures,
    Alarm: alarms,
    Remark: remarks,
    Call: calls,
}
"""The table of each record, in an order in which a row never names one that comes later."""

Migration = Callable[[Connection], None]


def _add_claims(connection: Connection) -> None:
    columns = "run TEXT NOT NULL, number BIGINT NOT NULL, what TEXT NOT NULL, program TEXT NOT NULL"
    figures = "text TEXT NOT NULL, point FLOAT, low FLOAT, high FLOAT"
    keys = (
        "PRIMARY KEY (run, number, what), FOREIGN KEY(run) REFERENCES runs (id), "
        "FOREIGN KEY(program) REFERENCES programs (id)"
    )
    connection.exec_driver_sql(f"CREATE TABLE claims ({columns}, {figures}, {keys})")
    connection.exec_driver_sql("CREATE INDEX ix_claims_program ON claims (program)")


def _add_drops_and_alarms(connection: Connection) -> None:
    bounds = "difference FLOAT NOT NULL, low FLOAT NOT NULL, high FLOAT NOT NULL, risk FLOAT NOT NULL"
    connection.exec_driver_sql(
        f"CREATE TABLE drops (evaluation TEXT NOT NULL, tasks BIGINT NOT NULL, {bounds}, reason TEXT NOT NULL, "
        "saved_calls BIGINT NOT NULL, created FLOAT NOT NULL, PRIMARY KEY (evaluation), "
        "FOREIGN KEY(evaluation) REFERENCES evaluations (id))"
    )
    connection.exec_driver_sql(
        "CREATE TABLE alarms (digest TEXT NOT NULL, run TEXT NOT NULL, kind TEXT NOT NULL, words TEXT NOT NULL, "
        "program TEXT NOT NULL, task TEXT NOT NULL, created FLOAT NOT NULL, PRIMARY KEY (digest), "
        "FOREIGN KEY(run) REFERENCES runs (id))"
    )
    connection.exec_driver_sql("CREATE INDEX ix_alarms_run ON alarms (run)")


def _add_remarks(connection: Connection) -> None:
    columns = "digest TEXT NOT NULL, run TEXT NOT NULL, program TEXT NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL"
    keys = (
        "PRIMARY KEY (digest), FOREIGN KEY(run) REFERENCES runs (id), "
        "FOREIGN KEY(program) REFERENCES programs (id)"
    )
    connection.exec_driver_sql(f"CREATE TABLE remarks ({columns}, created FLOAT NOT NULL, {keys})")
    connection.exec_driver_sql("CREATE INDEX ix_remarks_program ON remarks (program)")
    connection.exec_driver_sql("CREATE INDEX IF NOT EXISTS call_order ON calls (run, created)")


MIGRATIONS: list[Migration] = [_add_claims, _add_drops_and_alarms, _add_remarks]
"""Step ``i`` (from 0) takes an archive of version ``i + 1`` to ``i + 2``; a released step is never edited."""


def version() -> int:
    """Return the schema version that this program writes."""
    return 1 + len(MIGRATIONS)


def stored_version(connection: Connection, name: str) -> int:
    """Return the schema version of the archive behind ``connection``; 0 when the database is empty.

    Raises:
        ArchiveError: The database holds something else, or an archive from a newer version.
    """
    tables = inspect(connection).get_table_names()
    if not tables:
        return 0
    if schema.name not in tables:
        raise ArchiveError(f"{name} is a database but not an archive: choose another path")
    found = connection.execute(select(schema.c.version)).scalar_one()
    if found > version():
        raise ArchiveError(
            f"{name} was written by a newer version (schema {found}, this one knows {version()}): "
            "upgrade meta-agent-search"
        )
    return int(found)


def prepare(reader: Engine, writer: Engine, name: str) -> None:
    """Create the tables or bring them up to :func:`version`, in one transaction.

    Raises:
        ArchiveError: As for :func:`stored_version`; nothing is changed then.
    """
    with reader.begin() as connection:
        if stored_version(connection, name) == version():
            return
    if reader.dialect.name == "sqlite":
        with closing(reader.raw_connection()) as raw:
            raw.cursor().execute("PRAGMA journal_mode = WAL")
    with writer.begin() as connection:
        found = stored_version(connection, name)  # again: another process may have been here in between
        if found == 0:
            metadata.create_all(connection)
            connection.execute(schema.insert().values(version=version()))
            return
        for migrate in MIGRATIONS[found - 1 :]:
            migrate(connection)
        connection.execute(schema.update().values(version=version()))
