"""What the host knows of one execution: its clock, its broker's answers, what its end and its words mean."""

from __future__ import annotations

import math
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandboxes import wire

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandboxes.sandbox import Broker, Limit, Limits

_ERROR = 8000
"""Characters of an error text, at most."""
_OVER = {"wall": "{0.wall_s:g} s of wall clock", "cap": "{0.cap_s:g} s, waiting for answers included"}


@dataclass
class Clock:
    """Measures one execution; it starts when the program does."""

    limits: Limits
    patience_s: float
    """Seconds in which the program must have started."""
    started: float | None = None
    waited: float = 0.0
    """Seconds spent in the broker."""
    over: Limit | None = None
    """The limit that time ran into."""

    def __post_init__(self) -> None:
        self._ordered = time.monotonic()

    def start(self) -> None:
        """Note that the program starts now."""
        self.started = self.started or time.monotonic()

    def left(self) -> float:
        """Return the seconds until the next limit; when one is reached, zero or less, and it is noted."""
        if self.started is None:
            return self.patience_s - (time.monotonic() - self._ordered)
        spent = time.monotonic() - self.started
        wall = self.limits.wall_s - (spent - self.waited)
        cap = self.limits.cap_s - spent
        if min(wall, cap) <= 0:
            self.over = self.over or ("wall" if wall <= 0 else "cap")
        return min(wall, cap)

    def spent(self) -> float:
        """Return the seconds since the start."""
        return time.monotonic() - self.started if self.started else 0.0


class Desk:
    """Where the requests of a session are answered."""

    def __init__(self, broker: Broker, clock: Clock) -> None:
        self._broker = broker
        self._clock = clock
        self._buffer = wire.Buffer()

    def answers(self, data: bytes) -> Iterator[bytes]:
        """Take what the program sent and yield the frame of an answer for each whole request.

        Raises:
            wire.WireError: The program does not keep to the protocol.

        """
        self._buffer.feed(data)
        while self._clock.left() > 0 and (body := self._buffer.take()) is not None:
            started = time.monotonic()
            frame = answer(self._broker, body)
            self._clock.waited += time.monotonic() - started
            yield frame


def answer(broker: Broker, body: bytes) -> bytes:
    """Return the frame that answers a program's request, whatever its ``body`` is; a broker's exception passes."""
    try:
        request = wire.unpack(body, finite=True)
    except wire.WireError as error:
        return wire.pack({"error": str(error)})
    if not isinstance(request, dict):
        return wire.pack({"error": "a request must be one JSON object"})
    given = broker(request)
    try:
        return wire.pack(given)
    except wire.WireError as error:
        return wire.pack({"error": f"the answer is too large: {error}"})


@dataclass(frozen=True)
class End:
    """How a process ended, and what it printed."""

    status: int
    """Exit status, or minus the signal that killed it."""
    cpu_s: float
    peak_mb: float
    printed: bytes
    """Standard output and error, at most ``output_kb``."""
    size: int
    """Bytes it printed in all."""

    def text(self) -> str:
        """Return what was printed, safe to show, with a word about what was cut."""
        more = self.size - len(self.printed)
        cut = f"\n[... {more} more bytes cut]" if more > 0 else ""
        return safe(self.printed.decode("utf-8", "backslashreplace")) + cut

    def fate(self, clock: Clock, result: dict[str, Any]) -> tuple[Limit | None, str | None]:
        """Return which limit ended the process, if one did, and its error, if there is one.

        Args:
            clock: The clock of the execution.
            result: What the process sent at last; an empty one says that it sent nothing.

        """
        limits = clock.limits
        if clock.over:
            return clock.over, overtime(clock.over, limits)
        if "error" in result:
            flooded = self.size >= limits.file_mb << 20
            limit: Limit | None = "memory" if result.get("memory") is True else "output" if flooded else None
            return limit, shorten(str(result["error"]))
        if "value" in result or "done" in result:
            return None, None
        if self.status >= 0:
            return None, f"the program ended its process (exit status {self.status}) before it was done"
        killed = -self.status in (signal.SIGKILL, signal.SIGXCPU)
        if killed and (found := killer(self.cpu_s, self.peak_mb, limits)):
            return found
        return "signal", f"the program was killed by {signal.Signals(-self.status).name}"


def killer(cpu_s: float, peak_mb: float, limits: Limits) -> tuple[Limit, str] | None:
    """Return the limit, and the error that says so, for which the kernel killed a process; None if for neither."""
    cpu = cpu_s / max(1, math.ceil(limits.cpu_s))
    memory = peak_mb / max(1, limits.memory_mb)
    # The kernel counts whole ticks and, on a busy machine, may kill long before the limit.
    if cpu > (0.5 if memory < 0.8 else 0.8):
        return "cpu", f"stopped: more than {limits.cpu_s:g} s of processor time"
    if memory > 0.8:
        return "memory", f"stopped: out of memory at {peak_mb:.0f} MiB"
    return None


def overtime(limit: Limit, limits: Limits) -> str:
    """Return the error of a program that ran into a limit of time."""
    return f"stopped: more than {_OVER[limit].format(limits)}"


_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if code not in (9, 10)}


def safe(text: str) -> str:
    """Return text that can be printed and stored: no lone surrogates, no controls but tab and new line."""
    return text.replace("\r\n", "\n").encode("utf-8", "backslashreplace").decode().translate(_CONTROLS)


def shorten(message: str) -> str:
    """Return an error's or a failed test's text, safe to print and of bounded length."""
    return safe(message)[:_ERROR]
