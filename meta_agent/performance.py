"""One program on one task: the session in its jail, and what came of it, before anybody marks it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from meta_agent.adas_compat import published_entry, runnable
from meta_agent.agents import kit_source

if TYPE_CHECKING:
    from archive import Program
    from meta_agent.broker import Broker
    from sandboxes import Json, Limits, Sandbox

NOTHING = "forward returned nothing: it must return the answer"
"""Why a program failed that ended without an answer."""


@dataclass(frozen=True, slots=True)
class Performance:
    """What a program returned, or why it did not."""

    answer: Json
    failure: str
    """The program's own error, or the limit that stopped it; empty when it answered."""
    cpu_s: float
    """CPU seconds of the program itself; what it had run is in the broker's books."""


def perform(program: Program, broker: Broker, sandbox: Sandbox, limits: Limits) -> Performance:
    """Run a program on the task of its broker.

    Raises:
        SandboxFaultError: the sandbox failed, not the program.
        SessionCancelledError: somebody cancelled what covers this thread.
        OutageError, BudgetError, UserError: from the broker's gateway; the program is ended first.
    """
    outcome = sandbox.session(
        runnable(program.source), broker.task.public(), broker, kit=kit_source(), limits=limits
    )
    published = published_entry(program.source) is not None
    failure = _failure(outcome.error, outcome.killed_by, outcome.value, published)
    return Performance(outcome.value, failure, outcome.cpu_s)


def _failure(error: str | None, killed_by: str | None, value: Json, published: bool) -> str:
    if killed_by:
        return f"stopped by the {killed_by} limit"
    if error:
        return error
    if published and value == "":  # what ADAS programs hand on when the model had no answer
        return ""
    if value is None or (isinstance(value, str) and not value.strip()):
        return NOTHING
    return ""
