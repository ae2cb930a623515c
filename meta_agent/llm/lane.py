"""The lane to one model: how many requests travel at once, and what happens when some do not arrive.

A failed attempt is repeated after a wait that doubles each time, with jitter, or after what the server asked
for (Retry-After, which then holds for everybody: a rate limit belongs to the account). After a few failures
in a row the circuit opens: one request at a time probes the model while the others wait for its result. A
model that answers nobody for as long as our patience lasts is out, at once for all who wait for it; later
requests then get one attempt each until one is answered.
"""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from meta_agent.errors import OutageError, TransientError

if TYPE_CHECKING:
    from meta_agent.llm.budget import Price
    from meta_agent.llm.llm import LLM, Completion, Request

_TRIP = 5
"""Failures in a row, whoever asked, that open the circuit."""

_FEWEST = 3
"""Failures in a row before a model can be out: two silent sockets prove little, however long they took."""


@dataclass(frozen=True, slots=True)
class Retries:
    """How long and how often a model is asked again."""

    patience_s: float = 90.0
    """Seconds from a first failure without any answer, after which the model is out (three attempts at least)."""
    attempts: int = 12
    """Failures of one request while others are answered, after which it is given up.

    Being asked to wait (Retry-After) is no failure; that may go on for ten times our patience."""
    first_s: float = 0.5
    """Wait after the first failure; doubles each time."""
    longest_s: float = 15.0
    """The longest wait that nobody asked for."""

    def wait(self, failures: int) -> float:
        """Return the seconds to wait after so many failures: exponential, with jitter of up to a half."""
        doubled: float = self.first_s * 2 ** min(failures - 1, 30)
        return min(self.longest_s, doubled) * random.uniform(0.5, 1.0)  # noqa: S311


@dataclass(frozen=True, slots=True)
class Backend:
    """A model that was opened, and what the gateway must know about it."""

    llm: LLM
    concurrency: int | None = None
    """How many requests it wants in flight at most; None for any number."""
    price: Price | None = None
    """None when it is unknown."""


@dataclass(slots=True)
class _Trip:
    """One request on its way, with its history."""

    deaths: int
    """How often the model had been given up when the request came."""
    failures: int = 0
    faults: int = 0
    """Failures without a request to wait."""
    first_failure: float = 0.0
    resume_at: float = 0.0
    probe: bool = False


class Lane:
    """Sends requests to one backend. Safe to use from many threads."""

    def __init__(self, model: str, backend: Backend, retries: Retries) -> None:
        self.model = model
        self.backend = backend
        self.retries = retries
        lock = threading.Lock()
        self._free = threading.Condition(lock)
        self._changed = threading.Condition(lock)
        self._inside = 0
        self._in_flight = 0
        self._streak = 0
        self._failing_since = 0.0
        self._probing = False
        self._probes = 0
        self._pause_until = 0.0
        self._deaths = 0
        self._dead = ""
        self._closed = False

    def complete(self, request: Request) -> Completion:
        """Return the answer, after as many attempts as it takes.

        Raises:
            OutageError: the model is out, or this request failed too often; one line.
            UserError: from the backend, at once.
        """
        with self._free:
            trip = _Trip(self._deaths)
            self._inside += 1
        try:
            while True:
                self._enter(trip)
                try:
                    started = time.perf_counter()
                    completion = self.backend.llm.complete(request)
                    seconds = time.perf_counter() - started
                except TransientError as error:
                    self._failed(trip, error)
                except BaseException:
                    self._leave(trip)
                    raise
                else:
                    self._answered(trip)
                    return replace(completion, seconds=seconds)
        finally:
            with self._free:
                self._inside -= 1
                if not self._inside and not self._dead:
                    self._forget()

    def close(self) -> None:
        """End all waiting with an outage, and free the model; idempotent."""
        with self._free:
            self._closed = True
            self._wake()
        self.backend.llm.close()

    def _enter(self, trip: _Trip) -> None:
        """Wait for a turn; take it."""
        with self._free:
            while True:
                self._stop_if_out(trip)
                now = time.monotonic()
                begin = max(trip.resume_at, self._pause_until)
                tripped = self._streak >= _TRIP
                if now < begin:
                    self._changed.wait(begin - now)
                elif tripped and self._probing:
                    self._changed.wait()
                elif not tripped and self._full():
                    self._free.wait()
                else:
                    self._in_flight += 1
                    trip.probe = self._probing = tripped
                    return

    def _full(self) -> bool:
        return self.backend.concurrency is not None and self._in_flight >= self.backend.concurrency

    def _stop_if_out(self, trip: _Trip) -> None:
        if self._closed:
            raise OutageError(f"{self.model} was closed while requests waited for it")
        if trip.deaths != self._deaths or self._pause_until - time.monotonic() > self.retries.patience_s:
            raise OutageError(
                self._dead or f"{self.model} asked for a long break; run the same command again later"
            )

    def _leave(self, trip: _Trip) -> None:
        with self._free:
            self._release(trip)

    def _release(self, trip: _Trip) -> None:
        self._in_flight -= 1
        if trip.probe:
            trip.probe = self._probing = False
            self._changed.notify_all()
        self._free.notify()

    def _answered(self, trip: _Trip) -> None:
        with self._free:
            self._release(trip)
            if self._streak or self._dead:
                self._forget()
                self._wake()

    def _forget(self) -> None:
        self._streak = self._probes = 0
        self._dead = ""

    def _wake(self) -> None:
        self._free.notify_all()
        self._changed.notify_all()

    def _failed(self, trip: _Trip, error: TransientError) -> None:
        """Note a failure; return when the request may try again."""
        with self._free:
            now = time.monotonic()
            if not self._streak:
                self._failing_since = now
            self._streak += 1
            self._probes += trip.probe
            trip.failures += 1
            trip.faults += error.retry_after is None
            trip.first_failure = trip.first_failure or now
            asked = error.retry_after or 0.0
            wait = max(asked, self.retries.wait(trip.failures))
            trip.resume_at = now + wait
            if asked:
                self._pause_until = max(self._pause_until, now + asked)
            if self._streak >= _TRIP:
                self._pause_until = max(self._pause_until, now + self.retries.wait(max(1, self._probes)))
            self._release(trip)
            self._give_up_if_hopeless(trip, error, now, wait)

    def _give_up_if_hopeless(self, trip: _Trip, error: TransientError, now: float, wait: float) -> None:
        others_answered = self._failing_since > trip.first_failure
        too_often = others_answered and (
            trip.faults >= self.retries.attempts or now - trip.first_failure > 10 * self.retries.patience_s
        )
        out = bool(self._dead) or wait > self.retries.patience_s
        out = out or (self._streak >= _FEWEST and now + wait - self._failing_since > self.retries.patience_s)
        if not out and not too_often:
            return
        seconds = now - (self._failing_since if out else trip.first_failure)
        line = f"{self.model} does not answer: {error} (attempts: {self._streak if out else trip.failures}"
        line += f", for {seconds:.0f} s); run the same command again when it is back"
        if out:
            self._dead = line
            self._deaths += 1
            self._streak = max(self._streak, _TRIP)
            if wait <= self.retries.patience_s:
                self._pause_until = 0.0
            self._wake()
        raise OutageError(line) from error
