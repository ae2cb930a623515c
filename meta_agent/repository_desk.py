"""What an agent program asks of its repository, read and answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meta_agent.fields import BadFieldError, integer, text, texts
from meta_agent.repository import EditError, Repository

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandboxes import Json
    from sandboxes.suite import SuiteRun

    Asked = dict[str, Json]

MOST_RUNS = 40
"""Runs of the tests that one task allows."""
ASKED = (
    "do",
    "path",
    "name",
    "inside",
    "text",
    "line",
    "window",
    "first",
    "last",
    "search",
    "replace",
    "tests",
    "limit",
)
"""Fields of a request; a trace keeps these."""
_FEEDBACK = 3
_LONGEST = 4000


class RepositoryDesk:
    """Answers the ``repo`` requests of one program. Used by one thread."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self._runs = 0
        self._operations: dict[str, Callable[[Asked], Asked]] = {
            "paths": lambda _: {"paths": [*self.repository.paths()]},
            "read": self._read,
            "search_class": self._search_class,
            "search_method": self._search_method,
            "search_code": self._search_code,
            "around": self._around,
            "outline": lambda asked: {"text": self.repository.outline(text(asked, "path"))},
            "edit": self._edit,
            "rewrite": self._rewrite,
            "reset": self._reset,
            "patch": lambda _: {"text": self.repository.patch()},
            "test": self._test,
            "suspects": self._suspects,
        }

    def __call__(self, request: Asked) -> Asked:
        """Answer one request.

        Raises:
            BadFieldError: it is refused; the text says why.
        """
        do = request.get("do")
        if not isinstance(do, str) or do not in self._operations:
            raise BadFieldError(f"kit.repo: expected one of {', '.join(self._operations)}")
        try:
            return self._operations[do](request)
        except EditError as error:
            if do in ("edit", "rewrite"):
                self.repository.refused.append(str(error))
            raise BadFieldError(str(error)) from None

    def _read(self, asked: Asked) -> Asked:
        first, last = integer(asked, "first", 1, 1, 1_000_000), integer(asked, "last", 0, 0, 1_000_000)
        return {"text": self.repository.read(text(asked, "path"), first, last or None)}

    def _search_class(self, asked: Asked) -> Asked:
        return {"text": self.repository.search_class(text(asked, "name"), text(asked, "path"))}

    def _search_method(self, asked: Asked) -> Asked:
        found = self.repository.search_method(text(asked, "name"), text(asked, "inside"), text(asked, "path"))
        return {"text": found}

    def _search_code(self, asked: Asked) -> Asked:
        return {"text": self.repository.search_code(text(asked, "text"), text(asked, "path"))}

    def _around(self, asked: Asked) -> Asked:
        line, window = integer(asked, "line", 1, 1, 1_000_000), integer(asked, "window", 10, 0, 200)
        return {"text": self.repository.around(text(asked, "path"), line, window)}

    def _edit(self, asked: Asked) -> Asked:
        self.repository.edit(text(asked, "path"), text(asked, "search"), text(asked, "replace"))
        return {}

    def _rewrite(self, asked: Asked) -> Asked:
        self.repository.rewrite(text(asked, "name"), text(asked, "replace"), text(asked, "path"))
        return {}

    def _reset(self, _asked: Asked) -> Asked:
        self.repository.reset()
        return {}

    def _test(self, asked: Asked) -> Asked:
        self._count()
        return _told(self.repository.test(texts(asked, "tests")))

    def _suspects(self, asked: Asked) -> Asked:
        self._count()
        found, run = self.repository.suspects(integer(asked, "limit", 5, 1, 50))
        rows: list[Json] = [
            {
                "path": one.definition.path,
                "name": one.definition.title,
                "first": one.definition.first,
                "last": one.definition.last,
                "score": round(one.score, 4),
                "code": self.repository.read(one.definition.path, one.definition.first, one.definition.last),
            }
            for one in found
        ]
        return {"suspects": rows, **_told(run)}

    def _count(self) -> None:
        if self._runs >= MOST_RUNS:
            raise BadFieldError(f"the tests of this task were run {MOST_RUNS} times, which is all it allows")
        self._runs += 1


def _told(run: SuiteRun) -> Asked:
    """Return a run of the tests as an agent sees it."""
    passed, failed = run.named("passed"), run.named("failed")
    words = [f"{name}\n{run.verdicts[name].message}" for name in failed[:_FEEDBACK]]
    if len(failed) > _FEEDBACK:
        words.append(f"and {len(failed) - _FEEDBACK} further tests fail")
    if run.fault:
        words.append(run.fault)
    return {
        "passed": run.passed,
        "score": len(passed) / max(1, len(passed) + len(failed)),
        "feedback": "\n\n".join(words)[:_LONGEST],
        "output": run.output[-2000:],
        "failed": [*failed],
    }
