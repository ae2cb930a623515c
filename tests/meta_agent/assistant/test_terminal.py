"""The conversation in the terminal, line by line."""

from __future__ import annotations

import io
import os
import signal
import threading
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from meta_agent.agents import load_agent
from meta_agent.assistant.agents import Agent
from meta_agent.assistant.assistant import Assistant
from meta_agent.assistant.terminal import Terminal
from meta_agent.errors import UserError
from meta_agent.llm import FREE, Backend, Gateway, ScriptedLLM
from tests.meta_agent.assistant.conftest import THINKS, agent_of, echo
from tests.meta_agent.assistant.replies import repairs
from tests.meta_agent.commands.test_code import SUMS, TESTS, tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from meta_agent.llm import Request
    from sandboxes import ProcessSandbox

DIRECT = Agent("direct", load_agent("direct"), "scripted")


class Talk:
    """A terminal and what it said."""

    def __init__(self, assistant: Assistant, folder: Path | None, answers: list[bool]) -> None:
        self.out = io.StringIO()
        self.answers = answers
        self.terminal = Terminal(
            Console(file=self.out, width=100),
            assistant,
            DIRECT,
            [DIRECT, agent_of(THINKS)],
            None,
            folder,
            open_model=self.open_model,
            agree=lambda _question: self.answers.pop(0),
        )

    def open_model(self, name: str) -> None:
        if name == "nothing":
            raise UserError("there is no model nothing")

    def __call__(self, line: str) -> str:
        before = len(self.out.getvalue())
        assert self.terminal.handle(line)
        return self.out.getvalue()[before:]


Begin = "Callable[..., Talk]"


@pytest.fixture
def begin(sandbox: ProcessSandbox) -> Iterator[Callable[..., Talk]]:
    gateways: list[Gateway] = []
    assistants: list[Assistant] = []

    def start(
        reply: Callable[[Request], str] = echo, folder: Path | None = None, answers: tuple[bool, ...] = ()
    ) -> Talk:
        gateways.append(Gateway(lambda _: Backend(ScriptedLLM(reply), None, FREE)))
        assistants.append(Assistant(gateways[-1], sandbox))
        return Talk(assistants[-1], folder, list(answers))

    yield start
    for one in (*assistants, *gateways):
        one.close()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "sums.py").write_text(SUMS)
    (tmp_path / "test_sums.py").write_text(TESTS)
    return tmp_path


def test_questions_answers_and_what_they_cost(begin: Callable[..., Talk]) -> None:
    prompts: list[str] = []

    def reply(request: Request) -> str:
        prompts.append(request.messages[-1].content)
        return f"Reply {len(prompts)}\x1b[2J"

    talk = begin(reply)
    said = talk("My name is Ann.")
    assert "Reply 1\\x1b[2J" in said
    assert "\x1b[2J" not in said
    assert "direct on scripted | 1 calls," in said
    assert said.rstrip().endswith("tokens, free")
    assert "2 calls" in talk("What is my name?")
    assert "User: My name is Ann." in prompts[1]
    assert "Took back" in talk("/undo")
    talk("And now?")
    assert "What is my name?" not in prompts[2]
    assert "My name is Ann." in prompts[2]
    assert talk("/clear") == "Forgotten.\n"
    talk("Alone?")
    assert "Ann" not in prompts[3]
    assert not talk.terminal.handle("/quit")


def test_another_agent_and_another_model(begin: Callable[..., Talk]) -> None:
    talk = begin()
    assert talk("/agents") == "direct on scripted\nthinks on scripted\n"
    assert talk("/agent thinks") == "thinks on scripted\n"
    assert "begins" in talk("Hello")
    assert talk("/agent self_debug") == "self-debug on scripted\n"
    assert "unknown agent 'nobody'" in talk("/agent nobody")
    assert talk("/model other") == "self-debug on other\n"
    assert "there is no model nothing" in talk("/model nothing")
    assert talk("/model") == "self-debug on other\n"
    assert "nothing was measured of self-debug" in talk("/card")
    assert "/undo" in talk("/help")
    assert "no command /x" in talk("/x")
    assert talk("   ") == ""


def test_a_change_is_shown_applied_and_taken_back(begin: Callable[..., Talk], repository: Path) -> None:
    talk = begin(repairs, repository, (False, True))
    before = tree(repository)
    refused = talk("/code add subtracts")
    assert "+    return a + b" in refused
    assert "verified: 2 of 2 tests pass, 1 of which failed before" in refused
    assert tree(repository) == before
    assert "+    return a + b" in talk("/diff")
    assert "Applied to sums.py" in talk("/code add subtracts")
    assert (repository / "sums.py").read_text() == SUMS.replace("-", "+")
    assert "Took back the change of sums.py" in talk("/undo")
    assert (repository / "sums.py").read_text() == SUMS
    assert "there is nothing to take back" in talk("/undo")


def test_what_was_changed_since_is_not_taken_back(begin: Callable[..., Talk], repository: Path) -> None:
    talk = begin(repairs, repository, (True,))
    talk("/code add subtracts")
    (repository / "sums.py").write_text("mine\n")
    assert "sums.py was changed since" in talk("/undo")
    assert (repository / "sums.py").read_text() == "mine\n"


def test_a_change_needs_a_repository(begin: Callable[..., Talk], repository: Path) -> None:
    assert "started with --repo" in begin()("/code x")
    assert "there is no change to show" in begin()("/diff")
    assert "proposes no change" in begin(echo, repository)("/code x")


def test_ctrl_c_ends_what_is_under_way(begin: Callable[..., Talk]) -> None:
    asked = threading.Event()

    def reply(_request: Request) -> str:
        if not asked.is_set():
            asked.set()
            os.kill(os.getpid(), signal.SIGINT)
            threading.Event().wait(1)
        return "done"

    talk = begin(reply)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert talk("Hello") == "Stopped.\n"
    finally:
        signal.signal(signal.SIGINT, before)
    assert "done" in talk("Again?")


def test_a_failure_is_a_line(begin: Callable[..., Talk]) -> None:
    talk = begin()
    talk.terminal.agent = agent_of("def forward(task, kit):\n    return 1 / 0", "broken")
    assert talk("Hello") == "broken failed: ZeroDivisionError: division by zero\n"
    assert talk.terminal.messages == []
