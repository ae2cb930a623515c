"""Rounds of learning with scripted models: what is explored, what is trained on, what the gate decides."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from archive import Archive
from meta_agent.errors import UserError
from meta_agent.learning.controls import unverified
from meta_agent.learning.gate import decide
from meta_agent.learning.loop import Loop, LoopSettings
from meta_agent.learning.results import report
from meta_agent.learning.sampling import Drawn, Sampler, reach
from meta_agent.llm import FREE, Backend, Cache, Gateway, ScriptedLLM
from meta_agent.llm.learned import publish, scratch_folder
from tests.meta_agent.rehearsal import write_tasks

if TYPE_CHECKING:
    from pathlib import Path

    from meta_agent.llm.llm import Request
    from sandboxes import ProcessSandbox
    from tests.meta_agent.conftest import Bench

pytestmark = pytest.mark.timeout(600)  # hundreds of executions


def skilled(share: int) -> Any:
    """Return a model that solves ``plus_K`` when K * 7 + sample falls below ``share`` of ten, one way or another."""

    def reply(request: Request) -> str:
        name = request.messages[-1].content.partition("def ")[2].partition("(")[0]
        k = int(name.rpartition("_")[2])
        luck = (k * 7 + request.sample * 3) % 10
        form = ("return x + {0}", "y = {0}\n    return y + x", "return {0} + x")[request.sample % 3]
        return f"```python\ndef {name}(x):\n    {form.format(k if luck < share else k + 1)}\n```"

    return reply


class Crew:
    """Opens scripted models by their skill, and trains by writing down what it was given."""

    def __init__(self, skills: dict[str, int], cache: Path | None = None) -> None:
        self.skills = skills
        self.cache = cache
        self.opened: list[str] = []
        self.trained: dict[str, Path] = {}
        self.given: dict[str, dict[str, Any]] = {}
        self.searched: list[str] = []

    def reply(self, model: str) -> Any:
        return skilled(self.skills[model])

    def gateway(self) -> Gateway:
        def opened(model: str) -> Backend:
            self.opened.append(model)
            return Backend(ScriptedLLM(self.reply(model)), None, FREE)

        return Gateway(opened, cache=Cache(self.cache))

    def search(self, archive: Archive, run: str, domain: str, model: str) -> None:
        self.searched.append(run)

    def train(self, name: str, data: Path, settings: dict[str, Any]) -> None:
        self.trained[name], self.given[name] = data, settings
        rows = len((data / "sft.jsonl").read_text().splitlines())
        publish(scratch_folder(name), name, settings["base"], {"rows": rows})


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("ADAS_MODELS", str(tmp_path / "models"))
    return str(write_tasks(tmp_path / "plus.jsonl", 48))


def settings(tasks: str, **more: object) -> LoopSettings:
    return LoopSettings(base="base", domains=(tasks,), name="new", pool=3, draws=6, unrelated="", **more)  # type: ignore[arg-type]


def run(
    folder: Path, chosen: LoopSettings, crew: Crew, sandbox: ProcessSandbox
) -> tuple[dict[str, Any], Loop]:
    folder.mkdir(exist_ok=True)
    with Archive(folder / "archive.db") as archive:
        loop = Loop(folder, chosen, archive, sandbox, crew)
        return loop(), loop


def test_two_rounds_with_a_gate(tasks: str, tmp_path: Path, sandbox: ProcessSandbox) -> None:
    """The first model is much better and stays, the second is worse and goes."""
    crew = Crew({"base": 3, "local/new-1": 10, "local/new-2": 5})
    state, loop = run(tmp_path / "loop", settings(tasks), crew, sandbox)
    gates = [one["gate"]["decision"] for one in state["rounds"].values()]
    assert gates == ["promoted", "rolled back"]
    assert state["model"] == "local/new-1"
    assert [one["exploration"]["model"] for one in state["rounds"].values()] == ["base", "local/new-1"]
    assert [one["gate"]["old"] for one in state["rounds"].values()] == ["base", "local/new-1"]
    assert crew.searched == [f"new-1-{tasks}", f"new-2-{tasks}"]
    assert [r["model"] for r in state["results"]] == ["base", "local/new-1", "local/new-2"]
    better = state["results"][1]
    assert better["all"]["mean"] == 1.0
    assert better["to_base"]["p"] < 0.001
    assert better["tasks"] == len(loop.domains[tasks].tasks("test"))
    text = report(json.loads((tmp_path / "loop" / "loop.json").read_text()), "adas learn loop x")
    assert "Better than the base: local/new-1" in text
    assert "| 2 | `local/new-1` |" in text


def test_nothing_held_out_is_ever_learned(tasks: str, tmp_path: Path, sandbox: ProcessSandbox) -> None:
    crew = Crew({"base": 5, "local/new-1": 5})
    _, loop = run(tmp_path / "loop", settings(tasks, rounds=1), crew, sandbox)
    allowed = {task.id for task in loop.domains[tasks].tasks("search")}
    (folder,) = set(crew.trained.values())
    rows = [json.loads(line) for file in folder.glob("*.jsonl") for line in file.read_text().splitlines()]
    assert rows
    assert {row["task"] for row in rows} <= allowed
    hidden = [task for split in ("selection", "test") for task in loop.domains[tasks].tasks(split)]  # type: ignore[arg-type]
    names = {f"def {task.entry_point}(" for task in hidden}
    assert not any(name in json.dumps(row) for name in names for row in rows)


def test_the_gate_draws_with_seeds_of_its_own(tasks: str, tmp_path: Path, sandbox: ProcessSandbox) -> None:
    crew = Crew({"base": 5, "local/new-1": 5, "local/new-2": 5})
    run(tmp_path / "loop", settings(tasks), crew, sandbox)
    with Archive(tmp_path / "loop" / "archive.db") as archive:
        seeds = {(e.split, e.seed) for e in archive.evaluations()}
        opened = [(o.split, len(o.programs)) for o in archive.openings()]
    assert seeds == {("search", 101), ("search", 102), ("selection", 501), ("selection", 502), ("test", 0)}
    assert opened == [("test", 1)]


def test_a_loop_goes_on_and_does_not_repeat(tasks: str, tmp_path: Path, sandbox: ProcessSandbox) -> None:
    cache = tmp_path / "llm.db"
    first = Crew({"base": 4, "local/new-1": 9}, cache)
    chosen = settings(tasks, rounds=1)
    state, _ = run(tmp_path / "loop", chosen, first, sandbox)
    again = Crew({"base": 4, "local/new-1": 9}, cache)
    repeated, _ = run(tmp_path / "loop", chosen, again, sandbox)
    assert json.loads(json.dumps(repeated["rounds"])) == json.loads(json.dumps(state["rounds"]))
    assert not again.trained
    assert again.opened == []  # every answer is in the cache
    with pytest.raises(UserError, match="other settings"):
        run(tmp_path / "loop", settings(tasks, rounds=1, seed=4), again, sandbox)


def test_controls_have_as_many_rows(tasks: str, tmp_path: Path, sandbox: ProcessSandbox) -> None:
    names = [
        "local/new-1",
        *(f"local/new-1-{control}" for control in ("response-only", "sharpened", "random")),
    ]
    crew = Crew({"base": 4, **dict.fromkeys(names, 6)})
    state, _ = run(tmp_path / "loop", settings(tasks, rounds=1, controls=True), crew, sandbox)
    assert [r["model"] for r in state["results"]] == ["base", *names]
    counts = {name: len((data / "sft.jsonl").read_text().splitlines()) for name, data in crew.trained.items()}
    assert counts["local/new-1-response-only"] == counts["local/new-1"]
    assert counts["local/new-1-random"] == counts["local/new-1"]
    assert 0 < counts["local/new-1-sharpened"] <= counts["local/new-1"]
    assert crew.given["local/new-1-response-only"]["response_only"] is True


def test_an_unrelated_domain_is_asked_step_by_step(
    tasks: str, tmp_path: Path, sandbox: ProcessSandbox
) -> None:
    """A model that thinks first keeps what it knew; one that answers at once has lost it."""
    sums = tmp_path / "sums.jsonl"
    rows = [{"prompt": f"How much is {n} and {n}?", "answer": f"{2 * n} in all"} for n in range(12)]
    sums.write_text("\n".join(map(json.dumps, rows)))

    def reply(forgetful: bool, request: Request) -> str:
        prompt = request.messages[-1].content
        if "def plus_" in prompt:
            return str(skilled(5)(request))
        assert "Reason step by step" in prompt
        n = int(prompt.split()[3])
        return "Answer: 7" if forgetful else f"It is {n} plus {n}.\nAnswer: {2 * n} in all"

    crew = Crew({"base": 5, "local/new-1": 5})
    crew.reply = lambda model: partial(reply, model != "base")  # type: ignore[method-assign]
    chosen = settings(tasks, rounds=1).model_copy(update={"unrelated": str(sums), "unrelated_tasks": 3})
    state, _ = run(tmp_path / "loop", chosen, crew, sandbox)
    base, new = state["results"]
    assert base["unrelated_scores"] == (1.0, 1.0, 1.0)
    assert new["unrelated_scores"] == (0.0, 0.0, 0.0)
    assert new["unrelated_to_base"]["difference"] == -1.0
    text = report(state, "adas learn loop x")
    assert "| 100.0% (44%-100%) |  |  |" in text
    assert "| 0.0% (0%-56%) | -100.0% | 0.250 |" in text


def drawn(
    bench: Bench, sandbox: ProcessSandbox, skill: int, draws: int = 4, said: list[str] | None = None
) -> list[Drawn]:
    with Gateway(lambda _: Backend(ScriptedLLM(skilled(skill)), None, FREE)) as gateway:
        report = [].append if said is None else said.append
        sample = Sampler(bench.archive, "r", gateway, sandbox, f"m{skill}", 4, report=report)
        tasks = bench.domain.tasks("search")
        return sample(bench.domain, tasks, "search", temperature=0.7, draws=draws, seed=1)


def test_draws_are_marked_and_kept(bench: Bench, sandbox: ProcessSandbox) -> None:
    found = drawn(bench, sandbox, 5)
    for one in found:
        k = int(one.task.entry_point.removeprefix("plus_"))
        expected = tuple((k * 7 + (1000 + n) * 3) % 10 < 5 for n in range(4))
        assert one.rights == expected
        assert one.rewards == tuple(float(right) for right in expected)
    (evaluation,) = bench.archive.evaluations()
    assert len(bench.archive.rollouts(evaluation.id)) == len(found)
    assert drawn(bench, sandbox, 5) == found
    seen = reach(found)
    assert seen.pass_at_1 == pytest.approx(sum(sum(d.rights) for d in found) / (4 * len(found)))
    assert seen.pass_at_1 <= seen.best_of_k <= seen.pass_at_k
    assert seen.reward_at_half >= seen.pass_at_1
    assert 1 <= seen.distinct <= 4


def test_draws_say_how_far_they_are(
    bench: Bench, sandbox: ProcessSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet: list[str] = []
    found = drawn(bench, sandbox, 5, said=quiet)
    assert quiet == []
    monkeypatch.setattr("meta_agent.learning.sampling.HEARTBEAT_S", 0)
    said: list[str] = []
    drawn(bench, sandbox, 4, said=said)
    answers = 4 * len(found)
    assert said == [f"{n + 1} of {answers} answers, {bench.domain.name} search" for n in range(answers)]


def test_the_gate_wants_a_win_that_chance_does_not_explain(bench: Bench, sandbox: ProcessSandbox) -> None:
    weak, strong = drawn(bench, sandbox, 2), drawn(bench, sandbox, 10)
    assert decide(1, 9, "a", "b", weak, strong).decision == "promoted"
    assert decide(1, 9, "a", "b", strong, weak).decision == "rolled back"
    assert decide(1, 9, "a", "b", weak[:2], strong[:2]).decision == "rolled back"  # too few to tell
    assert decide(1, 9, "a", "b", strong, strong).difference.p == 1
    with pytest.raises(ValueError, match="same tasks"):
        decide(1, 9, "a", "b", weak, strong[:2])


def test_controls_without_a_verifier(bench: Bench, sandbox: ProcessSandbox) -> None:
    found = drawn(bench, sandbox, 5, draws=6)
    rows = unverified("random", found, 12, 0).rows
    assert len(rows) == 12
    assert {row.task for row in rows} == {one.task.id for one in found}
    by_task = {one.task.id: one for one in found}
    for row in unverified("sharpened", found, 100, 0).rows:
        one = by_task[row.task]
        key = one.keys[one.replies.index(row.answer)]
        assert one.keys.count(key) == max(one.keys.count(other) for other in one.keys)
    assert unverified("random", found, 12, 0) == unverified("random", found, 12, 0)
    with pytest.raises(ValueError, match="verified rows"):
        unverified("response-only", found, 3, 0)
