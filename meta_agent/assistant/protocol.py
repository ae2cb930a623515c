"""OpenAI's chat protocol: what comes in, checked, and what goes out.

The steps of the agent travel as ``reasoning_content``, the field that vLLM, llama.cpp and DeepSeek use for what a model
thinks before it answers: editors show it apart from the answer, and clients that do not know it see the answer alone.
"""

from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from meta_agent.llm import Message

if TYPE_CHECKING:
    from meta_agent.assistant.agents import Agent
    from meta_agent.assistant.assistant import Answer

DONE = b"data: [DONE]\n\n"
BEAT = b": still working\n\n"


class Part(BaseModel):
    """A piece of a message; pieces that are no text are refused."""

    type: Literal["text"]
    text: str


class ChatMessage(BaseModel):
    """One turn."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[Part] | None = None

    def as_message(self) -> Message:
        """Return the turn as we know it."""
        text = (
            self.content
            if isinstance(self.content, str)
            else "".join(part.text for part in self.content or ())
        )
        role = {"developer": "system", "tool": "user", "function": "user"}.get(self.role, self.role)
        return Message(role, text)  # type: ignore[arg-type]


class StreamOptions(BaseModel):
    """How to stream."""

    include_usage: bool = False


class TaskOptions(BaseModel):
    """What a client may say of the task beyond OpenAI's protocol, under ``adas``."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["code", "answer"] | None = None
    entry_point: str = Field(default="", pattern=r"^\w*$", max_length=100)
    visible_tests: list[str] | None = Field(default=None, max_length=64)


class ChatRequest(BaseModel):
    """A request; other fields (temperature, max_tokens, tools, ...) are the agent's to decide, and ignored."""

    model: str
    messages: list[ChatMessage] = Field(min_length=1, max_length=2000)
    stream: bool = False
    stream_options: StreamOptions | None = None
    n: Literal[1] | None = None
    seed: int | None = None
    adas: TaskOptions = TaskOptions()

    @property
    def with_usage(self) -> bool:
        """Whether a stream is to end with the usage."""
        return self.stream_options is not None and self.stream_options.include_usage


class Chat:
    """The replies to one request: one whole, or chunks."""

    def __init__(self, model: str, program: str) -> None:
        self._head = {
            "id": f"chatcmpl-{uuid.uuid4().hex}",
            "created": int(time.time()),
            "model": model,
            "system_fingerprint": f"adas_{program}",
        }

    def whole(self, answer: Answer, steps: list[str]) -> dict[str, Any]:
        """Return the reply in one piece."""
        message = {"role": "assistant", "content": answer.text, "reasoning_content": "\n".join(steps)}
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        return {**self._head, "object": "chat.completion", "choices": [choice], "usage": usage(answer)}

    def chunk(self, delta: dict[str, str], finish: str | None = None) -> bytes:
        """Return a piece of the reply as an event."""
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        return event({**self._head, "object": "chat.completion.chunk", "choices": [choice]})

    def usage(self, answer: Answer) -> bytes:
        """Return the last event of a stream that was asked for the usage."""
        return event({**self._head, "object": "chat.completion.chunk", "choices": [], "usage": usage(answer)})


def usage(answer: Answer) -> dict[str, int]:
    """Return the tokens of all inner calls."""
    return {
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": answer.completion_tokens,
        "total_tokens": answer.prompt_tokens + answer.completion_tokens,
    }


def model_card(name: str, agent: Agent, created: int) -> dict[str, Any]:
    """Return an agent as an entry of the list of models, with what was measured of it under ``adas``."""
    card: dict[str, Any] = {"id": name, "object": "model", "created": created, "owned_by": "adas"}
    measured = agent.standing
    card["adas"] = {
        "program": agent.program.id,
        "thought": agent.program.thought,
        "runs_on": agent.model,
        "measured": measured
        and {
            "domain": measured.evaluation.domain,
            "split": measured.evaluation.split,
            "model": measured.evaluation.model,
            "tasks": measured.n,
            "mean": measured.mean,
            "low": measured.low,
            "high": measured.high,
            "run": measured.evaluation.run,
        },
    }
    return card


def error_body(words: str, kind: str, code: str) -> dict[str, Any]:
    """Return an error as OpenAI's clients read it."""
    return {"error": {"message": words, "type": kind, "param": None, "code": code}}


def event(value: object) -> bytes:
    """Return a server-sent event."""
    return b"data: %s\n\n" % json.dumps(value).encode()
