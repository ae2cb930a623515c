"""Logs of Inspect AI, read by Inspect's own reader."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from inspect_ai.log import list_eval_logs, read_eval_log, read_eval_log_sample_summaries

from archive import Evaluation, Rollout
from archive.inspect_logs import export_inspect
from archive.tables import portable
from tests.archive.conftest import ATTACK, FLOOD

if TYPE_CHECKING:
    from pathlib import Path

    from archive import Archive


def test_inspect_reads_every_log(filled: Archive, tmp_path: Path) -> None:
    assert export_inspect(filled, tmp_path / "logs") == {"logs": 4, "samples": 40}
    logs = {log.eval.solver: log for log in map(read_eval_log, list_eval_logs(str(tmp_path / "logs")))}
    assert sorted(logs) == ["direct", "plan", "repair", "vote"]
    repair = logs["repair"]
    assert (repair.version, repair.status, repair.eval.task, repair.eval.model) == (
        2,
        "success",
        "quiz",
        "local/tiny",
    )
    standing = next(s for s in filled.standings() if s.name == "repair")
    assert repair.results is not None
    metrics = repair.results.scores[0].metrics
    assert [metrics[name].value for name in ("mean", "low", "high")] == [
        standing.mean,
        standing.low,
        standing.high,
    ]
    assert repair.samples is not None
    scores = {sample.id: (sample.scores or {})["exact"].value for sample in repair.samples}
    assert scores == {rollout.task: rollout.score for rollout in filled.rollouts(standing.evaluation.id)}
    assert repair.stats.model_usage["local/tiny"].input_tokens == standing.prompt_tokens


def test_the_calls_of_a_rollout_are_messages_and_events(filled: Archive, tmp_path: Path) -> None:
    program = filled.program("plan")
    one = Evaluation("r", program.id, "quiz", "v1", "selection", "local/tiny", 1, "exact", 2, created=1.0)
    call = {"op": "llm", "prompt": "What?", "system": "Be brief.", "temperature": 0.8, "sample": 3}
    steps = (
        {**call, "reply": "This.", "finish": "length"},
        {"op": "run", "code": "x = 1", "score": 1.0},
        {**call, "system": "", "reply": "That.", "finish": "stop"},
    )
    filled.add_evaluation(one)
    filled.add_rollout(Rollout(one.id, "q", 0.5, "That.", trace=steps, seconds=3.0, created=1000.0))
    assert export_inspect(filled, tmp_path / "logs", "r")["logs"] == 5
    (path,) = (tmp_path / "logs").glob(f"*_quiz-selection_{one.id}.eval")
    log = read_eval_log(str(path))
    assert log.status == "cancelled"  # one task of two
    assert log.samples is not None
    (sample,) = log.samples
    assert [(message.role, message.text) for message in sample.messages] == [
        ("system", "Be brief."),
        ("user", "What?"),
        ("assistant", "This."),
        ("user", "What?"),
        ("assistant", "That."),
    ]
    assert [event.event for event in sample.events] == ["model", "info", "model", "score"]
    first = sample.events[0]
    assert first.event == "model"
    assert (first.config.temperature, first.config.seed, first.output.stop_reason) == (0.8, 3, "max_tokens")
    assert (sample.input, sample.output.completion, sample.total_time) == ("What?", "That.", 3.0)
    assert sample.started_at == "1970-01-01T00:16:37+00:00"


@pytest.mark.timeout(300)
def test_hostile_text_survives(attacked: Archive, tmp_path: Path) -> None:
    assert export_inspect(attacked, tmp_path / "logs") == {"logs": 4, "samples": 8}
    longest = 0
    for place in list_eval_logs(str(tmp_path / "logs")):
        log = read_eval_log(place)
        assert log.samples is not None
        by_task = {sample.metadata["task"]: sample for sample in log.samples}
        assert by_task[portable(ATTACK)].messages[0].text == portable(ATTACK)
        longest = max(longest, len(by_task["t"].output.completion))
        assert len(read_eval_log_sample_summaries(place)) == 2
    assert longest == FLOOD
