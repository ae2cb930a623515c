"""The feedback of each kind of self-debugging: what the model sees decides whether it can repair."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.meta_agent.agents.conftest import BAD, DOUBLE, GOOD, QUESTION, code_task

if TYPE_CHECKING:
    from tests.meta_agent.agents.conftest import Stage

BLIND = code_task("def double(x):\n    ...\n", "double")


def needs_the_failing_test(prompt: str) -> str:
    """Fix the bug only when the failing assert and what it raised are shown."""
    return GOOD if "assert double(3) == 6" in prompt and "AssertionError" in prompt else BAD


def needs_an_explanation(prompt: str) -> str:
    if "Explain" in prompt:
        return "It adds 2 to x. The task says twice.\nVerdict: wrong"
    return GOOD if "It adds 2 to x" in prompt else BAD


def test_the_failing_test_repairs_where_a_bare_verdict_does_not(play: Stage) -> None:
    with_test = play("self_debug", DOUBLE, needs_the_failing_test)
    assert (with_test.answer, with_test.calls) == ("def double(x):\n    return 2 * x", 2)
    bare = play("self_debug_simple", DOUBLE, needs_the_failing_test)
    assert "x + 2" in bare.answer
    assert "The answer above is wrong" in bare.prompts[-1]


@pytest.mark.parametrize(
    "name",
    ["self_debug_simple", "self_debug", "self_debug_explain", "self_debug_tests_explain", "self_debug_trace"],
)
def test_turns_are_capped(play: Stage, name: str) -> None:
    played = play(name, DOUBLE, lambda prompt: BAD if "Explain" not in prompt else "Verdict: wrong")
    turns = 2 if name == "self_debug_explain" else 3
    each = 2 if name in ("self_debug_explain", "self_debug_tests_explain", "self_debug_trace") else 1
    assert played.error is None
    assert played.calls == 1 + turns * each


def test_without_tests_the_model_itself_decides(play: Stage) -> None:
    verdicts = iter(["no", "yes"])

    def script(prompt: str) -> str:
        return next(verdicts) if "Is it right?" in prompt else GOOD if "Please fix" in prompt else BAD

    played = play("self_debug_simple", BLIND, script)
    assert "2 * x" in played.answer
    assert played.calls == 4


@pytest.mark.parametrize("task", [DOUBLE, BLIND])
def test_an_explanation_repairs_without_tests(play: Stage, task: object) -> None:
    for name in ("self_debug_explain", "self_debug_tests_explain"):
        assert "2 * x" in play(name, task, needs_an_explanation).answer  # type: ignore[arg-type]
    assert "x + 2" in play("self_debug_simple", DOUBLE, needs_an_explanation).answer


def test_an_explanation_that_finds_nothing_ends_it(play: Stage) -> None:
    played = play("self_debug_explain", BLIND, [GOOD, "It doubles x, nothing wrong.\nVerdict: correct"])
    assert (played.calls, "2 * x" in played.answer) == (2, True)


def test_a_trace_repairs_and_shows_one_failing_test(play: Stage) -> None:
    task = code_task("def double(x):\n    ...\n", "double", "assert double(3) == 6", "assert double(5) == 10")

    def script(prompt: str) -> str:
        if "by hand" in prompt:
            return "x = 3\nx + 2 = 5: the plus is wrong"
        return GOOD if "the plus is wrong" in prompt else BAD

    played = play("self_debug_trace", task, script)
    assert "2 * x" in played.answer
    assert "double(3) == 6" in played.prompts[1]
    assert "double(5) == 10" not in played.prompts[1]


def test_a_passing_program_costs_one_call(play: Stage) -> None:
    for name in ("self_debug", "self_debug_simple", "self_debug_tests_explain", "self_debug_trace"):
        assert play(name, DOUBLE, [GOOD]).calls == 1


def test_questions_are_answered_too(play: Stage) -> None:
    for name in ("self_debug_simple", "self_debug_explain", "self_debug_tests_explain", "self_debug_trace"):
        assert play(name, QUESTION, lambda _: "2 + 3 = 5. Verdict: correct\nAnswer: 5").answer == "5"
