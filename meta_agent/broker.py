"""The host's side of one rollout: answers what an agent program asks through its kit, and keeps the books.

No key, no test that is hidden, and no text of the host ever goes into an answer.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import TYPE_CHECKING, Literal, Protocol

from meta_agent import partial
from meta_agent.errors import RequestError
from meta_agent.fields import BadFieldError, integer, number, text, texts
from meta_agent.llm.llm import Completion, Request, messages
from meta_agent.repository_desk import ASKED, RepositoryDesk
from meta_agent.selectors import (
    BY_TESTS,
    SELECTORS,
    Behaviour,
    Evidence,
    majority,
    values_as_numbers,
)
from sandboxes import Json, Limits, Outcome, Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from domains import Task
    from meta_agent.repository import Repository

RUN_LIMITS = Limits(wall_s=20.0, cpu_s=4.0)
STOP = ("\n```\n",)
"""A reply ends at its closing code fence: small models go on explaining for ever."""
MAX_TRACE_TEXT = 20_000
MAX_TRACE = 4_000_000
"""Characters of a rollout's trace; a request beyond that is answered, but not kept."""

_CALLS = """
def __calls__(calls):
    import signal
    def stop(*_):
        raise TimeoutError("one call took more than a second")
    signal.signal(signal.SIGVTALRM, stop)
    seen = []
    for text in calls:
        value = error = ""
        try:
            signal.setitimer(signal.ITIMER_VIRTUAL, 1.0)
            value = repr(eval(text, globals()))[:2000]
        except BaseException as failure:
            error = f"{type(failure).__name__}: {failure}"[:300]
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        seen.append([value, error])
    return seen
"""
"""Put after a candidate: evaluates calls one by one, a second of processor time each."""


class Gateway(Protocol):
    """The part of the gateway that a rollout needs."""

    def complete(self, request: Request, role: Literal["agent", "meta"] = "agent") -> Completion:
        """Return one completion."""


class Meanings(Protocol):
    """The part of a domain that a rollout needs."""

    def key(self, answer: Json) -> str:
        """Return a canonical text of an answer, equal for answers that mean the same."""


@dataclass
class Broker:
    """Serves one program on one task; call it with a request, get the answer. Used by one thread."""

    task: Task
    domain: Meanings
    gateway: Gateway
    sandbox: Sandbox
    model: str
    seed: int = 0
    """Base of the sample indices: equal prompts under another seed are drawn anew."""
    max_calls: int = 20
    max_tokens: int = 16_000
    deadline_s: float = 600.0
    repository: Repository | None = None
    """What a task of kind ``patch`` is about."""
    stop: tuple[str, ...] | None = None
    """Ends a reply; :data:`STOP` by default, and nothing where the answer is a patch, which may need many fences."""
    reply_tokens: int = 0
    """A reply may be at least so long, however little the program asks for."""
    observe: Callable[[dict[str, object]], None] = lambda _step: None
    """Is told of each step, as the trace holds it, when it is done."""
    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float | None = 0.0
    cpu_s: float = 0.0
    trace: list[dict[str, object]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Start the clock."""
        self._started = time.monotonic()
        self._stop = self.stop if self.stop is not None else () if self.task.kind == "patch" else STOP
        self._desk = RepositoryDesk(self.repository) if self.repository else None
        self._drawn: Counter[str] = Counter()
        self._traced = 0

    def __call__(self, request: dict[str, Json]) -> dict[str, Json]:
        """Answer one request; a bad one gets ``{"error": reason}``."""
        operations = {
            "llm": self._llm,
            "run": self._run,
            "call": self._call,
            "run_partial": self._run_partial,
            "vote": self._vote,
            "classes": self._classes,
            "select": self._select,
            "repo": self._repo,
            "remaining": self._remaining,
            "log": self._log,
        }
        op = request.get("op")
        if not isinstance(op, str) or op not in operations:
            return {"error": f"unknown operation: expected one of {', '.join(operations)}"}
        try:
            return operations[op](request)
        except (RequestError, BadFieldError) as error:
            return {"error": str(error)}

    def _llm(self, request: dict[str, Json]) -> dict[str, Json]:
        """Draw ``n`` replies side by side; what would exceed the allowance is refused before anything is paid."""
        n = integer(request, "n", 1, 1, 16)
        if self.calls + n > self.max_calls:
            raise BadFieldError(
                f"no model calls left: this task allows {self.max_calls}, {self.calls} are used and {n} asked for"
            )
        if self.prompt_tokens + self.completion_tokens >= self.max_tokens:
            raise BadFieldError(f"no tokens left: this task allows {self.max_tokens}")
        draws = [self._draw(request) for _ in range(n)]
        self.calls += n
        if n == 1:
            completions = [self.gateway.complete(draws[0])]
        else:
            with ThreadPoolExecutor(n) as side_by_side:
                completions = list(side_by_side.map(self.gateway.complete, draws))
        for draw, completion in zip(draws, completions, strict=True):
            self._count(draw, completion)
        return {"texts": [completion.text for completion in completions]}

    def _draw(self, request: dict[str, Json]) -> Request:
        """Return the next draw of a request: its sample index depends on nothing but earlier draws of this rollout."""
        prompt, system = text(request, "prompt"), text(request, "system")
        temperature = number(request, "temperature", 0.0, 0.0, 2.0)
        drafted = Request(
            model=self.model,
            messages=messages(system, prompt),
            temperature=temperature,
            stop=(*self._stop, *texts(request, "stop")[:3]),
            max_tokens=max(self.reply_tokens, integer(request, "max_tokens", 512, 1, 2048)),
            schema=_schema(texts(request, "fields")),
        )
        key = drafted.key()
        sample = 0 if temperature == 0 else self.seed * 1000 + self._drawn[key]
        self._drawn[key] += 1
        return replace(drafted, sample=sample)

    def _count(self, draw: Request, completion: Completion) -> None:
        self.prompt_tokens += completion.prompt_tokens
        self.completion_tokens += completion.completion_tokens
        known = self.cost_usd is not None and completion.cost_usd is not None
        self.cost_usd = (self.cost_usd or 0.0) + (completion.cost_usd or 0.0) if known else None
        *system, user = draw.messages
        self._record(
            "llm",
            prompt=user.content,
            system=system[0].content if system else "",
            temperature=draw.temperature,
            sample=draw.sample,
            reply=completion.text,
            finish=completion.finish,
        )

    def _run(self, request: dict[str, Json]) -> dict[str, Json]:
        code, tests = text(request, "code"), texts(request, "tests")
        outcome = self.sandbox.check(code, tests, limits=RUN_LIMITS)
        self.cpu_s += outcome.cpu_s
        share = sum(outcome.passed) / len(tests) if tests else float(outcome.ok)
        passed = share == 1.0 and outcome.killed_by is None and (outcome.ok or bool(tests))
        said = "" if passed else feedback(outcome, tests)
        self._record("run", code=code, tests=list(tests), score=share, feedback=said)
        return {"passed": passed, "score": share, "feedback": said, "output": outcome.stdout[-2000:]}

    def _call(self, request: dict[str, Json]) -> dict[str, Json]:
        code, calls = text(request, "code"), texts(request, "calls", at_least=1)
        outcome = self.sandbox.run(f"{code}\n{_CALLS}", entry="__calls__", args=[[*calls]], limits=RUN_LIMITS)
        self.cpu_s += outcome.cpu_s
        values: Json = outcome.value
        if not (outcome.ok and isinstance(values, list)):
            values = [["", _last_line(outcome.error, outcome.killed_by)]] * len(calls)
        self._record("call", code=code, calls=calls, values=values)
        return {"values": values}

    def _run_partial(self, request: dict[str, Json]) -> dict[str, Json]:
        code = text(request, "code")
        outcome = self.sandbox.session(
            partial.PROGRAM,
            {"code": code},
            lambda request: self({**request, "op": "llm"}),
            kit=partial.source(),
            limits=RUN_LIMITS,
        )
        self.cpu_s += outcome.cpu_s
        seen = outcome.value if isinstance(outcome.value, dict) else {}
        error = str(seen.get("error") or "") if seen else _last_line(outcome.error, outcome.killed_by)
        score, values = seen.get("coverage", 0.0), seen.get("values", {})
        self._record("run_partial", code=code, score=score, values=values, feedback=error)
        return {"passed": not error, "score": score, "feedback": error, "output": outcome.stdout[-2000:]}

    def _classes(self, request: dict[str, Json]) -> dict[str, Json]:
        rows = self._outputs(texts(request, "candidates", at_least=1))
        able = [row for row in rows if any(value is not None for value in row)]
        numbers = {row: number for number, row in enumerate(dict.fromkeys(able))}
        classes: list[Json] = [numbers.get(row, -1) for row in rows]
        self._record("classes", classes=classes)
        return {"classes": classes}

    def _vote(self, request: dict[str, Json]) -> dict[str, Json]:
        candidates = texts(request, "candidates", at_least=1)
        index = self._majority(candidates)
        self._record("vote", candidates=len(candidates), index=index)
        return {"index": index}

    def _select(self, request: dict[str, Json]) -> dict[str, Json]:
        candidates, tests = texts(request, "candidates", at_least=1), texts(request, "tests")
        method = request.get("method", "max_pass")
        if not isinstance(method, str) or method not in SELECTORS:
            raise BadFieldError(f"method: expected one of {', '.join(SELECTORS)}")
        passed, ran = self._passed(candidates, tests)
        outputs = None if method in BY_TESTS else values_as_numbers(self._outputs(candidates))
        trusted = [test in self.task.visible_tests for test in tests]
        choice = SELECTORS[method](Evidence.of(passed, outputs, ran, trusted))
        tied = [candidates[i] for i in choice.tied]
        index = int(choice.tied[self._majority(tied)]) if method in BY_TESTS else choice.first
        # A score of minus infinity is no JSON.
        scores = [float(score) if isfinite(score) else None for score in choice.scores]
        self._record("select", method=method, candidates=len(candidates), scores=scores, index=index)
        return {"index": index}

    def _repo(self, request: dict[str, Json]) -> dict[str, Json]:
        if self._desk is None:
            raise BadFieldError("this task has no repository: kit.repo is for tasks of kind 'patch'")
        before = self._desk.repository.cpu_s
        asked = {name: request[name] for name in ASKED if name in request}
        try:
            told = self._desk(request)
        except BadFieldError as error:
            self._record("repo", **asked, refused=str(error))
            raise
        finally:
            self.cpu_s += self._desk.repository.cpu_s - before
        seen = {name: told[name] for name in ("text", "score", "feedback") if name in told}
        self._record(
            "repo", **asked, **{"told" if name == "text" else name: value for name, value in seen.items()}
        )
        return told

    def _passed(self, candidates: list[str], tests: list[str]) -> tuple[list[list[bool]], list[bool]]:
        """Return which candidate passes which test, and which of them could be executed."""
        seen = {}
        for code in dict.fromkeys(candidates if tests else ()):
            outcome = seen[code] = self.sandbox.check(code, tests, limits=RUN_LIMITS)
            self.cpu_s += outcome.cpu_s
        outcomes = [seen.get(code, Outcome()) for code in candidates]
        ran = [outcome.ok or any(outcome.passed) for outcome in outcomes]
        return [list(outcome.passed) for outcome in outcomes], ran

    def _majority(self, candidates: list[str]) -> int:
        if len(set(candidates)) == 1:
            return 0
        return majority(Evidence.of(outputs=values_as_numbers(self._outputs(candidates)))).first

    def _outputs(self, candidates: list[str]) -> list[tuple[str | None, ...]]:
        """Return what each candidate does: its outputs on shared inputs, or its meaning when it is an answer."""
        if self.task.kind != "code":
            return [(self.domain.key(answer) or None,) for answer in candidates]
        behaviour = Behaviour(self.sandbox, self.task.entry_point, self.task.visible_tests)
        seen = {code: behaviour.outputs(code) for code in dict.fromkeys(candidates)}
        self.cpu_s += behaviour.cpu_s
        return [seen[code] for code in candidates]

    def _remaining(self, _: dict[str, Json]) -> dict[str, Json]:
        left = {
            "calls": self.max_calls - self.calls,
            "tokens": max(0, self.max_tokens - self.prompt_tokens - self.completion_tokens),
            "seconds": round(max(0.0, self.deadline_s - (time.monotonic() - self._started)), 1),
        }
        return {"remaining": dict(left)}

    def _log(self, request: dict[str, Json]) -> dict[str, Json]:
        if len(self.trace) < 1000:
            self._record("log", text=text(request, "text")[:2000])
        return {}

    def _record(self, op: str, **fields: object) -> None:
        entry = {
            "op": op,
            **{
                key: value[:MAX_TRACE_TEXT] if isinstance(value, str) else value
                for key, value in fields.items()
            },
        }
        self.observe(entry)
        self._traced += len(json.dumps(entry))
        if self._traced <= MAX_TRACE:
            self.trace.append(entry)


def feedback(outcome: Outcome, tests: Sequence[str]) -> str:
    """Return what a program is told of code that does not pass: the limit, the first three failures, or the error."""
    if outcome.killed_by:
        return f"the program was stopped: {outcome.killed_by} limit"
    failed = [
        f"{test}\n  -> {why}"
        for test, good, why in zip(tests, outcome.passed, outcome.failures, strict=False)
        if not good
    ]
    return "\n".join(failed[:3]) if failed else (outcome.error or "")[-1500:]


def _last_line(error: str | None, killed_by: str | None) -> str:
    return f"the program was stopped: {killed_by} limit" if killed_by else (error or "").rsplit("\n", 1)[-1]


def _schema(fields: list[str]) -> str:
    """Return the JSON schema of an object of texts. A program never hands a schema of its own to a model's server."""
    if not fields:
        return ""
    texts = {name: {"type": "string"} for name in fields}
    return json.dumps(
        {"type": "object", "properties": texts, "required": list(texts), "additionalProperties": False}
    )
