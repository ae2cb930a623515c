"""A model whose replies are written beforehand: for tests, rehearsals and benchmarks."""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from meta_agent.errors import UserError
from meta_agent.llm.llm import Completion, Request

Reply = Callable[[Request], str]


def scripted_tokens(text: str) -> int:
    """Return the length of a text in scripted tokens: one for every four bytes of UTF-8 begun."""
    return -(-len(text.encode()) // 4)


class ScriptedLLM:
    """Answers from a script. Costs nothing, never fails, counts its calls; safe to use from many threads.

    Like a real model it stops before the first stop text and after ``max_tokens`` tokens
    (:func:`scripted_tokens`: four bytes each).

    Args:
        reply: a function of the request; or texts given out in the order of the calls; or a text for each
            content of a last message.
        latency: seconds that each answer takes.
    """

    def __init__(self, reply: Reply | Sequence[str] | Mapping[str, str], latency: float = 0.0) -> None:
        self.latency = latency
        self.calls = 0
        self._reply = reply
        self._lock = threading.Lock()

    @classmethod
    def open(cls, model: str) -> ScriptedLLM:
        """Open ``scripted:MODULE:FUNCTION``; an attribute ``latency`` of the function gives the latency.

        Raises:
            UserError: the name has another form, or there is no such function.
        """
        _, _, path = model.partition(":")
        module_name, _, name = path.partition(":")
        try:
            reply = getattr(importlib.import_module(module_name), name)
        except (ImportError, AttributeError, ValueError) as error:
            raise UserError(
                f"{model!r} does not open ({error}): expected scripted:MODULE:FUNCTION"
            ) from error
        return cls(reply, latency=float(getattr(reply, "latency", 0.0)))

    def complete(self, request: Request) -> Completion:
        """Return the scripted reply.

        Raises:
            UserError: the script has no reply for this request.
        """
        with self._lock:
            index, self.calls = self.calls, self.calls + 1
        text = self._text(request, index)
        if self.latency:
            time.sleep(self.latency)
        for stop in request.stop:
            text = text.partition(stop)[0]
        whole = text.encode()
        kept = whole[: 4 * request.max_tokens].decode(errors="ignore")
        return Completion(
            kept,
            prompt_tokens=sum(scripted_tokens(message.content) for message in request.messages),
            completion_tokens=scripted_tokens(kept),
            cost_usd=0.0,
            finish="length" if len(kept) < len(text) else "stop",
        )

    def _text(self, request: Request, index: int) -> str:
        reply = self._reply
        if callable(reply):
            return reply(request)
        if isinstance(reply, Mapping):
            asked = request.messages[-1].content
            if asked not in reply:
                raise UserError(f"the script has no reply for a message that begins {asked[:60]!r}")
            return reply[asked]
        if index >= len(reply):
            raise UserError(f"the script has {len(reply)} replies, and one more was asked for")
        return reply[index]

    def close(self) -> None:
        """Do nothing: a script holds nothing."""
