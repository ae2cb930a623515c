"""A conversation in the terminal: questions to an agent, and changes of a repository that can be undone."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from rich.markdown import Markdown
from rich.text import Text

from archive.report import printable
from meta_agent.assistant import provenance
from meta_agent.assistant.agents import find_agent
from meta_agent.assistant.assistant import describe
from meta_agent.assistant.coder import Coder, Proposal, apply
from meta_agent.assistant.conversation import as_task
from meta_agent.assistant.show import coloured
from meta_agent.errors import BudgetError, OutageError, UserError
from meta_agent.llm import Message
from sandboxes import Cancel, SandboxFaultError, SandboxUnavailableError, SessionCancelledError
from sandboxes.snapshot import Snapshot, WorkspaceError
from sandboxes.workspace import Changes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rich.console import Console

    from archive import Archive
    from meta_agent.assistant.agents import Agent
    from meta_agent.assistant.assistant import Answer, Assistant, Step

HELP = """Write a question, and the agent answers. Commands:

/agent [NAME]      whom you talk to, or another one
/agents            who there is
/model [NAME]      what it runs on, or another one
/card              what was measured of it
/code REQUEST      have it change the repository: on a copy, tested, applied on your yes
/diff              the last change
/undo              take the last thing back: a change that was applied, or the last question with its answer
/clear             forget the conversation
/quit              end (so does Ctrl-D); Ctrl-C ends what is under way"""
T = TypeVar("T")
COMMANDS = ("/agent", "/agents", "/model", "/card", "/code", "/diff", "/undo", "/clear", "/help", "/quit")
_FAILURES = (
    UserError, OutageError, BudgetError, SandboxFaultError, SandboxUnavailableError, WorkspaceError, OSError,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Applied:
    """A change that can be undone."""

    proposal: Proposal
    before: Snapshot


class Terminal:
    """One conversation. Used by one thread; what takes long runs in another, so that Ctrl-C reaches it.

    Args:
        console: where to say things.
        assistant: lets agents work.
        agent: whom to talk to at first.
        agents: who there is besides.
        archive: knows further agents, and the score cards.
        folder: the repository to change, None for none.
        open_model: opens a model; raises UserError when there is none of that name.
        agree: asks a yes-or-no question.
    """

    def __init__(
        self,
        console: Console,
        assistant: Assistant,
        agent: Agent,
        agents: list[Agent],
        archive: Archive | None,
        folder: Path | None,
        open_model: Callable[[str], object],
        agree: Callable[[str], bool],
    ) -> None:
        self.console = console
        self.assistant = assistant
        self.agent = agent
        self.messages: list[Message] = []
        self.calls = 0
        self.tokens = 0
        self.cost_usd: float | None = 0.0
        self._agents = agents
        self._archive = archive
        self._folder = folder
        self._open_model = open_model
        self._agree = agree
        self._last: Proposal | None = None
        self._applied: list[_Applied] = []

    def handle(self, line: str) -> bool:
        """Do what a line says; return whether the conversation goes on."""
        line = line.strip()
        word, _, rest = line.partition(" ")
        commands: dict[str, Callable[[str], None]] = {
            "/agent": self._choose_agent,
            "/agents": self._list_agents,
            "/model": self._choose_model,
            "/card": self._show_card,
            "/code": self._code,
            "/diff": self._diff,
            "/undo": self._undo,
            "/clear": self._clear,
            "/help": lambda _: self.console.print(Text(HELP)),
        }
        if word == "/quit":
            return False
        try:
            if word in commands:
                commands[word](rest.strip())
            elif word.startswith("/"):
                self._say(f"no command {word}: /help lists them", "red")
            elif line:
                self._ask(line)
        except SessionCancelledError:
            self._say("Stopped.", "yellow")
        except _FAILURES as error:
            self._say(str(error), "red")
        return True

    @property
    def cost_line(self) -> str:
        """What the conversation came to so far."""
        cost = (
            "price unknown" if self.cost_usd is None else f"${self.cost_usd:.4f}" if self.cost_usd else "free"
        )
        return f"{self.agent.name} on {self.agent.model} | {self.calls} calls, {self.tokens:,} tokens, {cost}"

    def _ask(self, question: str) -> None:
        messages = [*self.messages, Message("user", question)]
        task = as_task(messages)
        answer = self._interruptibly(
            lambda cancel: self.assistant.ask(self.agent, task, cancel=cancel, observe=self._follow)
        )
        self._count(answer)
        if answer.failure:
            raise UserError(f"{self.agent.name} failed: {answer.failure.strip().rpartition(chr(10))[2]}")
        self.messages = [*messages, Message("assistant", answer.text)]
        self.console.print(Markdown(printable(answer.text)))
        self._say(self.cost_line, "dim")

    def _code(self, request: str) -> None:
        if self._folder is None or not request:
            raise UserError("expected /code REQUEST, in a conversation that was started with --repo")
        snapshot = Snapshot.of(self._folder)
        coder = Coder(self.assistant, snapshot)

        def work(cancel: Cancel) -> Proposal:
            with cancel.covering():
                return coder.propose(self.agent, request, cancel=cancel, observe=self._follow)

        proposal = self._last = self._interruptibly(work)
        for answer in proposal.answers:
            self._count(answer)
        self.console.print(coloured(proposal.patch))
        self._say(proposal.words, "bold")
        if self._agree("Apply?"):
            apply(proposal, self._folder, snapshot)
            self._applied.append(_Applied(proposal, snapshot))
            self._say(f"Applied to {', '.join(proposal.files)}; /undo takes it back.")
        self._say(self.cost_line, "dim")

    def _diff(self, _: str) -> None:
        if self._last is None:
            raise UserError("there is no change to show yet: /code REQUEST makes one")
        self.console.print(coloured(self._last.patch))
        self._say(self._last.words, "bold")

    def _undo(self, _: str) -> None:
        if self._applied and self._folder is not None:
            self._take_back(self._applied[-1], self._folder)
            del self._applied[-1]
        elif self.messages:
            self.messages = self.messages[:-2]
            self._say("Took back the last question and its answer.")
        else:
            raise UserError("there is nothing to take back")

    def _take_back(self, applied: _Applied, folder: Path) -> None:
        now, files = Snapshot.of(folder), applied.proposal.files
        if changed := [path for path, data in files.items() if now.files.get(path) != data]:
            raise UserError(f"{changed[0]} was changed since: nothing was taken back")
        before = {path: applied.before.files.get(path) for path in files}
        Changes(
            written={path: data for path, data in before.items() if data is not None},
            executable=set(applied.before.executable),
            deleted={path for path, data in before.items() if data is None},
        ).apply(folder)
        self._say(f"Took back the change of {', '.join(files)}.")

    def _choose_agent(self, name: str) -> None:
        if name:
            found = next((one for one in self._agents if one.name == name), None)
            self.agent = found or find_agent(name, self._archive, self.agent.model)
        self._say(f"{self.agent.name} on {self.agent.model}")

    def _choose_model(self, name: str) -> None:
        if name:
            self._open_model(name)
            self.agent = replace(self.agent, model=name)
        self._say(f"{self.agent.name} on {self.agent.model}")

    def _list_agents(self, _: str) -> None:
        for one in self._agents:
            measured = f": {one.standing.mean:.1%} of {one.standing.n} tasks" if one.standing else ""
            self._say(f"{one.name} on {one.model}{measured}")

    def _show_card(self, _: str) -> None:
        if self._archive is None or self.agent.standing is None:
            raise UserError(f"nothing was measured of {self.agent.name}")
        for line in provenance.lines(provenance.score_card(self._archive, self.agent.program.id)):
            self._say(line)

    def _clear(self, _: str) -> None:
        self.messages = []
        self._say("Forgotten.")

    def _follow(self, step: Step) -> None:
        if words := describe(step):
            self._say(f"  {words}", "dim")

    def _say(self, words: str, style: str = "") -> None:
        self.console.print(Text(printable(words), style), soft_wrap=True)

    def _count(self, answer: Answer) -> None:
        self.calls += answer.calls
        self.tokens += answer.prompt_tokens + answer.completion_tokens
        known = self.cost_usd is not None and answer.cost_usd is not None
        self.cost_usd = (self.cost_usd or 0.0) + (answer.cost_usd or 0.0) if known else None

    def _interruptibly(self, work: Callable[[Cancel], T]) -> T:
        """Do some work in a thread; Ctrl-C ends it, and raises SessionCancelledError."""
        cancel, done = Cancel(), Future[T]()

        def run() -> None:
            try:
                done.set_result(work(cancel))
            except BaseException as error:  # noqa: BLE001 - whoever waits is told
                done.set_exception(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        while True:
            try:
                return done.result()
            except KeyboardInterrupt:
                cancel.cancel()
