"""Opens a local model: finds its file, pulling it on first use, and chooses the engine that serves it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Protocol, get_args

from meta_agent.errors import UserError
from meta_agent.llm.catalogue import find
from meta_agent.llm.download import ensure_model
from meta_agent.llm.learned import find_learned
from meta_agent.llm.llm import LLM

Engine = Literal["llamacpp", "vllm"]
ENGINES: tuple[Engine, ...] = get_args(Engine)


class LocalLLM(LLM, Protocol):
    """A model on this machine."""

    engine: str
    """Name of the engine that serves it."""
    concurrency: int
    """Requests that it answers at once; more than these wait inside."""
    context: int
    """Tokens of prompt and reply that one request may use."""


def open_local(name: str, *, engine: Engine | Literal["auto"] = "auto") -> LocalLLM:
    """Return the local model ``name``, ready to answer.

    Args:
        name: ``local/NAME`` from the catalogue or of a model that was trained here, or ``local/PATH.gguf`` for a file
            of the user's own.
        engine: ``auto`` takes what :func:`choose` says, and llama.cpp where vLLM finds too little memory.

    Raises:
        UserError: unknown name, no such file, a file that is no model, or an engine that is not installed.
        OutageError: the model's file could not be downloaded, or vLLM's server did not start.
    """
    if engine not in ("auto", *ENGINES):
        raise UserError(f"unknown engine {engine!r}; expected auto, {' or '.join(ENGINES)}")
    path, learned = model_path(name), find_learned(name)
    adapter = learned.adapter if learned else None
    if (choose(name) if engine == "auto" else engine) == "vllm":
        from meta_agent.llm.engines.vllm import TooLargeError, Vllm

        whole = path
        if learned and adapter:
            from meta_agent.learning.combine import merged

            whole = merged(learned)
        try:
            return Vllm(whole)
        except TooLargeError:
            if engine == "vllm":
                raise
    from meta_agent.llm.engines.llamacpp import LlamaCpp

    return LlamaCpp(path, adapter=adapter)


def choose(name: str) -> Engine:
    """Return the engine for a model on this machine.

    llama.cpp where vLLM is not installed; else whichever ``adas models engine measure`` found faster here; before
    such a measurement vLLM, which was the faster one for a crowd of requests on every machine we measured.
    """
    from meta_agent.llm.engines.environment import installed_python
    from meta_agent.llm.engines.measure import fastest

    if installed_python() is None:
        return "llamacpp"
    return "llamacpp" if fastest(list(ENGINES), name) == "llamacpp" else "vllm"


def model_path(name: str) -> Path:
    """Return the GGUF file of ``name``, downloading a model of the catalogue that is not here yet.

    Of a model that is an adapter, that is the file of its base.
    """
    if name.endswith(".gguf"):
        path = Path(name.removeprefix("local/")).expanduser()
        if not path.is_file():
            raise UserError(f"no model file at {path}")
        return path
    if learned := find_learned(name):
        return model_path(learned.base) if learned.adapter else learned.weights
    return ensure_model(find(name).name)
