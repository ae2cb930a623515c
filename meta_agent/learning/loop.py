"""The loop that closes: search -> harvest -> train -> gate, round after round, and one sealed test at the end.

Everything that a round made is kept in a folder, so that the same command goes on where it was cut off::

    FOLDER/archive.db        every search, draw and measurement
    FOLDER/round-1/data      verified rows; beside it the controls' rows
    FOLDER/loop.json         what was decided, and the table
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import BaseModel, ConfigDict, Field

from archive import Archive, Run
from meta_agent.errors import UserError
from meta_agent.learning.balance import choose
from meta_agent.learning.card import write
from meta_agent.learning.controls import CONTROLS, Control, unverified
from meta_agent.learning.gate import Decision, decide
from meta_agent.learning.harvest import Harvester
from meta_agent.learning.heldout import whole
from meta_agent.learning.results import Result, result
from meta_agent.learning.sampling import Drawn, Sampler, reach, sampling_program
from meta_agent.llm.learned import find_learned

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from archive import Split
    from meta_agent.llm import Gateway
    from meta_agent.llm.llm import Message
    from sandboxes import Sandbox

FIRST_SEED, GATE_SEED = 100, 500
"""Sampling seeds of the first round's exploration and of its gate; searches have 0 to 2."""


class LoopSettings(BaseModel):
    """Everything that decides a loop."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = "learned"
    """Models are called ``NAME-1``, ``NAME-2``, ...; controls ``NAME-1-random`` and so on."""
    base: str = "local/qwen2.5-coder-0.5b"
    domains: tuple[str, ...] = ("humaneval", "mbpp")
    rounds: int = Field(2, ge=1)
    seed: int = 0
    """Of the splits and of the training."""
    search: str = "smoke"
    """Preset of a search in each domain and round; empty: none, the draws alone explore."""
    meta_model: str = ""
    """Writes the programs of a search; empty: the preset's."""
    search_budget: str = ""
    """Of each search, as for ``adas search --budget``."""
    draws: int = Field(8, ge=2)
    """A search task and setting, in exploration."""
    temperatures: tuple[float, ...] = (0.5, 0.8, 1.1)
    """What B-STaR chooses among."""
    thresholds: tuple[float, ...] = (-0.01, 0.34, 0.67, 0.99)
    """Likewise: a draw is kept when its share of visible tests is above."""
    pool: int = Field(8, ge=1)
    """Search tasks a domain on which the choice is made."""
    search_tasks: int = Field(85, ge=1)
    """A domain, at most; likewise below."""
    selection_tasks: int = Field(85, ge=1)
    test_tasks: int = Field(257, ge=1)
    gate_draws: int = Field(2, ge=1)
    gate_temperature: float = Field(0.6, gt=0)
    most: int = Field(4, ge=1)
    """Rows of a form a task."""
    controls: bool = False
    """Train and test the controls of the last round too."""
    unrelated: str = "gsm8k"
    """Domain on which forgetting is measured; empty: not."""
    unrelated_tasks: int = Field(40, ge=1)
    train: dict[str, Any] = Field(default_factory=dict)
    """Settings of the training, as for ``adas learn train``."""


class Crew(Protocol):
    """What the loop needs done by others; the command puts the real ones in, a test small ones."""

    def gateway(self) -> Gateway:
        """Return a gateway to every model; it opens one when an answer is not in its cache."""

    def search(self, archive: Archive, run: str, domain: str, model: str) -> None:
        """Search in a domain with a model; a run that is in the archive already goes on."""

    def train(self, name: str, data: Path, settings: dict[str, Any]) -> None:
        """Train and register a model."""


@dataclass
class Loop:
    """Rounds of learning over one folder; calling it again resumes."""

    folder: Path
    settings: LoopSettings
    archive: Archive
    sandbox: Sandbox
    crew: Crew
    extra: Sequence[Archive] = ()
    """Older archives to learn from too."""
    report: Callable[[str], None] = lambda _text: None
    _prompts: dict[tuple[str, str], tuple[Message, ...]] = field(default_factory=dict)

    def __call__(self) -> dict[str, Any]:
        """Run all rounds and the sealed test; return what ``loop.json`` then holds.

        Raises:
            UserError: the folder belongs to a loop with other settings.
        """
        self.domains = {name: whole(name, self.settings.seed) for name in self.settings.domains}
        self.run = f"loop-{self.settings.name}"
        first = next(iter(self.domains.values()))
        kept = self.settings.model_dump(mode="json")
        self.state: dict[str, Any] = self._load()
        self.archive.add_run(Run(self.run, "evaluate", first.name, first.version, kept))
        model = self.settings.base
        for number in range(1, self.settings.rounds + 1):
            model = self.round(number, model)
        self.state["model"] = model
        self.test()
        self._save()
        return self.state

    def round(self, number: int, model: str) -> str:
        """Explore with a model, train a new one from the base, and return the one that the gate keeps."""
        done = self.state["rounds"].get(str(number))
        if done is None:
            new = f"local/{self.settings.name}-{number}"
            explored, log = self.explore(number, model)
            card = self.harvest(number, float(log["threshold"]))
            self.train(new, number)
            if self.settings.controls and number == self.settings.rounds:
                self.train_controls(number, explored)
            decision = self.gate(number, model, new)
            done = {"exploration": log, "rows": {k: v["rows"] for k, v in card["kinds"].items()}}
            done |= {"data": card["digest"], "gate": asdict(decision)}
            self.state["rounds"][str(number)] = done
            self._save()
        gate = done["gate"]
        return str(gate["new"] if gate["decision"] == "promoted" else gate["old"])

    def explore(self, number: int, model: str) -> tuple[list[Drawn], dict[str, Any]]:
        """Search, choose how to draw, draw on all search tasks; return the draws and what they say."""
        if self.settings.search:
            for name in self.domains:
                self.report(f"round {number}: searching in {name} with {model}")
                self.crew.search(self.archive, f"{self.settings.name}-{number}-{name}", name, model)
        seed = FIRST_SEED + number
        with self._sampler(model) as sample:
            self.report(f"round {number}: choosing a temperature for {model}")
            pools = {
                temperature: self._draw(
                    sample, "search", self.settings.pool, temperature, self.settings.draws, seed
                )
                for temperature in self.settings.temperatures
            }
            setting = choose(
                {t: [drawn.draws() for drawn in pool] for t, pool in pools.items()}, self.settings.thresholds
            )
            self.report(f"round {number}: drawing at temperature {setting.temperature:g}")
            drawn = self._draw(
                sample, "search", self.settings.search_tasks, setting.temperature, self.settings.draws, seed
            )
        return drawn, {**asdict(setting), "model": model, **asdict(reach(drawn))}

    def harvest(self, number: int, threshold: float) -> dict[str, Any]:
        """Write the verified rows of everything explored so far."""
        folder = self.folder / f"round-{number}" / "data"
        if (folder / "card.json").is_file():
            return dict(json.loads((folder / "card.json").read_text()))
        harvester = Harvester(
            self.sandbox,
            seed=self.settings.seed,
            domains=self.settings.domains,
            most=self.settings.most,
            threshold=threshold,
            report=self.report,
        )
        harvest = harvester([*self.extra, self.archive])
        about = {
            "base": self.settings.base,
            "seed": self.settings.seed,
            "heldout": f"{len(harvester.heldout)} tasks",
        }
        return write(harvest, folder, {**about, "round": number})

    def train(self, name: str, number: int, data: str = "data", **more: object) -> None:
        """Train a model unless it is there."""
        if find_learned(name) is None:
            self.report(f"round {number}: training {name}")
            settings = {"base": self.settings.base, "seed": self.settings.seed, **self.settings.train, **more}
            self.crew.train(name, self.folder / f"round-{number}" / data, settings)

    def train_controls(self, number: int, drawn: Sequence[Drawn]) -> None:
        """Train a model for each control, on as many rows as the round's own model."""
        trained = find_learned(f"{self.settings.name}-{number}")
        rows = int(trained.about["rows"]) if trained else 0
        for control in CONTROLS:
            if control == "response-only":
                self.train(self._control(number, control), number, response_only=True)
                continue
            folder = self.folder / f"round-{number}" / control
            if not (folder / "card.json").is_file():
                write(unverified(control, drawn, rows, self.settings.seed), folder, {"control": control})
            self.train(self._control(number, control), number, control)

    def gate(self, number: int, old: str, new: str) -> Decision:
        """Measure both models on the selection split with draws of a seed of its own."""
        seed = GATE_SEED + number
        measured = []
        for model in (old, new):
            self.report(f"round {number}: measuring {model} on the selection split")
            with self._sampler(model) as sample:
                measured.append(
                    self._draw(
                        sample,
                        "selection",
                        self.settings.selection_tasks,
                        self.settings.gate_temperature,
                        self.settings.gate_draws,
                        seed,
                    )
                )
        return decide(number, seed, old, new, *measured)

    def test(self) -> None:
        """Open the sealed test, once, for all models, and fill the table."""
        program = sampling_program(1, 0.0, 0)
        self.archive.open_split(self.run, "test", [program.id])
        results: dict[str, Result] = {}
        for model in self.models():
            self.report(f"sealed test of {model}")
            with self._sampler(model) as sample:
                measured = self._draw(sample, "test", self.settings.test_tasks, 0.0, 1, 0)
                unrelated = self._unrelated(sample)
            results[model] = result(model, measured, unrelated, results.get(self.settings.base))
        self.state["results"] = [each.as_json() for each in results.values()]

    def models(self) -> list[str]:
        """Return the base, the model of each round, and the controls."""
        rounds = range(1, self.settings.rounds + 1)
        models = [self.settings.base, *(f"local/{self.settings.name}-{number}" for number in rounds)]
        if self.settings.controls:
            models += [self._control(self.settings.rounds, control) for control in CONTROLS]
        return models

    def _unrelated(self, sample: Sampler) -> list[Drawn]:
        if not self.settings.unrelated:
            return []
        domain = whole(self.settings.unrelated, self.settings.seed)
        tasks = domain.tasks("selection")[: self.settings.unrelated_tasks]
        return sample(domain, tasks, "selection", temperature=0.0, draws=1, seed=0)

    def _draw(
        self, sample: Sampler, split: Split, most: int, temperature: float, draws: int, seed: int
    ) -> list[Drawn]:
        return [
            drawn
            for domain in self.domains.values()
            for drawn in sample(
                domain, domain.tasks(split)[:most], split, temperature=temperature, draws=draws, seed=seed
            )
        ]

    @contextmanager
    def _sampler(self, model: str) -> Iterator[Sampler]:
        with self.crew.gateway() as gateway:
            yield Sampler(
                self.archive,
                self.run,
                gateway,
                self.sandbox,
                model,
                prompts=self._prompts,
                report=self.report,
            )

    def _control(self, number: int, control: Control) -> str:
        return f"local/{self.settings.name}-{number}-{control}"

    def _load(self) -> dict[str, Any]:
        file, mine = self.folder / "loop.json", self.settings.model_dump(mode="json")
        if not file.is_file():
            return {"settings": mine, "rounds": {}}
        state: dict[str, Any] = json.loads(file.read_text())
        if state["settings"] != mine:
            raise UserError(f"{self.folder} belongs to a loop with other settings: choose another folder")
        return state

    def _save(self) -> None:
        file = self.folder / "loop.json"
        part = file.with_suffix(".part")
        part.write_text(json.dumps(self.state, indent=2) + "\n")
        part.replace(file)
