"""A real server in a thread, with scripted models behind it."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import uvicorn

from archive import Program
from meta_agent.agents import load_agent
from meta_agent.assistant.admission import Gate, Keys
from meta_agent.assistant.agents import Agent
from meta_agent.assistant.assistant import Assistant
from meta_agent.assistant.server import Service, build_app
from meta_agent.evaluation import Allowance
from meta_agent.llm import FREE, Backend, Gateway, ScriptedLLM

if TYPE_CHECKING:
    from meta_agent.llm import Request
    from sandboxes import ProcessSandbox

THINKS = """
def forward(task, kit):
    kit.log("begins")
    first = kit.llm(f"{task.prompt}\\n\\nFirst thoughts?", temperature=0.5)
    return kit.llm(f"{task.prompt}\\n\\n{first}\\n\\nAnswer.")
"""
"""Two model calls, one after the other; the second one is the answer."""


def echo(request: Request) -> str:
    """Answer with the beginning of the question."""
    return f"You said: {request.messages[-1].content[:200]}"


@dataclass
class Running:
    """A server that answers."""

    url: str
    service: Service
    llm: ScriptedLLM


Serve = Callable[..., "contextmanager[Running]"]


def agent_of(source: str, name: str = "thinks") -> Agent:
    return Agent(name, Program(source=source, name=name), "scripted")


@pytest.fixture
def serve(sandbox: ProcessSandbox) -> Callable[..., Iterator[Running]]:
    """Return what starts a server: ``with serve(reply, latency=..., agents=...) as running``."""

    @contextmanager
    def start(
        reply: Callable[[Request], str] = echo,
        *,
        latency: float = 0.0,
        agents: dict[str, Agent] | None = None,
        keys: Keys | None = None,
        workers: int = 8,
        queue: int = 8,
        allowance: Allowance | None = None,
        keep: Callable[..., None] = lambda *_: None,
    ) -> Iterator[Running]:
        llm = ScriptedLLM(reply, latency)
        if agents is None:
            direct = Agent("direct", load_agent("direct"), "scripted")
            agents = {"adas/best": direct, "adas/direct": direct, "adas/thinks": agent_of(THINKS)}
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        listening.listen(1024)
        with (
            Gateway(lambda _: Backend(llm, None, FREE)) as gateway,
            Assistant(gateway, sandbox, allowance or Allowance(tokens=60_000)) as assistant,
        ):
            service = Service(
                assistant,
                agents,
                keys or Keys([]),
                Gate(workers, queue),
                hosts=("127.0.0.1", "localhost"),
                keep=keep,
            )
            settings = uvicorn.Config(build_app(service), log_level="error", timeout_graceful_shutdown=3)
            server = uvicorn.Server(settings)
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
            thread.start()
            try:
                yield Running(f"http://127.0.0.1:{listening.getsockname()[1]}", service, llm)
            finally:
                server.should_exit = True
                thread.join()
                listening.close()

    return start  # type: ignore[return-value]


def number_in(text: str) -> int:
    found = re.search(r"\d+", text)
    assert found
    return int(found[0])
