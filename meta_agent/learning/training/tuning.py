"""Which rank, modules, layers and rate: a search over the space of AutoPEFT, reported on seeds it was not tuned on.

Zhou et al. (2023), AutoPEFT: Automatic Configuration Search for Parameter-Efficient Fine-Tuning, arXiv 2301.12132. Two
objectives, loss on held-back tasks and number of parameters; optuna's NSGA-II. Eimer et al. (2023), Hyperparameters in
Reinforcement Learning and How To Tune Them, arXiv 2306.01324: seeds for tuning and for reporting are disjoint, and the
best score of the tuning is never reported as a result.
"""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from meta_agent.errors import UserError
from meta_agent.learning.training import train as training
from meta_agent.learning.training.lessons import Lesson, Renderer, in_order, read_lessons
from meta_agent.learning.training.memory import adapter_parameters
from meta_agent.llm.engines.vllm import dequantised
from meta_agent.llm.local import model_path

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from meta_agent.learning.training.settings import TrainSettings

TUNING_SEEDS, REPORTED_SEEDS = (0, 1), (5, 6, 7)
RANKS = (4, 8, 16, 32, 64)
GROUPS = {
    "queries_values": ("q_proj", "v_proj"),
    "keys_outputs": ("k_proj", "o_proj"),
    "inner": ("gate_proj", "up_proj", "down_proj"),
}
HELD_BACK = 5
"""One task in so many is held back to measure the loss on."""


@dataclass(frozen=True, slots=True)
class Tuned:
    """What a search over settings came to."""

    settings: dict[str, Any]
    """The chosen ones: of the front, those with the lowest loss."""
    parameters: int
    loss: float
    """Mean over the reported seeds, on held-back tasks."""
    spread: float
    """Standard deviation over them."""
    default_loss: float
    """Of the settings that the search began with, over the same seeds."""
    front: tuple[tuple[float, int], ...]
    """Loss (of the tuning) and parameters of the settings that no other beats in both."""
    trainings: int


def tune(
    data: Path, settings: TrainSettings, trials: int, report: Callable[[str], None] = lambda _: None
) -> Tuned:
    """Search for settings of supervised fine-tuning; each trial trains once a tuning seed, ``settings.steps`` steps.

    Raises:
        UserError: the extra is not installed, steps are not given, or the data has too few tasks.
    """
    training.import_torch()
    try:
        import optuna
    except ImportError:
        raise UserError('tuning needs optuna: pip install "meta-agent-search[tune]"') from None
    if settings.method != "sft" or not settings.steps:
        raise UserError("tuning needs method=sft and the steps of a trial, for example steps=20")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    bench = _Bench(data, settings)
    study = optuna.create_study(
        directions=["minimize", "minimize"], sampler=optuna.samplers.NSGAIISampler(seed=settings.seed)
    )

    def objective(trial: Any) -> tuple[float, int]:
        chosen = bench.draw(trial)
        loss = fmean(bench.loss(chosen, seed) for seed in TUNING_SEEDS)
        parameters = adapter_parameters(bench.shape, chosen)
        report(f"trial {trial.number + 1} of {trials}: loss {loss:.4f}, {parameters:,} parameters")
        return loss, parameters

    study.optimize(objective, n_trials=trials)
    best = min(study.best_trials, key=lambda trial: trial.values[0])
    chosen = bench.draw(optuna.trial.FixedTrial(best.params))
    losses = [bench.loss(chosen, seed) for seed in REPORTED_SEEDS]
    defaults = [bench.loss(settings, seed) for seed in REPORTED_SEEDS]
    return Tuned(
        settings={key: getattr(chosen, key) for key in ("rank", "alpha", "modules", "layers", "rate")},
        parameters=int(best.values[1]),
        loss=fmean(losses),
        spread=stdev(losses),
        default_loss=fmean(defaults),
        front=tuple(sorted((trial.values[0], int(trial.values[1])) for trial in study.best_trials)),
        trainings=bench.trainings,
    )


class _Bench:
    """Trains and measures one setting after another on the same rows."""

    def __init__(self, data: Path, settings: TrainSettings) -> None:
        self.settings = settings
        base = model_path(settings.base)
        self.folder = dequantised(base, Path(sys.executable), training.fastest_training_format())
        self.shape = json.loads((self.folder / "config.json").read_text())
        self.tokenizer = training.tokenizer_of(self.folder)
        renderer = Renderer(self.tokenizer)
        self.learned = read_lessons(data, renderer, settings, keep=lambda row: not _held_back(row))
        self.held_back = read_lessons(data, renderer, settings, keep=_held_back)
        largest = {  # what a trial may draw
            "rank": max(RANKS),
            "modules": tuple(m for group in GROUPS.values() for m in group),
            "layers": (),
        }
        longest = max(lesson.length for lesson in self.learned)
        training.check_fits(self.folder, settings.model_copy(update=largest), longest)
        self.trainings = 0

    def draw(self, trial: Any) -> TrainSettings:
        """Return the settings of a trial."""
        rank = trial.suggest_categorical("rank", RANKS)
        groups = [name for name in GROUPS if trial.suggest_categorical(name, [True, False])]
        count = self.shape["num_hidden_layers"]
        layers = [i for i in range(count) if trial.suggest_categorical(f"layer_{i}", [True, False])]
        return self.settings.model_copy(
            update={
                "rank": rank,
                "alpha": 2.0 * rank,
                "modules": tuple(m for name in groups or ["queries_values"] for m in GROUPS[name]),
                "layers": tuple(layers or range(count)),
                "rate": trial.suggest_float("rate", 1e-5, 2e-2, log=True),
            }
        )

    def loss(self, settings: TrainSettings, seed: int) -> float:
        """Train with a seed; return the mean loss of a token of the held-back answers."""
        import torch

        self.trainings += 1
        seeded = settings.model_copy(update={"seed": seed})
        ordered = in_order(self.learned, seeded, int(self.tokenizer.pad_token_id))
        with TemporaryDirectory() as scratch:
            model = training.train_once(Path(scratch), self.folder, self.tokenizer, ordered, seeded)
        with torch.no_grad():
            return _mean_loss(model, self.held_back)


def _mean_loss(model: Any, lessons: Sequence[Lesson]) -> float:
    import torch

    from meta_agent.learning.training.trainers import log_probabilities

    total, count = 0.0, 0
    for lesson in lessons:
        (tokens,) = lesson.sequences
        ids = torch.tensor([tokens.ids], device=model.device)
        learned = torch.tensor([tokens.learned], device=model.device)
        total -= float(log_probabilities(model, ids, torch.ones_like(ids), learned)[0])
        count += sum(tokens.learned)
    return total / count


def _held_back(row: dict[str, object]) -> bool:
    """Tell whether the task of a row is held back: all rows of a task are, or none."""
    name = f"{row.get('domain', '')}/{row.get('task', '')}"
    return hashlib.sha256(name.encode()).digest()[0] % HELD_BACK == 0
