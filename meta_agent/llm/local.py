"""Opens a local model: finds its file, pulling it on first use, and chooses the engine that serves it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Protocol

from meta_agent.errors import UserError
from meta_agent.llm.catalogue import find
from meta_agent.llm.download import ensure_model
from meta_agent.llm.llm import LLM

Engine = Literal["auto", "llama.cpp", "vllm"]


class LocalLLM(LLM, Protocol):
    """A model on this machine."""

    engine: str
    """Name of the engine that serves it."""
    concurrency: int
    """Requests that it answers at once; more than these wait inside."""
    context: int
    """Tokens of prompt and reply that one request may use."""


def open_local(name: str, *, engine: Engine = "auto") -> LocalLLM:
    """Return the local model ``name``, ready to answer.

    Args:
        name: ``local/NAME`` from the catalogue, or ``local/PATH.gguf`` for a file of the user's own.
        engine: ``auto`` takes the fastest engine that is installed for this machine.

    Raises:
        UserError: unknown name, no such file, a file that is no model, or an engine that is not installed.
        OutageError: the model's file could not be downloaded.
    """
    path = model_path(name)
    from meta_agent.llm.engines.llamacpp import LlamaCpp

    return LlamaCpp(path)


def model_path(name: str) -> Path:
    """Return the GGUF file of ``name``, downloading a model of the catalogue that is not here yet."""
    if name.endswith(".gguf"):
        path = Path(name.removeprefix("local/")).expanduser()
        if not path.is_file():
            raise UserError(f"no model file at {path}")
        return path
    return ensure_model(find(name).name)
