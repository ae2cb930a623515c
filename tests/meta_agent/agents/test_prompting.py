"""Agents that prepare the ground before they answer: Auto-Evolve, SEC, SOP, adaptive refinement, solve-or-verify."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

import pytest

from tests.meta_agent.agents.conftest import BAD, DOUBLE, GOOD, QUESTION, block, code_task

if TYPE_CHECKING:
    from tests.meta_agent.agents.conftest import Stage


# -- Auto-Evolve


def evolve(prompt: str) -> str:
    if "Name three reasoning modules" in prompt:
        return "Doubling: add x to itself."
    if "Turn them into a plan" in prompt:
        return "1. Add."
    if "Which step is missing" in prompt:
        return "1. Add.\n2. Check zero."
    return GOOD


@pytest.mark.parametrize(("refinements", "calls"), [(0, 3), (1, 4), (3, 6)])
def test_modules_and_plan_are_made_once(play: Stage, refinements: int, calls: int) -> None:
    played = play("auto_evolve", DOUBLE, evolve, REFINEMENTS=refinements)
    assert (played.calls, "2 * x" in played.answer) == (calls, True)
    assert ("2. Check zero." in played.prompts[-1]) == (refinements > 0)
    assert "Doubling: add x to itself." in played.prompts[1]


def test_tasks_that_show_the_same_instances_share_the_plan(play: Stage) -> None:
    shown = {"instances": ["def triple(x): ...", "def half(x): ..."]}
    other = code_task("def quadruple(x):\n    ...\n", "quadruple", metadata=shown)
    here = code_task(DOUBLE.prompt, "double", metadata=shown)
    first, second = (play("auto_evolve", task, evolve).prompts for task in (here, other))
    assert first[:3] == second[:3]
    assert "def triple" in first[0]
    assert "def double" not in first[0]


# -- SEC

SHOTS = block(
    'def triple(x):\n    """Three times."""\n    return 3 * x\n\ndef half(x):\n    """Half."""\n    return x / 2'
)


def test_demonstrations_become_the_context(play: Stage) -> None:
    played = play("self_contemplation", DOUBLE, [SHOTS, GOOD])
    assert "2 * x" in played.answer
    assert "def triple(x)" in played.prompts[1]
    assert played.logs == ["valid demonstrations after retries: 0"]


@pytest.mark.parametrize(
    "invalid",
    [
        "no code",
        block("def triple(x): return 3 * x"),
        block("def triple(x:\n  return"),
        block("def double(x):\n    return x\n\ndef half(x):\n    return x / 2"),
    ],
)
def test_invalid_demonstrations_are_refused_and_asked_for_in_other_words(play: Stage, invalid: str) -> None:
    played = play("self_contemplation", DOUBLE, [invalid, invalid, SHOTS, GOOD])
    assert len(set(played.prompts)) == 4
    assert [event["temperature"] for event in played.trace if event["op"] == "llm"] == [0.0, 0.3, 0.6, 0.0]
    assert played.logs == ["valid demonstrations after retries: 2"]


def test_without_valid_demonstrations_it_answers_plainly(play: Stage) -> None:
    played = play("self_contemplation", DOUBLE, ["no"] * 4 + [GOOD])
    assert "2 * x" in played.answer
    assert "Some solved examples" not in played.prompts[-1]


def test_demonstrations_of_one_question_stay_there(play: Stage) -> None:
    def script(prompt: str) -> str:
        if "Write 2 other small tasks" in prompt or "Q: " in prompt.partition("Task:")[0]:
            which = "pears" if "pears" in prompt else "apples"
            return f"Q: More {which}?\nA: 1 and 1. Answer: 2\nQ: Fewer {which}?\nA: 2 less 1. Answer: 1"
        return "Answer: 5"

    from domains import Task

    apples = play("self_contemplation", QUESTION, script)
    pears = play("self_contemplation", Task("p", "How many pears are 2 and 3 pears?", "answer"), script)
    assert "Q: More apples?" in apples.prompts[1]
    assert not any("apples" in prompt for prompt in pears.prompts)


# -- SOP

TRACES = [
    ["look", "open the door", "open the door", "go in", "wait", "take it"],
    ["open the door", "go in", "look", "take it", "take it"],
]


def test_a_procedure_is_what_successful_traces_share(play: Stage) -> None:
    assert play.helper("sop", "distil", TRACES) == ["open the door", "go in", "take it"]
    assert play.helper("sop", "distil", TRACES[:1]) == ["look", "open the door", "go in", "wait", "take it"]
    assert play.helper("sop", "distil", []) == []


def test_each_sub_goal_sees_what_is_done(play: Stage) -> None:
    task = code_task(DOUBLE.prompt, "double", metadata={"traces": TRACES})
    played = play("sop", task, ["it is open", "I am in", GOOD])
    assert played.calls == 3
    assert "Step 1 of 3: open the door" in played.prompts[0]
    assert "1. open the door it is open" in played.prompts[1]
    assert "2. go in I am in" in played.prompts[2]
    assert "Last step: take it" in played.prompts[2]
    assert "2 * x" in played.answer


# -- adaptive refinement


def test_a_fixed_point_ends_it_one_call_later(play: Stage) -> None:
    other_layout = block("def double(x):\n    return (2*x)  # the same")
    played = play("adaptive_refinement", DOUBLE, [BAD, GOOD, other_layout])
    assert played.calls == 3
    assert played.answer.startswith("def double")


def test_a_cycle_is_cut(play: Stage) -> None:
    assert play("adaptive_refinement", DOUBLE, [BAD, GOOD, BAD]).calls == 3


def test_refinements_are_capped(play: Stage) -> None:
    ever_new = (block(f"def double(x):\n    return x + {n}") for n in range(100))
    assert play("adaptive_refinement", DOUBLE, lambda _: next(ever_new)).calls == 5


def test_answers_are_compared_by_meaning(play: Stage) -> None:
    assert play("adaptive_refinement", QUESTION, ["Answer: Five", "Answer:  five"]).calls == 2


# -- solve or verify


@pytest.mark.parametrize("budget", [3, 8, 16, 64, 256])
@pytest.mark.parametrize("ratio", [0.25, 0.5, 1, 2])
def test_a_plan_stays_within_its_budget(play: Stage, budget: int, ratio: float) -> None:
    assert play.helper("solve_or_verify", "plan_budget", budget, ratio, True) == [budget, 0]
    solutions, verifications = play.helper("solve_or_verify", "plan_budget", budget, ratio, False)
    assert solutions >= 1 <= verifications
    assert solutions * (1 + ratio * verifications) <= max(budget, 1 + ratio)


def test_solutions_grow_faster_than_verifications(play: Stage) -> None:
    plans = [play.helper("solve_or_verify", "plan_budget", 4**k, 1, False) for k in range(2, 7)]
    assert plans == sorted(plans)
    assert math.log(plans[-1][0] / plans[0][0]) > math.log(plans[-1][1] / plans[0][1])


def test_agreement_in_the_pilot_buys_solutions(play: Stage) -> None:
    wrong = block("def double(x):\n    return x * x")
    played = play("solve_or_verify", DOUBLE, [GOOD, GOOD, wrong, wrong, GOOD, GOOD, BAD, BAD])
    assert (played.calls, "2 * x" in played.answer) == (8, True)


def test_disagreement_in_the_pilot_buys_verification(play: Stage) -> None:
    third = block("def double(x):\n    return x * x")
    drawn = iter([BAD, third, GOOD])

    def script(prompt: str) -> str:
        if "Is it right?" not in prompt:
            return next(drawn)
        return "double(3) is 6.\nVerdict: yes" if "2 * x" in prompt else "Verdict: no"

    played = play("solve_or_verify", DOUBLE, script)
    assert (played.calls, "2 * x" in played.answer) == (12, True)
    assert played.logs == ["verified: [0.0, 0.0, 1.0]"]


def test_unreadable_verdicts_do_not_count(play: Stage) -> None:
    answers = iter([BAD, block("def double(x):\n    return x * x"), GOOD])
    verdicts = iter(["hm", "Verdict: maybe", "Verdict: no"] * 2 + ["Verdict: **yes**", "?", "Verdict: yes."])
    played = play(
        "solve_or_verify", DOUBLE, lambda p: next(verdicts) if "Is it right?" in p else next(answers)
    )
    assert played.logs == ["verified: [0.0, 0.0, 1.0]"]


@pytest.mark.parametrize(("p", "better"), [(0.9, "solve"), (0.25, "verify")])
def test_where_the_curves_cross(play: Stage, p: float, better: str) -> None:
    """A simulated solver (right with p, else one of 2 errors) and a verifier that is right 9 times in 10.

    Majority needs p above the errors' share; verification works below it, where three pilots seldom agree.
    """
    draw = random.Random(0)
    right = {"solve": 0, "verify": 0}
    solutions, verifications = play.helper("solve_or_verify", "plan_budget", 12, 0.5, False)
    for _ in range(2000):
        answers = [0 if draw.random() < p else draw.choice([1, 1, 2]) for _ in range(12)]
        right["solve"] += max(set(answers), key=answers.count) == 0
        scored = [
            (sum(draw.random() < (0.9 if a == 0 else 0.1) for _ in range(verifications)), draw.random(), a)
            for a in answers[:solutions]
        ]
        right["verify"] += max(scored)[2] == 0
    assert max(right, key=right.__getitem__) == better
