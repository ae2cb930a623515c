"""The one protocol that everybody speaks to a model."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


def messages(system: str, prompt: str) -> tuple[Message, ...]:
    """Return a question as a conversation; an empty system prompt is left out."""
    return (*([Message("system", system)] if system else []), Message("user", prompt))


@dataclass(frozen=True, slots=True)
class Request:
    """Everything that decides a completion. Equal requests at the same ``sample`` have one completion for ever."""

    model: str
    """``local/NAME``, ``scripted:MODULE:FUNCTION``, ``openai-compatible URL#NAME`` or any name litellm knows."""
    messages: tuple[Message, ...]
    temperature: float = 0.0
    max_tokens: int = 512
    stop: tuple[str, ...] = ()
    sample: int = 0
    """Index among repeated draws of the same request; also the sampling seed where the backend takes one."""
    schema: str = ""
    """JSON schema (as text) that the reply must satisfy, where the backend can constrain decoding."""
    grammar: str = ""
    """GBNF grammar for the reply, where the backend can constrain decoding."""

    def to_json(self) -> str:
        """Return all fields as one JSON object with sorted names."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        fields["messages"] = [{"content": message.content, "role": message.role} for message in self.messages]
        return json.dumps(fields, sort_keys=True)

    def key(self) -> str:
        """Return the content address: SHA-256 over all fields."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Completion:
    """What came back."""

    text: str
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None = None
    """Dollars; 0.0 for a local model, None when the price is unknown (said, never taken as 0)."""
    finish: Literal["stop", "length"] = "stop"
    cached: bool = False
    seconds: float = 0.0


class LLM(Protocol):
    """A model backend, or a gateway in front of several. Safe to call from many threads at once."""

    def complete(self, request: Request) -> Completion:
        """Return one completion.

        Raises :class:`~meta_agent.errors.OutageError` when the model cannot be reached,
        :class:`~meta_agent.errors.BudgetError` before a request that would overspend, and
        :class:`~meta_agent.errors.UserError` for a request that can never succeed (unknown model, bad key).
        """

    def close(self) -> None:
        """Free the model; idempotent."""
