"""What a run may spend, counted before it is spent."""

from __future__ import annotations

import re
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from meta_agent.errors import BudgetError, UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)([km]?)[-_ ]?(token|call)s?", re.IGNORECASE)
_TIME = re.compile(r"(\d+(?:\.\d+)?)(s|m|h)", re.IGNORECASE)
_MONEY = re.compile(r"\$(\d+(?:\.\d+)?|\.\d+)")
_SCALE = {"": 1, "k": 1_000, "m": 1_000_000}
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_EXAMPLES = "write for example 20k-tokens, 300-calls, 5m, $0.50, or several: 20k-tokens,5m"


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars a token."""

    prompt_usd: float
    completion_usd: float

    def of(self, prompt_tokens: int, completion_tokens: int) -> float:
        """Return the dollars that one request costs."""
        return self.prompt_usd * prompt_tokens + self.completion_usd * completion_tokens


FREE = Price(0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Spend:
    """What was used; also what one request may use at worst."""

    tokens: int = 0
    """Prompt and completion tokens together."""
    calls: int = 0
    seconds: float = 0.0
    """Wall seconds of the run."""
    dollars: float = 0.0
    """Dollars of the calls whose price is known."""
    unpriced: int = 0
    """How many calls have no known price: when it is not 0, ``dollars`` is only a part of the bill."""

    def __add__(self, other: Spend) -> Spend:
        """Return the sum, field by field."""
        return Spend(
            self.tokens + other.tokens,
            self.calls + other.calls,
            self.seconds + other.seconds,
            self.dollars + other.dollars,
            self.unpriced + other.unpriced,
        )


class Hold:
    """A place in the budget for one request in flight; :meth:`settle` says what it really used."""

    def __init__(self, worst: Spend) -> None:
        self.worst = worst
        self.real = Spend()

    def settle(self, tokens: int, dollars: float | None) -> None:
        """Note what the request used; unknown dollars leave the worst case standing and count as unpriced."""
        if dollars is None:
            self.real = Spend(tokens, 1, dollars=self.worst.dollars, unpriced=1)
        else:
            self.real = Spend(tokens, 1, dollars=dollars)


class Budget:
    """Limits on tokens, calls, wall seconds and dollars of one run. Safe to use from many threads.

    A request reserves its worst case before it is sent and settles for what it really used. While the
    worst case does not fit, it waits for requests in flight to settle; once nothing is in flight and it still
    does not fit, the budget is over. So as long as worst cases are true, nothing is ever overspent.

    Args:
        tokens: prompt and completion tokens together; None (everywhere) means no limit.
        calls: requests answered by a model; a cached answer is free.
        seconds: wall clock from the making of this object, plus what :meth:`restore` brought along.
        dollars: needs models whose price is known.
    """

    def __init__(
        self,
        tokens: int | None = None,
        calls: int | None = None,
        seconds: float | None = None,
        dollars: float | None = None,
    ) -> None:
        limits = {"tokens": tokens, "calls": calls, "seconds": seconds, "dollars": dollars}
        self.limits: dict[str, float] = {name: limit for name, limit in limits.items() if limit is not None}
        for name, limit in self.limits.items():
            if limit <= 0:
                raise UserError(f"a budget must be more than nothing, got {limit} {name}: {_EXAMPLES}")
        self._settled = threading.Condition()
        self._spent = Spend()
        self._holds: set[Hold] = set()
        self._started = time.monotonic()

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Read ``20k-tokens``, ``300-calls``, ``5m`` (or s, h), ``$0.50``, or several separated by commas.

        Raises:
            UserError: the text is not of this form, names a limit twice, or allows nothing.
        """
        limits: dict[str, float] = {}
        for part in text.split(","):
            name, limit = _parse_limit(part.strip())
            if name in limits:
                raise UserError(f"the budget {text!r} limits {name} twice: {_EXAMPLES}")
            limits[name] = limit
        tokens, calls = limits.get("tokens"), limits.get("calls")
        return cls(
            None if tokens is None else int(tokens),
            None if calls is None else int(calls),
            limits.get("seconds"),
            limits.get("dollars"),
        )

    def __str__(self) -> str:
        """Return the limits as :meth:`parse` reads them; ``no limit`` when there is none."""
        forms = {"tokens": "{:.0f}-tokens", "calls": "{:.0f}-calls", "seconds": "{:g}s", "dollars": "${:g}"}
        return ",".join(forms[name].format(limit) for name, limit in self.limits.items()) or "no limit"

    @property
    def spent(self) -> Spend:
        """What was used so far, requests in flight not counted."""
        with self._settled:
            return self._now()

    def left(self) -> dict[str, float]:
        """Return what is left of each limit, never below 0, requests in flight not counted."""
        spent = self.spent
        return {name: max(0.0, limit - getattr(spent, name)) for name, limit in self.limits.items()}

    def restore(self, spent: Spend) -> None:
        """Add what an earlier part of the same run used, its seconds included."""
        with self._settled:
            self._spent += spent

    def check(self) -> None:
        """Raise :class:`~meta_agent.errors.BudgetError` when a limit is reached; costs nothing otherwise."""
        with self._settled:
            if over := self._misfit(Spend(), reached=True):
                raise BudgetError(over)

    @contextmanager
    def reserve(self, tokens: int, dollars: float | None) -> Iterator[Hold]:
        """Hold the worst case of one request while the block runs, which settles it; failed, it used nothing.

        Args:
            tokens: the most that the prompt and the reply can take together.
            dollars: the most it can cost; None when the price is unknown.

        Raises:
            BudgetError: it does not fit, and nothing in flight could change that.
            UserError: there is a limit in dollars and the price is unknown.
        """
        if dollars is None and "dollars" in self.limits:
            raise UserError(
                f"a budget of ${self.limits['dollars']:g} needs models with a known price, and this one has "
                "none: limit tokens or calls instead, for example 20k-tokens"
            )
        hold = Hold(Spend(tokens, 1, dollars=dollars or 0.0))
        self._admit(hold)
        try:
            yield hold
        finally:
            with self._settled:
                self._holds.discard(hold)
                self._spent += hold.real
                self._settled.notify_all()

    def _admit(self, hold: Hold) -> None:
        with self._settled:
            while over := self._misfit(hold.worst):
                if not self._holds or self._out_of_time():
                    raise BudgetError(over)
                self._settled.wait(self._seconds_left())
            self._holds.add(hold)

    def _misfit(self, worst: Spend, *, reached: bool = False) -> str:
        """Return why ``worst`` does not fit beside what is spent and held, or an empty text.

        With ``reached``, a limit that is used up to the last unit counts as a misfit too.
        """
        now = self._now()
        for name, limit in self.limits.items():
            used, asked = getattr(now, name), getattr(worst, name)
            need = used + sum(getattr(hold.worst, name) for hold in self._holds) + asked
            if need > limit or (need == limit and (reached or name == "seconds")):
                may = f", the next request may need {asked:,.6g}" if asked else ""
                return f"the budget of {limit:,.6g} {name} is used up: {used:,.6g} spent{may}"
        return ""

    def _now(self) -> Spend:
        return replace(self._spent, seconds=self._spent.seconds + time.monotonic() - self._started)

    def _seconds_left(self) -> float | None:
        limit = self.limits.get("seconds")
        return None if limit is None else max(0.0, limit - self._now().seconds)

    def _out_of_time(self) -> bool:
        return self._seconds_left() == 0.0


def _parse_limit(text: str) -> tuple[str, float]:
    if found := _AMOUNT.fullmatch(text):
        number, scale, name = found.groups()
        amount = float(number) * _SCALE[scale.lower()]
        if amount >= 1 and amount == int(amount):
            return f"{name.lower()}s", amount
    elif found := _TIME.fullmatch(text):
        number, unit = found.groups()
        if float(number) > 0:
            return "seconds", float(number) * _SECONDS[unit.lower()]
    elif (found := _MONEY.fullmatch(text)) and float(found.group(1)) > 0:
        return "dollars", float(found.group(1))
    raise UserError(f"{text!r} is not a budget: {_EXAMPLES}")
