"""An archive that a real search made, one full of hostile text, and servers for both."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import uvicorn
from langgraph.checkpoint.memory import InMemorySaver

from archive import Archive, Call, Claim, Evaluation, Failure, Member, Program, Rollout, Run
from archive.web.app import build_app
from domains import load_domain
from meta_agent.agents import load_agent
from meta_agent.config import SearchConfig
from meta_agent.evaluation import Allowance, Evaluator
from meta_agent.llm import FREE, Backend, Cache, Gateway, ScriptedLLM
from meta_agent.proposers import open_proposers
from meta_agent.search import Search
from sandboxes import ProcessSandbox
from tests.meta_agent.rehearsal import agent, meta, write_tasks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOSTILE = "<script>window.pwned = 1</script><img src=x onerror='window.pwned=1'>\x1b[31mred\x1b]0;title\x07 \u202egnp.exe\u2066 \0{{ 7 * 7 }}"
FLOOD = 10_000_000


@dataclass
class Site:
    """A server and what it shows."""

    address: str
    archive: Archive

    def get(self, path: str, **options: Any) -> httpx.Response:
        return httpx.get(self.address + path, timeout=60, **options)


@contextmanager
def served(path: Path, *, allow_edit: bool = False) -> Iterator[Site]:
    """Serve an archive from a thread of this process."""
    with Archive(path) as archive, socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        app = build_app(archive, allow_edit=allow_edit)
        server = uvicorn.Server(
            uvicorn.Config(app, log_level="warning", lifespan="off", ws="none", loop="asyncio")
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        site = Site(f"http://127.0.0.1:{listening.getsockname()[1]}", archive)
        try:
            while site.get("/").status_code == 503:
                time.sleep(0.05)
            yield site
        finally:
            server.should_exit = server.force_exit = True
            thread.join()


@pytest.fixture(scope="session")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive of a search, one program of which met the sealed test: scripted models, the real sandbox."""
    folder = tmp_path_factory.mktemp("searched")
    sizes = {"search": 5, "selection": 3, "test": 4}
    domain = load_domain(str(write_tasks(folder / "plus.jsonl")), sizes=sizes)  # type: ignore[arg-type]
    replies = {"agent": agent, "meta": meta}
    with (
        closing(ProcessSandbox()) as sandbox,
        Archive(folder / "archive.db") as archive,
        Gateway(
            lambda model: Backend(ScriptedLLM(replies[model]), None, FREE),
            cache=Cache(),
            ledger=archive.add_call,
            run="r",
        ) as gateway,
    ):
        archive.add_run(Run("r", "search", domain.name, domain.version))
        allowance = Allowance(calls=8)
        evaluator = Evaluator(
            archive=archive, domain=domain, gateway=gateway, sandbox=sandbox, model="agent", workers=4, allowance=allowance
        )  # fmt: skip
        Search(
            run="r",
            config=SearchConfig(generations=2, width=3),
            domain=domain,
            archive=archive,
            evaluator=evaluator,
            proposers=open_proposers(
                ["reflective", "tuning"], gateway, "meta", description="", kind="code", calls=8
            ),
            seeds=[load_agent(name) for name in ("direct", "self_consistency", "self_debug")],
        )(InMemorySaver())
        best = archive.program(archive.best(run="r")[0].evaluation.program)
        archive.open_split("r", "test", [best.id])
        evaluator.evaluate("r", [best], domain.tasks("test"), "test")
        evaluator.close()
        archive.set_run_state("r", "done")
    return folder / "archive.db"


@pytest.fixture(scope="module")
def site(searched: Path) -> Iterator[Site]:
    with served(searched) as site:
        yield site


@pytest.fixture
def editable(filled: Archive) -> Iterator[Site]:
    """A server that takes remarks."""
    filled.close()
    with served(filled.name, allow_edit=True) as site:  # type: ignore[arg-type]
        yield site


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An archive in which every text is an attack, and some are far too long."""
    path = tmp_path_factory.mktemp("hostile") / "archive.db"
    with Archive(path) as archive:
        archive.add_run(Run("h", "search", HOSTILE, HOSTILE, {"note": HOSTILE}))
        parent = archive.add_program(Program(f"x = '''{HOSTILE}'''", HOSTILE, HOSTILE))
        child = archive.add_program(
            Program(f"# {HOSTILE}\n" + "y = 1\n" * 100_000, HOSTILE + "2", HOSTILE * 1000)
        )
        archive.add_member(Member("h", parent.id, 0, 0, proposer=HOSTILE))
        archive.add_member(Member("h", child.id, 1, 0, (parent.id,), proposer=HOSTILE))
        for program in (parent, child):
            one = Evaluation("h", program.id, HOSTILE, "1", "search", HOSTILE, 0, HOSTILE, 2)
            archive.add_evaluation(one)
            steps = (
                {"op": "llm", "prompt": HOSTILE, "reply": "A" * FLOOD},
                {"op": HOSTILE, HOSTILE: HOSTILE, "tests": [HOSTILE]},
            )
            archive.add_rollout(Rollout(one.id, HOSTILE, 1.0, HOSTILE * 10, trace=steps))
            archive.add_rollout(Rollout(one.id, "other", 0.0, "B" * FLOOD, HOSTILE, HOSTILE))
        archive.add_failure(Failure("h", 1, 1, 0, "try", HOSTILE, HOSTILE))
        archive.add_all([Claim("h", 1, HOSTILE, parent.id, HOSTILE)])
        archive.add_call(
            Call("h", HOSTILE, HOSTILE, HOSTILE, False, 1, 1, None, 1.0, 5.0, HOSTILE, "C" * FLOOD)
        )
    with served(path) as site:
        yield site
