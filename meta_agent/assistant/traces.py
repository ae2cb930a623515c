"""Keeps what agents were asked and did, when the user wants that: as traces, and as tasks for further searches."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from typing import TYPE_CHECKING, Any

from meta_agent.assistant.redaction import redact_all
from meta_agent.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    from domains import Task
    from meta_agent.assistant.agents import Agent
    from meta_agent.assistant.assistant import Answer

_log = logging.getLogger(__name__)
TRACES = "traces.jsonl"
TASKS = "tasks.jsonl"


class Traces:
    """A folder with two files, readable by their owner only. Safe to use from many threads.

    ``traces.jsonl`` has everything, one answer a line. ``tasks.jsonl`` has each task that can be marked (a function
    with tests) once, in the form of :mod:`domains.jsonl`: ``adas search FOLDER/tasks.jsonl`` searches on it. Secrets
    are taken out of both.

    Raises:
        UserError: the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._known = {row["id"] for row in _rows(folder / TASKS)}
            self._append(TRACES)
        except (OSError, ValueError, KeyError) as error:
            raise UserError(f"traces cannot be kept in {folder}: {error}") from None

    def keep(self, agent: Agent, task: Task, answer: Answer) -> None:
        """Keep one answer."""
        row: dict[str, Any] = {
            "time": time.time(),
            "agent": agent.name,
            "program": agent.program.id,
            "model": agent.model,
            "task": task.public(),
            "answer": answer.text,
            "failure": answer.failure,
            "calls": answer.calls,
            "prompt_tokens": answer.prompt_tokens,
            "completion_tokens": answer.completion_tokens,
            "seconds": answer.seconds,
            "trace": list(answer.trace),
        }
        asked = {
            "id": task.id,
            "prompt": task.prompt,
            "entry_point": task.entry_point,
            "tests": list(task.visible_tests),
        }
        try:
            with self._lock:
                self._append(TRACES, row)
                if task.kind == "code" and task.visible_tests and task.id not in self._known:
                    self._known.add(task.id)
                    self._append(TASKS, {**asked, "visible_tests": list(task.visible_tests)})
        except OSError as error:  # whoever asked gets the answer all the same
            _log.warning("a trace was not kept in %s: %s", self._folder, error.strerror)

    def _append(self, name: str, *rows: dict[str, Any]) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
        with os.fdopen(
            os.open(self._folder / name, flags, 0o600), "a", encoding="utf-8", errors="replace"
        ) as file:
            for row in rows:
                file.write(json.dumps(redact_all(row)) + "\n")


def _rows(file: Path) -> list[dict[str, Any]]:
    return (
        [json.loads(line) for line in file.read_text().splitlines() if line.strip()] if file.is_file() else []
    )
