"""What the archive remembers: plain frozen records, one class a table.

The outcome of one program on one task (:class:`Rollout`) is the primary datum; every mean, interval and
comparison is computed from rollouts, never stored in their place.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Literal

Origin = Literal["hand", "search", "import"]
Split = Literal["search", "selection", "test"]


def program_id(source: str) -> str:
    """Return the id of a program: the first 16 hex digits of the SHA-256 of its source.

    Line ends and trailing blanks do not count, so that a file that went through an editor keeps its id.
    """
    lines = source.strip().replace("\r\n", "\n").replace("\r", "\n").split("\n")
    text = "\n".join(line.rstrip() for line in lines) + "\n"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Program:
    """An agent program, kept once whatever the number of runs it appears in."""

    source: str
    """Python source with one ``forward(task, kit)``, or of a published ADAS program, ``forward(self, taskInfo)``."""
    name: str
    thought: str = ""
    """Why its author wrote it: the idea in a few sentences."""
    origin: Origin = "search"
    id: str = ""
    """:func:`program_id` of the source; filled in when left empty."""
    created: float = 0.0
    """Unix time; set by the archive when it is 0."""

    def __post_init__(self) -> None:
        """Derive the id from the source."""
        if not self.id:
            object.__setattr__(self, "id", program_id(self.source))


@dataclass(frozen=True, slots=True)
class Run:
    """One search, evaluation or import."""

    id: str
    kind: Literal["search", "evaluate", "import"]
    domain: str
    domain_version: str
    config: dict[str, object] = field(default_factory=dict)
    """The final configuration, enough to repeat the run."""
    state: Literal["running", "paused", "done"] = "running"
    created: float = 0.0


@dataclass(frozen=True, slots=True)
class Member:
    """A program's place in a run: who its parents were and how it came about."""

    run: str
    program: str
    generation: int
    """0 for seeds, then 1, 2, ..."""
    slot: int = 0
    """Position inside the generation."""
    parents: tuple[str, ...] = ()
    """Ids of the programs its proposer was shown as parents."""
    diff: str = ""
    """Unified diff against the first parent."""
    repairs: int = 0
    """How many times it was repaired before it ran."""
    proposer: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """A figure that somebody published for a program. It was not measured here, and is never mixed with what was."""

    run: str
    """The import that brought it."""
    number: int
    """The row of the published archive, from 1; a program that was published twice has claims in two rows."""
    what: str
    """The name it was published under, such as ``test_fitness``."""
    program: str
    text: str
    """As published."""
    point: float | None = None
    """0 to 1, where the text can be read so."""
    low: float | None = None
    """Lower end of the published interval, which need not hold the point."""
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """A proposal that did not become a member, or a repair step on the way; counted and shown, never lost."""

    run: str
    generation: int
    slot: int
    attempt: int
    stage: Literal["propose", "check", "try", "evaluate", "duplicate"]
    reason: str
    source: str = ""
    created: float = 0.0


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One program measured on one set of tasks under fixed conditions; its rollouts carry the outcomes."""

    run: str
    program: str
    domain: str
    domain_version: str
    split: Split
    model: str
    seed: int
    """Sampling seed: the base of the sample indices that its model calls used."""
    scorer: str
    """Hash of the scorer, so that a changed scorer is never compared with an old one unseen."""
    tasks: int
    """How many tasks it was asked to cover; complete when as many rollouts are present."""
    id: str = ""
    """Digest of all fields above except ``tasks``: the same conditions are the same evaluation."""
    created: float = 0.0

    def __post_init__(self) -> None:
        """Derive the id from the conditions."""
        if not self.id:
            key = "\x00".join(
                (
                    self.run,
                    self.program,
                    self.domain,
                    self.domain_version,
                    self.split,
                    self.model,
                    str(self.seed),
                    self.scorer,
                )
            )
            object.__setattr__(
                self, "id", hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:16]
            )


@dataclass(frozen=True, slots=True)
class Rollout:
    """One program on one task, once."""

    evaluation: str
    task: str
    score: float
    """0 to 1."""
    answer: str = ""
    """What the program returned, as text."""
    failure: str = ""
    """Why there was no answer (the program's own error or a limit); empty when it answered."""
    reason: str = ""
    """The scorer's words."""
    calls: int = 0
    """Model calls, cached ones included: what the program would cost to anybody."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float | None = None
    """None when the model's price is unknown; a local model costs 0."""
    seconds: float = 0.0
    """Wall seconds, model waits included."""
    cpu_seconds: float = 0.0
    """CPU seconds inside sandboxes."""
    trace: tuple[dict[str, object], ...] = ()
    """Its conversation: one JSON object an event (llm, run, log), compressed when stored."""
    created: float = 0.0


@dataclass(frozen=True, slots=True)
class Drop:
    """Why an evaluation ends before its last task: the program had lost its race against earlier ones."""

    evaluation: str
    tasks: int
    """Tasks after which it was dropped."""
    difference: float
    """Its mean score on them minus that of the rivals that led."""
    low: float
    """Lower bound of the difference; like the upper one it holds at all times at once, with probability 1 - risk."""
    high: float
    risk: float
    """Probability of dropping a program that is as good as any."""
    reason: str
    saved_calls: int
    """Model calls that the other tasks would have taken, at its mean so far."""
    created: float = 0.0


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that looks as if scores could be had without solving tasks. It changes no score; a person must look."""

    run: str
    kind: Literal["sentinel", "leak", "no calls", "canary"]
    words: str
    program: str = ""
    """Its id; empty when the alarm is about the benchmark."""
    task: str = ""
    created: float = 0.0


@dataclass(frozen=True, slots=True)
class Remark:
    """What a person said of a program while looking at a run; a later remark may take an earlier one back."""

    run: str
    program: str
    kind: Literal["tag", "untag", "note", "pin", "unpin"]
    text: str = ""
    """The tag or the note; empty for a pin."""
    created: float = 0.0


@dataclass(frozen=True, slots=True)
class Call:
    """One model call as the gateway saw it: the ledger of a run."""

    run: str
    role: str
    """Who asked: ``meta`` or ``agent``."""
    model: str
    key: str
    """Cache key of the request."""
    cached: bool
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None
    seconds: float
    created: float = 0.0
    request: str = ""
    """JSON, compressed when stored."""
    reply: str = ""


@dataclass(frozen=True, slots=True)
class Opening:
    """The record that a run opened its sealed test split."""

    run: str
    split: Split
    programs: tuple[str, ...]
    created: float = 0.0
