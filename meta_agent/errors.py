"""Errors sorted by who must act: the user (UserError), the world (OutageError), nobody (BudgetError: a planned stop).

A candidate's own failure is never an exception on the host; it is a value that goes back to the proposer.
"""

from __future__ import annotations


class UserError(ValueError):
    """The user's mistake: printed as one line, exit code 2."""


class OutageError(RuntimeError):
    """A model cannot be reached after all retries: pauses the run, is never scored."""


class BudgetError(RuntimeError):
    """The budget does not allow the next request: the run stops where it is and saves."""


class RequestError(ValueError):
    """A request that can never succeed (its prompt is too long, its grammar does not parse).

    Whoever wrote the request must change it: the search hands it to the agent program as an error value.
    """


class TransientError(OutageError):
    """One attempt at a model failed in a way that may pass: a gateway tries again, to others it is an outage."""

    def __init__(self, reason: str, *, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        """Seconds the server asked us to wait; None when it did not say."""
