"""llama.cpp in this process, through ``xllamacpp``: the light engine that is always there."""

from __future__ import annotations

import json
import os
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from meta_agent.errors import OutageError, RequestError, UserError
from meta_agent.llm.engines.machine import available_memory, cores
from meta_agent.llm.llm import Completion, Request

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import ModuleType

CONTEXT = 4096
"""Tokens of prompt and reply that one request may use."""
HTTP_BAD_REQUEST = 400
SLOTS = 16
"""Requests decoded in one batch, where memory allows."""
KV_BYTES, KV_SHARE = 24 << 10, 25e-6
"""What a token of context takes, at least in bytes and as a share of the model's file: an upper estimate."""


class LlamaCpp:
    """A GGUF model served in process with continuous batching.

    Requests beyond ``concurrency`` wait their turn. A request whose prompt starts like the last one of a slot
    skips that prefix. At temperature 0 a reply depends on the request alone, up to rounding: which requests
    share its batch can move a near-tie.

    Args:
        path: the GGUF file.
        adapter: a LoRA as a GGUF file, put on the model.
        context: tokens of prompt and reply together that one request may use.
        concurrency: requests decoded together; default: what a third of the free memory holds, at most 16.
        threads: worker threads; default: the physical cores this process may use.

    Raises:
        UserError: a file is not one that llama.cpp can load.
    """

    engine = "llamacpp"

    def __init__(
        self,
        path: Path,
        *,
        adapter: Path | None = None,
        context: int = CONTEXT,
        concurrency: int | None = None,
        threads: int | None = None,
    ) -> None:
        self.context = context
        self.concurrency = concurrency or _slots(path, context)
        self._closing = threading.Lock()
        xllamacpp = _import_xllamacpp()
        params = xllamacpp.CommonParams()
        params.model.path = str(path)
        params.n_parallel = self.concurrency
        params.n_ctx = context * self.concurrency
        params.kv_unified = False
        params.cpuparams.n_threads = threads or len(cores())
        params.cpuparams_batch.n_threads = params.cpuparams.n_threads
        params.cache_ram_mib = 0
        params.verbosity = 0
        if adapter is not None:
            params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(adapter), 1.0)]
        try:
            self._server: Any = xllamacpp.Server(params)
        except RuntimeError as error:
            what = path if adapter is None else f"{path} with {adapter}"
            raise UserError(f"llama.cpp cannot load {what}: {error}") from None
        # A server that is freed before its loop has begun waits for ever, so the loop is seen to answer first.
        self._server.handle_chat_completions(
            {"messages": [{"role": "user", "content": "."}], "max_tokens": 1}
        )

    def complete(self, request: Request) -> Completion:
        """Return one completion.

        Raises:
            RequestError: the prompt is too long for the context, or the grammar or schema does not parse.
            OutageError: the engine was closed, or failed inside.
        """
        server = self._server
        if server is None:
            raise OutageError("the llama.cpp engine is closed")
        body = _body(request)
        started = time.monotonic()
        try:
            reply = server.handle_chat_completions(body)
        except ValueError as error:
            raise RequestError(f"llama.cpp: {error}") from None
        if failure := reply.get("error"):
            kind = RequestError if failure.get("code") == HTTP_BAD_REQUEST else OutageError
            raise kind(f"llama.cpp: {failure.get('message', failure)}")
        choice, usage = reply["choices"][0], reply["usage"]
        return Completion(
            text=choice["message"]["content"] or "",
            prompt_tokens=usage["prompt_tokens"],
            completion_tokens=usage["completion_tokens"],
            cost_usd=0.0,
            finish="length" if choice["finish_reason"] == "length" else "stop",
            seconds=time.monotonic() - started,
        )

    def close(self) -> None:
        """Free the model once the requests in flight have ended; idempotent."""
        with self._closing:
            self._server = None


def _slots(path: Path, context: int) -> int:
    wanted = context * max(KV_BYTES, KV_SHARE * path.stat().st_size)
    return max(1, min(SLOTS, int(available_memory() / 3 / wanted)))


def _body(request: Request) -> dict[str, Any]:
    body: dict[str, Any] = {
        "messages": [{"role": message.role, "content": message.content} for message in request.messages],
        "temperature": request.temperature,
        "max_tokens": request.max_tokens,
        "seed": request.sample,
        "cache_prompt": True,
    }
    if request.stop:
        body["stop"] = list(request.stop)
    if request.grammar:
        body["grammar"] = request.grammar
    if request.schema:
        try:
            body["json_schema"] = json.loads(request.schema)
        except json.JSONDecodeError as error:
            raise RequestError(f"the request's schema is not JSON: {error}") from None
    return body


def _import_xllamacpp() -> ModuleType:
    """Import ``xllamacpp`` with OpenMP threads that sleep when they wait: sandboxes run on the same cores."""
    with _environment(OMP_WAIT_POLICY="passive"):
        import xllamacpp
    return xllamacpp  # type: ignore[no-any-return]


@contextmanager
def _environment(**defaults: str) -> Iterator[None]:
    """Set variables that a library reads as it is loaded, unless the user has set them."""
    added = {name: value for name, value in defaults.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]
