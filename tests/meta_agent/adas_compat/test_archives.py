"""Every published program runs to an answer, unmodified, in the jail: with text, with native JSON, with nothing."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.meta_agent.adas_compat.stage import (
    FUNCTION,
    GRIDS,
    QUESTION,
    empties,
    natives,
    nothing,
    play,
    strings,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from domains import Task
    from meta_agent.llm import Request
    from sandboxes import ProcessSandbox

ROWS = {
    "arc_gpt3.5_results": 27,
    "drop_gpt3.5_results": 35,
    "mgsm_gpt3.5_results": 36,
    "mgsm_transfer_domains_results": 10,
}
MODELS = (strings, natives, nothing, empties)


def archive(name: str) -> list[dict[str, str]]:
    """Return the rows of a published archive; they lie beside the benchmark data."""
    path = Path(os.environ.get("ADAS_DATA", "")).parent / "adas_archives" / f"{name}.json"
    if "ADAS_DATA" not in os.environ or not path.exists():
        pytest.skip("no published archives beside ADAS_DATA")
    return json.loads(path.read_text())  # type: ignore[no-any-return]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
@pytest.mark.parametrize("name", ROWS)
def test_every_published_program_answers(
    sandbox: ProcessSandbox, name: str, model: Callable[[Request], str], record_property: Callable[..., None]
) -> None:
    rows = archive(name)
    task = GRIDS if name.startswith("arc") else QUESTION
    failed, calls = run_all(sandbox, rows, model, task)
    record_property("ran", f"{len(rows) - len(failed)} of {len(rows)}")
    print(
        f"{name}, {model.__name__}: {len(rows) - len(failed)} of {len(rows)} ran, "
        f"{sum(calls)} calls, {max(calls)} at most"
    )
    assert failed == {}
    assert len(rows) == ROWS[name]


@pytest.mark.parametrize("task", [QUESTION, FUNCTION], ids=lambda task: task.id)
def test_programs_for_grids_answer_other_tasks(sandbox: ProcessSandbox, task: Task) -> None:
    failed, _ = run_all(sandbox, archive("arc_gpt3.5_results"), strings, task)
    assert failed == {}


def run_all(
    sandbox: ProcessSandbox, rows: list[dict[str, str]], model: Callable[[Request], str], task: Task
) -> tuple[dict[int, str], list[int]]:
    """Return row number and reason of each program that gave no answer, and how often each asked the model."""
    with ThreadPoolExecutor(4) as pool:
        played = list(pool.map(lambda row: play(sandbox, row["code"], model, task), rows))
    failed = {
        number: one.outcome.error or one.outcome.killed_by or "no answer"
        for number, one in enumerate(played, 1)
        if not one.outcome.ok or not isinstance(one.outcome.value, str)
    }
    return failed, [len(one.requests) for one in played]
