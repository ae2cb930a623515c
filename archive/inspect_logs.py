"""Evaluations as logs of Inspect AI, which ``inspect view`` opens: one log an evaluation, one sample a rollout.

The calls of a rollout are model events and, as a conversation, messages; what else it did (code it ran, votes,
edits) are info events. The archive knows when a rollout ended and how long it took, not when each call was made, so
that all events of a sample bear the time of its end; tokens and cost are those of the whole sample. It does not know
the tasks either: the input of a sample is the first prompt that was sent for it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, Any

from archive.exchange import begin
from archive.report import printable
from archive.tables import portable

if TYPE_CHECKING:
    from pathlib import Path

    from inspect_ai.log import EvalLog, EvalSample

    from archive.archive import Archive, Standing
    from archive.records import Evaluation, Program, Rollout

_ENDS = {"stop": "stop", "length": "max_tokens"}


def export_inspect(archive: Archive, folder: Path, run: str | None = None) -> dict[str, int]:
    """Write a log for each evaluation that has a rollout; return how many logs and samples were written.

    Args:
        archive: What to write.
        folder: Where to; new or empty.
        run: Id of the only run to write; all by default.

    Raises:
        ArchiveError: The folder holds something, or cannot be written.
        ImportError: Inspect is not installed (``pip install "meta-agent-search[inspect]"``).
    """
    from inspect_ai.log import write_eval_log

    counts = {"logs": 0, "samples": 0}
    programs = {program.id: program for program in archive.programs()}
    with begin(folder):
        for standing in archive.standings(run=run):
            evaluation = standing.evaluation
            rollouts = archive.rollouts(evaluation.id)
            log = _log(standing, programs[evaluation.program], rollouts)
            began = datetime.fromtimestamp(evaluation.created, UTC).strftime("%Y-%m-%dT%H-%M-%S+00-00")
            # Inspect reads the task's name between the underscores.
            task = re.sub(r"[^A-Za-z0-9]+", "-", f"{evaluation.domain}-{evaluation.split}")[-60:]
            write_eval_log(log, str(folder / f"{began}_{task}_{evaluation.id}.eval"))
            counts["logs"] += 1
            counts["samples"] += len(rollouts)
    return counts


def _log(standing: Standing, program: Program, rollouts: list[Rollout]) -> EvalLog:
    from inspect_ai.log import (
        EvalConfig,
        EvalDataset,
        EvalLog,
        EvalMetric,
        EvalResults,
        EvalScore,
        EvalSpec,
        EvalStats,
    )

    evaluation = standing.evaluation
    scorer = _line(evaluation.scorer) or "score"
    figures = {"mean": standing.mean, "low": standing.low, "high": standing.high}
    began = min(rollout.created - rollout.seconds for rollout in rollouts)
    return EvalLog(
        status="success" if standing.n == evaluation.tasks else "cancelled",
        eval=EvalSpec(
            eval_id=evaluation.id,
            run_id=portable(evaluation.run),
            created=_moment(evaluation.created),
            task=_line(evaluation.domain) or "task",
            task_id=evaluation.id,
            task_version=_line(evaluation.domain_version),
            solver=_line(program.name),
            dataset=EvalDataset(
                name=f"{_line(evaluation.domain)}, {evaluation.split} split",
                samples=evaluation.tasks,
                sample_ids=[_name(rollout.task) for rollout in rollouts],
            ),
            model=_line(evaluation.model) or "none",
            config=EvalConfig(),
            metadata={
                "program": program.id,
                "thought": portable(program.thought),
                "source": portable(program.source),
                "split": evaluation.split,
                "seed": evaluation.seed,
            },
        ),
        results=EvalResults(
            total_samples=evaluation.tasks,
            completed_samples=standing.n,
            scores=[
                EvalScore(
                    name=scorer,
                    scorer=scorer,
                    metrics={name: EvalMetric(name=name, value=value) for name, value in figures.items()},
                )
            ],
        ),
        stats=EvalStats(
            started_at=_moment(began),
            completed_at=_moment(max(rollout.created for rollout in rollouts)),
            model_usage={_line(evaluation.model) or "none": _usage(standing)},
        ),
        samples=[_sample(rollout, evaluation, scorer) for rollout in rollouts],
    )


def _sample(rollout: Rollout, evaluation: Evaluation, scorer: str) -> EvalSample:
    from inspect_ai.event import ScoreEvent
    from inspect_ai.log import EvalSample
    from inspect_ai.model import ModelOutput
    from inspect_ai.scorer import Score

    model = _line(evaluation.model) or "none"
    ended = datetime.fromtimestamp(rollout.created, UTC)
    score = Score(
        value=rollout.score,
        answer=portable(rollout.answer),
        explanation=portable(rollout.failure or rollout.reason),
    )
    events = [_event(dict(step), model, ended) for step in rollout.trace]
    calls = [event for event in events if event.event == "model"]
    return EvalSample(
        id=_name(rollout.task),
        epoch=1,
        input=calls[0].input[-1].content if calls else portable(rollout.task),
        target="",
        messages=[*chain.from_iterable([*call.input, call.output.message] for call in calls)],
        output=ModelOutput.from_content(model, portable(rollout.answer)),
        scores={scorer: score},
        metadata={
            "task": portable(rollout.task),
            "failure": portable(rollout.failure),
            "calls": rollout.calls,
        },
        events=[
            *events,
            ScoreEvent(score=score, scorer=scorer, timestamp=ended, working_start=rollout.seconds),
        ],
        model_usage={model: _usage(rollout)},
        started_at=_moment(rollout.created - rollout.seconds),
        completed_at=_moment(rollout.created),
        total_time=rollout.seconds,
        working_time=rollout.seconds,
        uuid=f"{evaluation.id}-{_name(rollout.task)}",
    )


def _event(step: dict[str, Any], model: str, ended: datetime) -> Any:
    """Return what a step of a trace (:mod:`archive.records`) is to Inspect."""
    from inspect_ai.event import InfoEvent, ModelEvent
    from inspect_ai.model import ChatMessageSystem, ChatMessageUser, GenerateConfig, ModelOutput

    step = _clean(step)
    op = step.pop("op", "step")
    prompt, reply = step.get("prompt"), step.get("reply")
    if op != "llm" or not isinstance(prompt, str) or not isinstance(reply, str):
        return InfoEvent(source=str(op), data=step, timestamp=ended, working_start=0)
    system, temperature, sample = step.get("system"), step.get("temperature"), step.get("sample")
    opening = [ChatMessageSystem(content=system)] if isinstance(system, str) and system else []
    output = ModelOutput.from_content(model, reply, stop_reason=_ENDS.get(str(step.get("finish")), "unknown"))
    return ModelEvent(
        model=model,
        input=[*opening, ChatMessageUser(content=prompt)],
        tools=[],
        tool_choice="none",
        config=GenerateConfig(
            temperature=temperature if isinstance(temperature, int | float) else None,
            seed=sample if isinstance(sample, int) else None,
        ),
        output=output,
        timestamp=ended,
        completed=ended,
        working_start=0,
    )


def _usage(spent: Rollout | Standing) -> Any:
    from inspect_ai.model import ModelUsage

    return ModelUsage(
        input_tokens=spent.prompt_tokens,
        output_tokens=spent.completion_tokens,
        total_tokens=spent.prompt_tokens + spent.completion_tokens,
        total_cost=spent.cost_usd,
    )


def _clean(value: Any) -> Any:
    """Return a JSON value whose texts can be encoded."""
    if isinstance(value, str):
        return portable(value)
    if isinstance(value, dict):
        return {portable(name): _clean(one) for name, one in value.items()}
    return [_clean(one) for one in value] if isinstance(value, list | tuple) else value


def _name(task: str) -> str:
    """Return the id of a task as a sample's id, which is also the name of a file: a NUL would lose the sample."""
    return _line(printable(task))


def _line(text: str) -> str:
    return " ".join(portable(text).split())


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
