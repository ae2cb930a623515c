"""Analyst, coder and tester: the tester's report is a real run, and at most four rounds are played."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.meta_agent.agents.conftest import DOUBLE, GOOD, QUESTION, block

if TYPE_CHECKING:
    from tests.meta_agent.agents.conftest import Stage

CHECK = block("def check(candidate):\n    print(candidate(3), candidate(-1))")
CRASH = block("def double(x):\n    return x * two")


def test_a_crash_is_reported_from_a_real_run_and_repaired(play: Stage) -> None:
    played = play("self_collaboration", DOUBLE, ["Return x plus x.", CRASH, CHECK, GOOD, CHECK])
    assert "2 * x" in played.answer
    analyst, coder, tester, again, _ = played.prompts
    assert "Do not write code" in analyst
    assert "Return x plus x." in coder
    assert "prints each result" in tester
    assert "NameError: name 'two' is not defined" in again
    assert played.logs[-1].startswith("tester: Code Test Passed. It printed:\n6 -2")


def test_values_are_shown_but_not_compared(play: Stage) -> None:
    wrong = block("def double(x):\n    return x + 2")
    played = play("self_collaboration", DOUBLE, ["plan", wrong, CHECK])
    assert (played.calls, "x + 2" in played.answer) == (3, True)


def test_four_rounds_at_most(play: Stage) -> None:
    crashes = iter(block(f"def double(x):\n    return x * two{n}") for n in range(9))

    def script(prompt: str) -> str:
        if "You are the analyst" in prompt:
            return "plan"
        return CHECK if "You are the tester" in prompt else next(crashes)

    assert play("self_collaboration", DOUBLE, script).calls == 1 + 4 + 3


def test_a_coder_with_nothing_new_ends_the_work(play: Stage) -> None:
    played = play("self_collaboration", DOUBLE, ["plan", CRASH, CHECK, CRASH])
    assert (played.calls, "x * two" in played.answer) == (4, True)


def test_a_check_that_was_cut_off_runs_as_far_as_it_goes(play: Stage) -> None:
    cut = "```python\ndef check(candidate):\n    print(candidate(3))\n    print(candidate([1, 2"
    played = play("self_collaboration", DOUBLE, ["plan", GOOD, cut])
    assert played.logs == ["tester: Code Test Passed. It printed:\n6\n"]


def test_a_plan_in_code_is_no_plan(play: Stage) -> None:
    played = play("self_collaboration", DOUBLE, ["", GOOD, CHECK])
    assert "plan" not in played.prompts[1]


def test_an_empty_reply_keeps_the_last_version(play: Stage) -> None:
    played = play("self_collaboration", DOUBLE, ["plan", CRASH, CHECK, ""])
    assert "x * two" in played.answer
    assert "x * two" in played.prompts[-1]


def test_a_question_is_reviewed_by_reading(play: Stage) -> None:
    played = play(
        "self_collaboration",
        QUESTION,
        ["add", "Answer: 6", "2 and 3 are 5.", "Answer: 5", "Code Test Passed."],
    )
    assert (played.answer, played.calls) == ("5", 5)
    assert "2 and 3 are 5." in played.prompts[3]
