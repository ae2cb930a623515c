"""Who may ask, how often, and how many at a time."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
import tomllib
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from meta_agent.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_FORM = 'expected [NAME] with key = "..." (or key_sha256), and perhaps requests_per_minute, tokens_per_day, at_once'


class RefusedError(Exception):
    """A request that is not taken: its HTTP status, and words that say what to do."""

    def __init__(self, status: int, code: str, words: str, retry_after: float | None = None) -> None:
        super().__init__(words)
        self.status = status
        self.code = code
        """As OpenAI names it, such as ``rate_limit_exceeded``."""
        self.retry_after = retry_after
        """Seconds after which it may be tried again; None when that would not help."""


@dataclass(frozen=True, slots=True)
class Key:
    """A bearer token and what may be done with it; None means no limit."""

    name: str
    digest: bytes
    """SHA-256 of the token: the token itself is nowhere kept."""
    requests_per_minute: int | None = None
    tokens_per_day: int | None = None
    """Prompt and reply tokens of all inner calls, a day of UTC; the request that goes beyond is still answered."""
    at_once: int | None = None


@dataclass
class _Use:
    """What was done with a key."""

    recent: deque[float] = field(default_factory=deque)
    day: int = 0
    tokens: int = 0
    running: int = 0


class Keys:
    """Knows the bearer tokens and counts their use, since the start of the server. Used from one thread.

    Args:
        keys: the tokens that are good; with none at all, everybody may ask without one.
        clock: seconds since the epoch.
    """

    def __init__(self, keys: list[Key], clock: Callable[[], float] = time.time) -> None:
        self._keys = keys
        self._clock = clock
        self._uses = {key.name: _Use() for key in keys}

    @classmethod
    def read(cls, file: Path) -> Keys:
        """Read a TOML file with one table a key.

        Raises:
            UserError: it cannot be read, or has another form; no key is in the text.
        """
        try:
            tables = tomllib.loads(file.read_text())
        except OSError as error:
            raise UserError(f"cannot read {file}: {error.strerror}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError):
            raise UserError(f"{file} is not TOML: {_FORM}") from None
        if not tables:
            raise UserError(f"{file} holds no key: {_FORM}")
        return cls([_key(file, name, table) for name, table in tables.items()])

    @classmethod
    def single(cls, token: str) -> Keys:
        """Return the keys where there is one token, without limits; an empty one means that nobody needs any."""
        return cls([Key("default", hashlib.sha256(token.encode()).digest())] if token else [])

    @property
    def open(self) -> bool:
        """Whether everybody may ask."""
        return not self._keys

    def identify(self, authorization: str) -> Key | None:
        """Return the key in an ``Authorization`` header, None where none is needed.

        Raises:
            RefusedError: 401, there is no such key.
        """
        if self.open:
            return None
        scheme, _, token = authorization.partition(" ")
        digest = hashlib.sha256(token.strip().encode("utf-8", "surrogateescape")).digest()
        # All are compared, so that the time tells nothing.
        found = [key for key in self._keys if hmac.compare_digest(key.digest, digest)]
        if scheme.lower() != "bearer" or not found:
            raise RefusedError(
                401, "invalid_api_key", "expected 'Authorization: Bearer KEY' with a key of this server"
            )
        return found[0]

    def admit(self, key: Key | None) -> None:
        """Count one more request of a key that begins now; :meth:`release` must follow.

        Raises:
            RefusedError: 429, it is over one of its limits.
        """
        if key is None:
            return
        use, now = self._uses[key.name], self._clock()
        self._forget_yesterday(use)
        while use.recent and use.recent[0] <= now - 60:
            use.recent.popleft()
        if key.at_once is not None and use.running >= key.at_once:
            raise _limit(f"the key {key.name!r} may have {key.at_once} requests under way at once", 1.0)
        if key.requests_per_minute is not None and len(use.recent) >= key.requests_per_minute:
            wait = use.recent[0] + 60 - now
            raise _limit(f"the key {key.name!r} may make {key.requests_per_minute} requests a minute", wait)
        if key.tokens_per_day is not None and use.tokens >= key.tokens_per_day:
            raise _limit(
                f"the key {key.name!r} may use {key.tokens_per_day} tokens a day", 86_400 - now % 86_400
            )
        use.recent.append(now)
        use.running += 1

    def release(self, key: Key | None, tokens: int) -> None:
        """Count what a request that was admitted has used."""
        if key is not None:
            use = self._uses[key.name]
            self._forget_yesterday(use)
            use.running -= 1
            use.tokens += tokens

    def _forget_yesterday(self, use: _Use) -> None:
        today = int(self._clock() // 86_400)
        if use.day != today:
            use.day, use.tokens = today, 0


class Gate:
    """Lets ``workers`` requests work at a time and has ``queue`` more wait, in the order in which they came.

    Used from one event loop.
    """

    def __init__(self, workers: int, queue: int) -> None:
        self.workers = workers
        self.queue = queue
        self.working = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._finished = 0
        self._spent_s = 0.0

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def ticket(self) -> Ticket:
        """Return a place among those that work or wait, which must be released.

        Raises:
            RefusedError: 429, too many wait already.
        """
        if self.working < self.workers and not self._waiting:
            self.working += 1
            return Ticket(self, None)
        if self.waiting >= self.queue:
            patience = max(1.0, self._spent_s / self._finished / self.workers) if self._finished else 1.0
            raise RefusedError(
                429,
                "server_busy",
                f"this server works on {self.working} requests and {self.waiting} wait, which is all it takes: "
                f"try again in {patience:.0f} s",
                patience,
            )
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        return Ticket(self, turn)

    def leave(self, turn: asyncio.Future[None] | None, spent_s: float) -> None:
        """Give up a place, and hand the turn on if it had come."""
        if turn is not None and turn in self._waiting:
            self._waiting.remove(turn)
            return
        self._finished += 1
        self._spent_s += spent_s
        if self._waiting:
            self._waiting.popleft().set_result(None)
        else:
            self.working -= 1


class Ticket:
    """A place in a gate."""

    def __init__(self, gate: Gate, turn: asyncio.Future[None] | None) -> None:
        self._gate = gate
        self._turn = turn
        self._released = False
        self._started = time.monotonic()

    async def turn(self) -> None:
        """Wait until it is this one's turn."""
        if self._turn is not None:
            await asyncio.shield(self._turn)  # who gives up waiting says so by releasing
        self._started = time.monotonic()

    def release(self) -> None:
        """Give the place up; idempotent."""
        if not self._released:
            self._released = True
            self._gate.leave(self._turn, time.monotonic() - self._started)


def _limit(words: str, retry_after: float) -> RefusedError:
    return RefusedError(429, "rate_limit_exceeded", f"{words}: try again in {retry_after:.0f} s", retry_after)


def _key(file: Path, name: str, table: object) -> Key:
    known = {"key", "key_sha256", "requests_per_minute", "tokens_per_day", "at_once"}
    if not isinstance(table, dict) or set(table) - known or ("key" in table) == ("key_sha256" in table):
        raise UserError(f"{file}, {name}: {_FORM}")
    limits = {key: value for key, value in table.items() if not key.startswith("key")}
    if not all(type(value) is int and value > 0 for value in limits.values()):
        raise UserError(f"{file}, {name}: expected whole numbers above 0 as limits")
    try:
        given = (
            hashlib.sha256(str(table["key"]).encode()).hexdigest() if "key" in table else table["key_sha256"]
        )
        digest = bytes.fromhex(given)
    except (ValueError, TypeError):
        digest = b""
    if len(digest) != 32 or ("key" in table and len(str(table["key"])) < 16):
        raise UserError(
            f"{file}, {name}: expected a key of 16 characters or more, or the SHA-256 of one in hex"
        )
    return Key(name, digest, **limits)
