"""The server that editors talk to: agents behind OpenAI's chat protocol."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware

from meta_agent.assistant import protocol
from meta_agent.assistant.admission import RefusedError
from meta_agent.assistant.assistant import describe
from meta_agent.assistant.conversation import as_task
from meta_agent.assistant.metrics import Metrics
from meta_agent.errors import BudgetError, OutageError, UserError
from sandboxes import Cancel, SandboxFaultError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Mapping

    from starlette.types import Receive, Scope, Send

    from domains import Task
    from meta_agent.assistant.admission import Gate, Key, Keys, Ticket
    from meta_agent.assistant.agents import Agent
    from meta_agent.assistant.assistant import Answer, Assistant, Step

LONGEST_BODY = 4 << 20
"""Bytes of a request."""
BEAT_S = 10.0
"""Seconds of silence after which a stream says that it is still there."""
_SEEDS = 1_000_000
T = TypeVar("T")


@dataclass(frozen=True)
class Service:
    """What a server serves, to whom, and how much of it."""

    assistant: Assistant
    agents: Mapping[str, Agent]
    """By the name of a model: ``adas/best``, ``adas/NAME``."""
    keys: Keys
    gate: Gate
    created: int = 0
    """Seconds since the epoch at which the server was started."""
    hosts: tuple[str, ...] = ("*",)
    """Values of the Host header that are answered: a page that a browser shows must not reach a server on loopback."""
    keep: Callable[[Agent, Task, Answer], None] = lambda _agent, _task, _answer: None
    """Is given every answer, in the thread that worked on it."""


def build_app(service: Service) -> FastAPI:
    """Return the application."""
    desk = _Desk(service)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        desk.close()

    app = FastAPI(title="adas", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(service.hosts))

    @app.get("/healthz")
    async def healthz() -> dict[str, Any]:
        gate, sandbox = service.gate, service.assistant.sandbox
        return {
            "status": "ok",
            "sandbox": sandbox.level,
            "agents": len(service.agents),
            "working": gate.working,
            "waiting": gate.waiting,
        }

    @app.get("/metrics")
    async def metrics() -> Response:
        return PlainTextResponse(desk.metrics.text(), media_type="text/plain; version=0.0.4")

    @app.get("/v1/models")
    async def models(request: Request) -> dict[str, Any]:
        service.keys.identify(request.headers.get("authorization", ""))
        cards = [protocol.model_card(name, agent, service.created) for name, agent in service.agents.items()]
        return {"object": "list", "data": cards}

    @app.get("/v1/models/{name:path}")
    async def model(name: str, request: Request) -> dict[str, Any]:
        service.keys.identify(request.headers.get("authorization", ""))
        return protocol.model_card(name, desk.agent(name), service.created)

    @app.post("/v1/chat/completions")
    async def chat(request: Request) -> Response:
        key = service.keys.identify(request.headers.get("authorization", ""))
        return await desk.chat(request, await _read(request), key)

    @app.exception_handler(RefusedError)
    async def refused(_request: Request, error: RefusedError) -> Response:
        headers = {} if error.retry_after is None else {"Retry-After": f"{error.retry_after:.0f}"}
        kind = "authentication_error" if error.status == 401 else "invalid_request_error"
        body = protocol.error_body(
            str(error), "rate_limit_error" if error.status == 429 else kind, error.code
        )
        return JSONResponse(body, error.status, headers)

    @app.exception_handler(HTTPException)
    async def unknown(_request: Request, error: HTTPException) -> Response:
        words = f"{error.detail}: there are /v1/models, /v1/chat/completions, /healthz and /metrics"
        return JSONResponse(
            protocol.error_body(words, "invalid_request_error", str(error.status_code)), error.status_code
        )

    return app


class _Desk:
    """Where chats are answered: each in a thread of its own, watched from the event loop."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.metrics = Metrics(service.gate)
        self._threads = ThreadPoolExecutor(service.gate.workers, thread_name_prefix="chat")
        self._under_way: set[Cancel] = set()

    def close(self) -> None:
        """End all work."""
        for cancel in list(self._under_way):
            cancel.cancel()
        self._threads.shutdown(wait=True)

    def agent(self, name: str) -> Agent:
        """Return the agent behind a model's name; raises RefusedError, 404, for an unknown one."""
        agents = self.service.agents
        found = agents.get(name) or agents.get(f"adas/{name}")
        if found is None:
            some = ", ".join(list(agents)[:8])
            raise RefusedError(404, "model_not_found", f"no model {name!r}: there are {some}; see /v1/models")
        return found

    async def chat(self, request: Request, asked: protocol.ChatRequest, key: Key | None) -> Response:
        """Answer a chat, in one piece or as a stream."""
        work = self._admitted(asked, key)
        if asked.stream:
            return _EventStream(work)
        try:
            answer = await _unless_left(request.receive, work.answer())
        finally:
            work.close()
        return (
            Response(status_code=499) if answer is None else JSONResponse(work.chat.whole(answer, work.steps))
        )

    def _admitted(self, asked: protocol.ChatRequest, key: Key | None) -> _Work:
        """Return a chat that has its place among those that work or wait; raises RefusedError."""
        agent = self.agent(asked.model)
        try:
            task = as_task(
                [message.as_message() for message in asked.messages],
                kind=asked.adas.kind,
                entry_point=asked.adas.entry_point,
                visible_tests=asked.adas.visible_tests,
            )
        except UserError as error:
            raise RefusedError(400, "invalid_request", str(error)) from None
        try:
            self.service.keys.admit(key)
            try:
                ticket = self.service.gate.ticket()
            except RefusedError:
                self.service.keys.release(key, 0)
                raise
        except RefusedError:
            self.metrics.ended(asked.model, "refused")
            raise
        return _Work(self, asked, agent, task, ticket, key)

    async def run(self, work: _Work) -> Answer:
        """Work on a chat in a thread; when this is cancelled, so is the work, and it has ended."""
        loop, cancel = asyncio.get_running_loop(), Cancel()
        self._under_way.add(cancel)
        running = loop.run_in_executor(self._threads, self._ask, work, cancel, loop)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            await loop.run_in_executor(None, cancel.cancel)
            await asyncio.gather(running, return_exceptions=True)
            raise
        finally:
            self._under_way.discard(cancel)

    def _ask(self, work: _Work, cancel: Cancel, loop: asyncio.AbstractEventLoop) -> Answer:
        def observe(step: Step) -> None:
            with suppress(RuntimeError):  # the loop has been closed
                loop.call_soon_threadsafe(work.tell, step)

        answer = self.service.assistant.ask(
            work.agent, work.task, seed=(work.asked.seed or 0) % _SEEDS, cancel=cancel, observe=observe
        )
        self.service.keep(work.agent, work.task, answer)
        return answer


class _Work:
    """One chat: from the queue to its answer."""

    def __init__(
        self,
        desk: _Desk,
        asked: protocol.ChatRequest,
        agent: Agent,
        task: Task,
        ticket: Ticket,
        key: Key | None,
    ) -> None:
        self.asked = asked
        self.agent = agent
        self.task = task
        self.chat = protocol.Chat(asked.model, agent.program.id)
        self.steps: list[str] = []
        """What the agent did so far."""
        self._desk = desk
        self._ticket = ticket
        self._key = key
        self._tokens = 0
        self._outcome = "cancelled"
        self._closed = False
        self._news: asyncio.Queue[str | None] = asyncio.Queue()

    def tell(self, step: Step) -> None:
        """Take note of a step."""
        if words := describe(step):
            self.steps.append(words)
            self._news.put_nowait(words)

    def close(self) -> None:
        """Give up the place, and count what was used; idempotent."""
        if not self._closed:
            self._closed = True
            self._ticket.release()
            self._desk.service.keys.release(self._key, self._tokens)
            self._desk.metrics.ended(self.asked.model, self._outcome)

    async def answer(self) -> Answer:
        """Wait for the turn and work.

        Raises:
            RefusedError: there is no answer; the status says who must act.
        """
        try:
            await self._ticket.turn()
            answer = await self._desk.run(self)
        except BudgetError as error:
            self._outcome = "refused"
            raise RefusedError(429, "insufficient_quota", f"{error}: restart the server with more") from None
        except UserError as error:
            self._outcome = "failed"
            raise RefusedError(422, "agent_failed", str(error)) from None
        except (OutageError, SandboxFaultError) as error:
            self._outcome = "outage"
            raise RefusedError(503, "unavailable", str(error), 5.0) from None
        finally:
            self._news.put_nowait(None)
        self._tokens = answer.prompt_tokens + answer.completion_tokens
        self._desk.metrics.worked(self.asked.model, answer)
        if answer.failure:
            self._outcome = "failed"
            last = answer.failure.strip().rpartition("\n")[2]
            raise RefusedError(422, "agent_failed", f"the agent {self.asked.model} failed: {last}")
        self._outcome = "answered"
        return answer

    async def events(self) -> AsyncIterator[bytes]:
        """Yield the steps as they happen, then the answer."""
        working = asyncio.ensure_future(self.answer())
        try:
            yield self.chat.chunk({"role": "assistant", "content": ""})
            async for words in self._told():
                yield self.chat.chunk({"reasoning_content": f"{words}\n"}) if words else protocol.BEAT
            try:
                answer = await working
            except RefusedError as error:
                yield protocol.event(protocol.error_body(str(error), "server_error", error.code))
                return
            yield self.chat.chunk({"content": answer.text})
            yield self.chat.chunk({}, "stop")
            if self.asked.with_usage:
                yield self.chat.usage(answer)
            yield protocol.DONE
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)

    async def _told(self) -> AsyncIterator[str]:
        """Yield what the agent does, an empty text after each silence, until it is done."""
        while True:
            try:
                words = await asyncio.wait_for(self._news.get(), BEAT_S)
            except TimeoutError:
                yield ""
                continue
            if words is None:
                return
            yield words


class _EventStream(StreamingResponse):
    """A chat as server-sent events, which ends when the client has left."""

    def __init__(self, work: _Work) -> None:
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        super().__init__(work.events(), media_type="text/event-stream", headers=headers)
        self._work = work

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events."""
        try:
            await _unless_left(receive, self.stream_response(send))
        finally:
            self._work.close()


async def _unless_left(receive: Receive, work: Coroutine[Any, Any, T]) -> T | None:
    """Return the result of ``work``, None when the client leaves before; the work is then cancelled, and has ended."""
    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(_left(receive))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _read(request: Request) -> protocol.ChatRequest:
    """Return the request in a body; raises RefusedError when there is none."""
    if not request.headers.get("content-type", "").startswith("application/json"):
        # A page in a browser cannot send this type to another site without asking first.
        raise RefusedError(415, "invalid_request", "expected Content-Type: application/json")
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > LONGEST_BODY:
            raise RefusedError(413, "request_too_large", f"a request has at most {LONGEST_BODY >> 20} MiB")
    try:
        return protocol.ChatRequest.model_validate_json(bytes(body))
    except ValidationError as error:
        wrong = error.errors(include_input=False, include_url=False)[:3]
        words = [f"{'.'.join(map(str, one['loc'])) or 'the body'}: {one['msg']}" for one in wrong]
        raise RefusedError(400, "invalid_request", "; ".join(words)) from None
