"""Language models: one protocol, one gateway for everybody, and a backend for each kind of name.

===========================  ==============================================================
``local/NAME``               a model on this machine
``scripted:MODULE:FUNCTION``  replies from a function, for tests and rehearsals
``http(s)://.../v1#NAME``     an OpenAI-compatible server
anything else                a hosted model under litellm's name, such as ``openai/gpt-4o-mini``
===========================  ==============================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from meta_agent.llm.budget import FREE, Budget, Price, Spend
from meta_agent.llm.cache import Cache, default_path
from meta_agent.llm.gateway import Gateway
from meta_agent.llm.lane import Backend, Retries
from meta_agent.llm.llm import LLM, Completion, Message, Request
from meta_agent.llm.scripted import ScriptedLLM
from meta_agent.llm.spans import spans_from_environment

if TYPE_CHECKING:
    from collections.abc import Callable

    from archive.records import Call
    from meta_agent.llm.local import Engine

__all__ = [
    "FREE",
    "LLM",
    "Backend",
    "Budget",
    "Cache",
    "Completion",
    "Gateway",
    "Message",
    "Price",
    "Request",
    "Retries",
    "ScriptedLLM",
    "Spend",
    "default_path",
    "open_backend",
    "open_gateway",
]


def open_backend(
    model: str, *, engine: Engine | Literal["auto"] = "auto", timeout_s: float = 120.0, concurrency: int = 16
) -> Backend:
    """Open a model by its name.

    Args:
        model: one of the forms above.
        engine: what serves a local model.
        timeout_s: seconds of silence after which an attempt at a remote model has failed.
        concurrency: how many requests a remote model gets at once.

    Raises:
        UserError: there is no such model, or its key is missing.
    """
    if model.startswith("local/"):
        from meta_agent.llm.local import open_local

        local = open_local(model, engine=engine)
        return Backend(local, local.concurrency, FREE)
    if model.startswith("scripted:"):
        return Backend(ScriptedLLM.open(model), None, FREE)
    if model.startswith(("http://", "https://")):
        from meta_agent.llm.openai_compatible import OpenAICompatible

        return Backend(OpenAICompatible.open(model, timeout_s), concurrency)
    from meta_agent.llm.hosted import Hosted

    hosted = Hosted(model, timeout_s)
    return Backend(hosted, concurrency, hosted.price)


def open_gateway(
    *,
    cache: Cache | None = None,
    budget: Budget | None = None,
    ledger: Callable[[Call], None] | None = None,
    run: str = "",
    retries: Retries | None = None,
    engine: Engine | Literal["auto"] = "auto",
    timeout_s: float = 120.0,
    concurrency: int = 16,
) -> Gateway:
    """Return a gateway to every model that :func:`open_backend` opens.

    Its requests are traced where the environment asks for it (:mod:`meta_agent.llm.spans`).

    Args:
        cache: by default the user's own, at :func:`~meta_agent.llm.cache.default_path`.
        budget: what may be spent; by default anything.
        ledger: is told of every completion.
        run: the run that the ledger's records name.
        retries: how long and how often a failing model is asked again.
        engine: what serves local models.
        timeout_s: seconds of silence after which an attempt at a remote model has failed.
        concurrency: how many requests a remote model gets at once.
    """
    return Gateway(
        lambda model: open_backend(model, engine=engine, timeout_s=timeout_s, concurrency=concurrency),
        cache=Cache(default_path()) if cache is None else cache,
        budget=budget,
        ledger=ledger,
        run=run,
        retries=retries,
        spans=spans_from_environment(),
    )
