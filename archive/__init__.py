"""The archive: every program, its lineage, and every rollout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from archive.errors import ArchiveError
from archive.matrix import OutcomeMatrix
from archive.records import (
    Alarm,
    Call,
    Claim,
    Drop,
    Evaluation,
    Failure,
    Member,
    Opening,
    Origin,
    Program,
    Remark,
    Rollout,
    Run,
    Split,
    program_id,
)

if TYPE_CHECKING:
    from archive.archive import Archive, Spent, Standing, default_path

__all__ = [
    "Alarm",
    "Archive",
    "ArchiveError",
    "Call",
    "Claim",
    "Drop",
    "Evaluation",
    "Failure",
    "Member",
    "Opening",
    "Origin",
    "OutcomeMatrix",
    "Program",
    "Remark",
    "Rollout",
    "Run",
    "Spent",
    "Split",
    "Standing",
    "default_path",
    "program_id",
]


def __getattr__(name: str) -> Any:
    """Import what needs SQLAlchemy (0.2 s) only when it is asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from archive import archive

    return getattr(archive, name)
