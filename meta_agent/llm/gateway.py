"""The one way to any model: cache first, then budget, then the model's lane."""

from __future__ import annotations

import math
import threading
import time
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, Self

from archive.records import Call
from meta_agent.errors import RequestError
from meta_agent.llm.budget import Budget
from meta_agent.llm.cache import Cache
from meta_agent.llm.lane import Backend, Lane, Retries

if TYPE_CHECKING:
    from collections.abc import Callable

    from meta_agent.llm.llm import Completion, Request
    from meta_agent.llm.spans import Spans

Role = Literal["agent", "meta"]

_OVERHEAD_TOKENS = 64
"""What a chat template may add to a prompt: a default system message, dates, marks of turns."""
_MARGIN = 1.5
_TELLING_BYTES = 256
"""A shorter prompt says more about the chat template than about the tokenizer."""


class Gateway:
    """Completes requests for everybody, whatever the model. Safe to use from many threads.

    A completion is on disk before it is returned. Equal requests at once are paid once. A cached completion
    keeps the tokens, dollars and seconds it took when it was made; ``cached`` says that nothing was paid now.

    Args:
        open_backend: opens a model by name at its first request; raises UserError for an unknown one.
        cache: where completions are kept; by default in memory, for the life of this object.
        budget: what may be spent; by default anything. Attempts that brought no completion are not counted.
        ledger: is told of every completion, cached ones included, in the thread that asked for it.
        run: the run that the ledger's records name.
        retries: how long and how often a failing model is asked again.
        spans: puts a span round each request; closed with this object.
    """

    def __init__(
        self,
        open_backend: Callable[[str], Backend],
        *,
        cache: Cache | None = None,
        budget: Budget | None = None,
        ledger: Callable[[Call], None] | None = None,
        run: str = "",
        retries: Retries | None = None,
        spans: Spans | None = None,
    ) -> None:
        self.cache = Cache() if cache is None else cache
        self.budget = Budget() if budget is None else budget
        self._open_backend = open_backend
        self._ledger = ledger
        self._run = run
        self._retries = retries or Retries()
        self._spans = spans
        self._lanes: dict[str, Future[Lane]] = {}
        self._opening = threading.Lock()
        self._flights: dict[str, Future[Completion]] = {}
        self._boarding = threading.Lock()
        self._density: dict[str, float] = {}

    def complete(self, request: Request, role: Role = "agent") -> Completion:
        """Return the completion of a request, from the cache when it is there.

        Raises:
            BudgetError: before a request that might overspend.
            OutageError: the model cannot be reached after all retries.
            RequestError: this request can never succeed, another one may (its prompt is too long).
            UserError: no request to this model can succeed (unknown model, bad key).
        """
        key = request.key()

        def answer() -> Completion:
            return self.cache.get(key) or self._fly(key, request)

        completion = self._spans.around(request, role, self._run, answer) if self._spans else answer()
        self._learn_density(request, completion)
        if self._ledger is not None:
            self._ledger(self._call(key, request, role, completion))
        return completion

    def backend(self, model: str) -> Backend:
        """Return an opened model, with its concurrency and price; opens it when it is not."""
        return self._lane(model).backend

    def close(self) -> None:
        """Free all models and close the cache; idempotent."""
        with self._opening:
            lanes = list(self._lanes.values())
        for lane in lanes:
            if lane.exception() is None:
                lane.result().close()
        self.cache.close()
        if self._spans is not None:
            self._spans.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _fly(self, key: str, request: Request) -> Completion:
        """Pay for a completion, or share the one that another thread is paying for."""
        with self._boarding:
            flight = self._flights.get(key)
            if flight is None:
                mine = self._flights[key] = Future()
        if flight is not None:
            return replace(flight.result(), cached=True)
        try:
            # Between the first look and boarding, an earlier flight may have landed.
            completion = self.cache.get(key) or self._pay(key, request)
        except BaseException as error:
            mine.set_exception(error)
            raise
        else:
            mine.set_result(completion)
            return completion
        finally:
            with self._boarding:
                del self._flights[key]

    def _pay(self, key: str, request: Request) -> Completion:
        lane = self._lane(request.model)
        prompt_tokens = self._most_prompt_tokens(request)
        price = lane.backend.price
        dollars = None if price is None else price.of(prompt_tokens, request.max_tokens)
        with self.budget.reserve(prompt_tokens + request.max_tokens, dollars) as hold:
            completion = lane.complete(request)
            hold.settle(completion.prompt_tokens + completion.completion_tokens, completion.cost_usd)
            self.cache.put(key, request.model, completion)
        return completion

    def _lane(self, model: str) -> Lane:
        """Return the lane to a model; different models open side by side, since a local one takes a minute."""
        with self._opening:
            lane = self._lanes.get(model)
            first = lane is None
            if lane is None:
                lane = self._lanes[model] = Future()
        if first:
            try:
                lane.set_result(Lane(model, self._open_backend(model), self._retries))
            except BaseException as error:
                with self._opening:
                    del self._lanes[model]
                lane.set_exception(error)
                raise
        return lane.result()

    def _most_prompt_tokens(self, request: Request) -> int:
        """Return an upper bound of the prompt's tokens.

        A byte is at most one token. Once the model has counted some prompts, the densest one seen (tokens a
        byte) with a margin of a half is a much closer bound.
        """
        density = min(1.0, _MARGIN * self._density.get(request.model, 1.0))
        return _OVERHEAD_TOKENS + math.ceil(_prompt_bytes(request) * density)

    def _learn_density(self, request: Request, completion: Completion) -> None:
        size = _prompt_bytes(request)
        if size >= _TELLING_BYTES:
            seen = completion.prompt_tokens / size
            if seen > self._density.get(request.model, 0.0):
                self._density[request.model] = seen

    def _call(self, key: str, request: Request, role: Role, completion: Completion) -> Call:
        return Call(
            run=self._run,
            role=role,
            model=request.model,
            key=key,
            cached=completion.cached,
            prompt_tokens=completion.prompt_tokens,
            completion_tokens=completion.completion_tokens,
            cost_usd=completion.cost_usd,
            seconds=completion.seconds,
            created=time.time(),
            request=request.to_json(),
            reply=completion.text,
        )


def _prompt_bytes(request: Request) -> int:
    try:
        return sum(len(message.content.encode()) for message in request.messages)
    except UnicodeEncodeError as error:
        raise RequestError(f"the prompt is no valid text: {error}") from error
