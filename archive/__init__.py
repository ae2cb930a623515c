"""The archive: every program, its lineage, and every rollout."""

from archive.records import (
    Call,
    Evaluation,
    Failure,
    Member,
    Opening,
    Origin,
    Program,
    Rollout,
    Run,
    Split,
    program_id,
)

__all__ = ["Call", "Evaluation", "Failure", "Member", "Opening", "Origin", "Program", "Rollout", "Run", "Split",
           "program_id"]
