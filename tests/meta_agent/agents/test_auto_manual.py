"""The rule store keeps its invariants; the builder is asked by case; plans act in a real environment."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from domains import load_domain
from meta_agent.agents import load_agent
from tests.meta_agent.agents.conftest import BAD, DOUBLE, GOOD, QUESTION, block, code_task

if TYPE_CHECKING:
    from pathlib import Path

    from tests.meta_agent.agents.conftest import Stage

DRIVER = """
def drive(steps):
    rules = Rules()
    for name, *args in steps:
        getattr(rules, name)(*args)
    return [[n, r["type"], r["rule"], r["record"]] for n, r in rules.kept.items()]
def help_(code):
    rules = Rules()
    rules.apply("write Helper Method: use it", True, code)
    return rules.helpers()
"""
WORLD = """
class Lamp:
    on = plugged = False
lamp = Lamp()
def plug():
    lamp.plugged = True
def switch():
    assert lamp.plugged, "the lamp is not plugged in"
    lamp.on = True
"""
TURN_ON = "Turn on the lamp."
LIT = ["assert lamp.on"]


def drive(play: Stage, *steps: list[object]) -> list[list[object]]:
    outcome = play.sandbox.run(load_agent("auto_manual").source + DRIVER, entry="drive", args=[list(steps)])
    assert outcome.ok, outcome.error
    return outcome.value  # type: ignore[return-value]


def test_ids_are_dense_and_references_follow(play: Stage) -> None:
    kept = drive(
        play,
        ["write", "Special Mechanism", "a"],
        ["write", "Special Mechanism", "b, after rule_1"],
        ["write", "Corrected Error", "c, unlike rule_2 and rule_1"],
        ["apply", "delete 1", True, ""],
        ["arrange"],
    )
    assert [row[0] for row in kept] == [1, 2]
    assert [row[2] for row in kept] == ["b, after an earlier rule", "c, unlike rule_1 and an earlier rule"]


@pytest.mark.parametrize("kind", ["Helper Method", "Success Process"])
def test_a_failure_teaches_no_method(play: Stage, kind: str) -> None:
    line = f"write {kind}: do it"
    assert drive(play, ["apply", line, False, ""]) == []
    assert drive(play, ["apply", line, True, ""]) == [[1, kind, "do it", []]]
    assert (
        drive(play, ["apply", line.replace(kind, "Unresolved Error"), False, ""])[0][1] == "Unresolved Error"
    )


def test_changes_are_read_from_a_reply(play: Stage) -> None:
    reply = "Sure:\n- write special mechanism: plug first\n* write TYPE: odd\nupdate rule_1: plug it in\nupdate 9: no\ndelete 9"
    assert [row[1:3] for row in drive(play, ["apply", reply, False, ""])] == [
        ["Special Mechanism", "plug it in"],
        ["Unresolved Error", "odd"],
    ]


def test_a_record_keeps_the_last_three(play: Stage) -> None:
    notes: list[list[object]] = [["note", "# rule_1\n# rule_7", good] for good in (True, True, False, True)]
    assert drive(play, ["write", "Special Mechanism", "a"], *notes)[0][3] == [1, -1, 1]


def test_helpers_come_from_examples_without_empty_ones(play: Stage) -> None:
    code = "x = 1\ndef go():\n    return plug()\ndef later():\n    pass\ndef never():\n    '''Not yet.'''\n    ..."
    outcome = play.sandbox.run(load_agent("auto_manual").source + DRIVER, entry="help_", args=[code])
    assert outcome.value == ["def go():\n    return plug()"]


def lamp(prompt: str) -> str:
    """Learn from the first failure that the lamp must be plugged in."""
    if "short manual" in prompt:
        return f"# Lamps\nrule_1: {'plug' if 'plug first' in prompt else '?'} first"
    if "Reply with one line for each change" in prompt:
        return (
            "write Success Process: plug first, then switch"
            if "worked at once" in prompt
            else "write Corrected Error: plug first"
        )
    if "Was a rule missing" in prompt:
        return "rules"
    return block("# rule_1\nplug()\nswitch()" if "plug first" in prompt else "# [Step] switch\nswitch()")


def test_practice_becomes_a_manual_that_the_task_is_solved_with(play: Stage) -> None:
    metadata = {"environment": WORLD, "practice": [{"prompt": TURN_ON, "tests": LIT}] * 2}
    played = play("auto_manual", code_task(TURN_ON + " Now.", "", *LIT, metadata=metadata), lamp)
    cases = [line.partition(" ->")[0] for line in played.logs]
    assert cases == ["imperfect rules", "direct success"]
    assert "# Lamps\nrule_1: plug first" in played.prompts[-1]
    assert played.answer == "# rule_1\nplug()\nswitch()"
    runs = [event for event in played.trace if event["op"] == "run"]
    assert [event["score"] for event in runs] == [0.0, 0.0, 1.0, 1.0]
    assert "the lamp is not plugged in" in runs[0]["feedback"]


def test_an_environment_can_be_a_domain(play: Stage, tmp_path: Path) -> None:
    practice = [{"prompt": TURN_ON, "tests": LIT}]
    row = {"setup": WORLD, "tests": LIT, "metadata": {"environment": WORLD, "practice": practice}}
    file = tmp_path / "lamps.jsonl"
    file.write_text("".join(json.dumps({**row, "prompt": f"Turn on lamp {n}."}) + "\n" for n in range(3)))
    domain = load_domain(str(file), sizes={"search": 1, "selection": 1, "test": 1})
    (task,) = domain.tasks("search")
    played = play("auto_manual", task, lamp)
    assert domain.score(task, played.answer, play.sandbox).value == 1.0
    assert domain.score(task, "switch()", play.sandbox).value == 0.0


def test_without_practice_the_task_itself_is_the_episode(play: Stage) -> None:
    played = play("auto_manual", code_task(TURN_ON, "", *LIT, metadata={"environment": WORLD}), lamp)
    assert "plug()" in played.answer
    assert played.logs == ["imperfect rules -> write Corrected Error: plug first"]
    assert play("auto_manual", DOUBLE, [GOOD]).calls == 1


def test_a_rule_that_was_not_followed_is_another_case(play: Stage) -> None:
    def script(prompt: str) -> str:
        if "Was a rule missing" in prompt:
            return "agent"
        if "Reply with one line for each change" in prompt:
            return (
                "update 1: ALWAYS double"
                if "not followed" in prompt
                else "write Special Mechanism: double it"
            )
        return GOOD if "ALWAYS double" in prompt else BAD

    played = play("auto_manual", DOUBLE, script)
    assert [line.partition(" ->")[0] for line in played.logs] == ["imperfect rules", "imperfect agent"]
    assert "2 * x" in played.answer


def test_a_full_store_is_merged(play: Stage) -> None:
    many = "\n".join(f"write Special Mechanism: fact {n}" for n in range(14))

    def script(prompt: str) -> str:
        if "There are too many" in prompt:
            return "update 1: fact 0 and 1\ndelete 2"
        if "Reply with one line for each change" in prompt:
            return many
        return "rules" if "Was a rule missing" in prompt else BAD

    played = play("auto_manual", DOUBLE, script)
    assert any("There are too many" in prompt for prompt in played.prompts)
    shown = [prompt.count("(Special Mechanism)") for prompt in played.prompts if "Rules (cite" in prompt]
    assert shown
    assert max(shown) == 12
    assert any("rule_1 (Special Mechanism): fact 0 and 1" in prompt for prompt in played.prompts)


def test_a_question_has_nothing_to_act_in(play: Stage) -> None:
    assert play("auto_manual", QUESTION, ["Answer: 5"]).calls == 1
