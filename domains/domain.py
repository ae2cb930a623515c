"""What a domain is: tasks, splits and a scorer."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandboxes import Json, Sandbox

SplitName = Literal["search", "selection", "test"]
Kind = Literal["code", "answer", "patch"]


@dataclass(frozen=True, slots=True)
class Task:
    """One question. Pure data: what the answer is compared with stays in the domain, on the host."""

    id: str
    prompt: str
    kind: Kind
    """``code``: the answer is Python source; ``answer``: a short text or number; ``patch``: a unified diff."""
    entry_point: str = ""
    """Name of the function asked for, when ``kind`` is ``code``."""
    visible_tests: tuple[str, ...] = ()
    """Tests the agent may see, each a line of Python such as ``assert f(2) == 4``."""
    metadata: Mapping[str, Json] = field(default_factory=lambda: MappingProxyType({}))

    def public(self) -> dict[str, Json]:
        """Return the JSON object that an agent program is given."""
        return {
            "id": self.id,
            "prompt": self.prompt,
            "kind": self.kind,
            "entry_point": self.entry_point,
            "visible_tests": list(self.visible_tests),
            "metadata": dict(self.metadata),
        }


@dataclass(frozen=True, slots=True)
class Score:
    """The mark for one answer."""

    value: float
    """0 (wrong) to 1 (right)."""
    reason: str = ""
    """Why, in one line, without giving the hidden tests or the expected answer away."""
    cpu_s: float = 0.0
    """CPU seconds that marking took in a sandbox."""


class Domain(Protocol):
    """A benchmark: asks and marks."""

    @property
    def name(self) -> str:
        """Short name, as :func:`domains.load_domain` takes it."""

    @property
    def version(self) -> str:
        """Digest of the data: results under different versions are never compared."""

    @property
    def scorer(self) -> str:
        """Digest of the scoring code and its parameters."""

    @property
    def description(self) -> str:
        """Two or three sentences for the meta agent: what the tasks are, what an answer must look like."""

    def tasks(self, split: SplitName) -> tuple[Task, ...]:
        """Return the tasks of a split, in their fixed order; the splits are pairwise disjoint."""

    def score(self, task: Task, answer: Json, sandbox: Sandbox) -> Score:
        """Mark an answer; never raises for a bad answer, whatever its type."""

    def key(self, answer: Json) -> str:
        """Return a canonical text of an answer, equal for answers that mean the same (used for voting)."""


@runtime_checkable
class Guarded(Protocol):
    """What a domain may have besides, so that marks without merit are noticed."""

    def shown(self, task: Task, sandbox: Sandbox) -> bool:
        """Return whether the agent is shown all that its answer is compared with."""

    def canary(self, task: Task, answer: Json, sandbox: Sandbox) -> Score:
        """Mark an answer by what no answer can meet: more than 0 means that marking was cheated."""


class DomainError(ValueError):
    """The user named a domain, file or split that cannot be had.

    One line says what was expected, what came, what to do.
    """
