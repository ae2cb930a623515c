"""Trains an adapter and registers it as a local model.

A training lives in ``training/NAME`` of the models home until it is done. It is saved every half minute, and the same
command goes on from the last save with the rows, the random state and the curve that an undisturbed one has.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from meta_agent.errors import UserError
from meta_agent.learning.gguf_files import HINT, lora_pairs, write_adapter
from meta_agent.learning.training.lessons import Lesson, Renderer, in_order, read_lessons
from meta_agent.learning.training.memory import check_memory, needed
from meta_agent.llm.catalogue import models_home
from meta_agent.llm.engines.machine import available_memory, cpu_flags
from meta_agent.llm.engines.vllm import dequantised
from meta_agent.llm.learned import LearnedModel, check_free, publish, scratch_folder
from meta_agent.llm.local import model_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from meta_agent.learning.training.settings import TrainSettings

SAVE_SECONDS = 30.0
"""A training that is killed loses at most so much, or one step where a step takes longer."""
WARM_UP = 0.05
CURVE = "loss.jsonl"
COMPLETE = "complete"
"""In a checkpoint that was written to its end."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a training is."""

    step: int
    steps: int
    loss: float
    seconds: float
    """Of this step."""


def train(
    name: str,
    data: Path,
    settings: TrainSettings,
    report: Callable[[str], None] = lambda _: None,
    observe: Callable[[Progress], None] = lambda _: None,
) -> LearnedModel:
    """Train on a data folder and register the result as ``local/NAME``; go on where an earlier attempt was cut off.

    Args:
        name: of the new model.
        data: folder that ``adas learn data`` wrote.
        settings: how to train.
        report: is told what is being done.
        observe: is told of each step.

    Raises:
        UserError: the extra is not installed, the name is taken, there is nothing to learn, memory will not suffice,
            or a training of this name was begun with other data or settings.
    """
    stem = check_free(name)
    import_torch()
    base = model_path(settings.base)
    report(f"reading the weights of {settings.base}")
    folder = dequantised(base, Path(sys.executable), fastest_training_format())
    run = models_home() / "training" / stem
    card = _card(data)
    lessons = read_lessons(data, Renderer(tokenizer_of(folder)), settings, report)
    longest = max(lesson.length for lesson in lessons)
    check_fits(folder, settings, longest)
    _begin(run, card, settings)
    report(f"training on {len(lessons)} rows, the longest of {longest} tokens")
    _fit(run, folder, lessons, settings, observe)
    report("writing the adapter")
    scratch = scratch_folder(stem)
    shutil.copytree(run / "adapter", scratch / "adapter")
    write_adapter(lora_pairs(scratch / "adapter", base), base, scratch / "adapter.gguf")
    shutil.copy(run / CURVE, scratch / CURVE)
    about = {
        "method": settings.method,
        "settings": settings.model_dump(mode="json"),
        "data": {"digest": card["digest"], "command": card.get("command", "")},
        "rows": len(lessons),
        "weights": str(folder),
        "curve": curve(run),
    }
    model = publish(scratch, stem, settings.base, about)
    shutil.rmtree(run)
    return model


def curve(folder: Path) -> list[float]:
    """Return the loss of each step of a training so far."""
    file = folder / CURVE
    return [json.loads(line)["loss"] for line in file.read_text().splitlines()] if file.is_file() else []


def fastest_training_format() -> Any:
    """Return the floating type to train on: bfloat16 where this machine multiplies it, else float32."""
    from meta_agent.llm.engines.machine import has_gpu

    return "bfloat16" if has_gpu() or cpu_flags() & {"amx_bf16", "avx512_bf16"} else "float32"


def check_fits(folder: Path, settings: TrainSettings, longest: int) -> None:
    """Refuse a training that would not fit where it runs: on the GPU, if there is one.

    Raises:
        UserError: It says how much is needed and how much there is.
    """
    import torch

    free = available_memory()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()  # of earlier trainings in this process
        free = int(torch.cuda.mem_get_info()[0])
    weight_bytes = 4 if fastest_training_format() == "float32" else 2
    check_memory(needed(folder, settings, longest, weight_bytes), free)


def _card(data: Path) -> dict[str, Any]:
    """Return the card of a data folder."""
    file = data / "card.json"
    if not file.is_file():
        raise UserError(f"{data} has no card.json: expected a folder that `adas learn data` wrote")
    card: dict[str, Any] = json.loads(file.read_text())
    return card


def _begin(run: Path, card: dict[str, Any], settings: TrainSettings) -> None:
    """Make the folder of a training, or check that the one begun there is the same."""
    begun = json.dumps({"data": card["digest"], "settings": settings.model_dump(mode="json")}, sort_keys=True)
    mark = run / "begun.json"
    if mark.is_file() and mark.read_text() != begun:
        raise UserError(
            f"a training of this name was begun with other data or settings: delete {run}, or choose another name"
        )
    run.mkdir(parents=True, exist_ok=True)
    mark.write_text(begun)


def _fit(
    run: Path,
    folder: Path,
    lessons: list[Lesson],
    settings: TrainSettings,
    observe: Callable[[Progress], None],
) -> None:
    """Train until the end and leave the adapter in ``run/adapter``; does nothing when it is there."""
    if (run / "adapter").is_dir():
        return
    import torch

    tokenizer = tokenizer_of(folder)
    ordered = in_order(lessons, settings, int(tokenizer.pad_token_id))
    model = train_once(run, folder, tokenizer, ordered, settings, observe)
    scratch = run / "adapter.part"
    shutil.rmtree(scratch, ignore_errors=True)
    model.save_pretrained(scratch)
    if any(bool(torch.isnan(p).any()) for p in model.parameters() if p.requires_grad):
        raise UserError("the training diverged: lower the rate")
    scratch.replace(run / "adapter")


def train_once(
    run: Path,
    folder: Path,
    tokenizer: Any,
    ordered: list[Lesson],
    settings: TrainSettings,
    observe: Callable[[Progress], None] = lambda _: None,
) -> Any:
    """Return the model with an adapter trained on lessons in order; goes on from the last checkpoint in ``run``."""
    from transformers import PrinterCallback, set_seed

    set_seed(settings.seed)
    checkpoint = _last_checkpoint(run)
    _cut_curve(run, int(checkpoint.name.rpartition("-")[2]) if checkpoint else 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # what the libraries tell each other
        model = _adapted(folder, settings)
        trainer = _trainer(run, model, tokenizer, ordered, settings, observe)
        trainer.remove_callback(PrinterCallback)
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    return model


def _adapted(folder: Path, settings: TrainSettings) -> Any:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    dtype = getattr(torch, json.loads((folder / "config.json").read_text())["dtype"])
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
    lora = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        target_modules=list(settings.modules),
        layers_to_transform=list(settings.layers) or None,
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, lora)


def _trainer(
    run: Path,
    model: Any,
    tokenizer: Any,
    ordered: list[Lesson],
    settings: TrainSettings,
    observe: Callable[[Progress], None],
) -> Any:
    from datasets import Dataset
    from transformers import TrainingArguments
    from trl import SFTConfig

    from meta_agent.learning.training.trainers import IGNORED, AnswerTrainer, PreferenceTrainer, collate

    arguments = _arguments(run, settings)
    callbacks = [_callback(run, observe)]
    if settings.method == "sft":
        rows = [
            {
                "input_ids": list(tokens.ids),
                "labels": [
                    token if learned else IGNORED
                    for token, learned in zip(tokens.ids, tokens.learned, strict=True)
                ],
            }
            for lesson in ordered
            for tokens in lesson.sequences
        ]
        return AnswerTrainer(
            model=model,
            args=SFTConfig(**arguments, max_length=None, dataset_kwargs={"skip_prepare_dataset": True}),
            train_dataset=Dataset.from_list(rows),
            processing_class=tokenizer,
            callbacks=callbacks,
        )
    pairs = [
        {
            "sequences": [(tokens.ids, tokens.learned) for tokens in lesson.sequences],
            "wrong": lesson.wrong,
            "degree": lesson.degree,
        }
        for lesson in ordered
    ]
    return PreferenceTrainer(
        model=model,
        args=TrainingArguments(**arguments, remove_unused_columns=False),
        train_dataset=pairs,
        data_collator=functools.partial(collate, padding=int(tokenizer.pad_token_id)),
        processing_class=tokenizer,
        callbacks=callbacks,
        settings=settings,
    )


def _arguments(run: Path, settings: TrainSettings) -> dict[str, Any]:
    """Return what both trainers are told: one epoch over rows that are in order already, no precision of its own."""
    import torch

    return {
        "output_dir": str(run),
        "per_device_train_batch_size": settings.micro,
        "gradient_accumulation_steps": max(1, settings.batch // settings.micro),
        "num_train_epochs": 1,
        "learning_rate": settings.peak_rate,
        "lr_scheduler_type": "linear",
        "warmup_steps": WARM_UP,
        "weight_decay": 0.0,
        "max_grad_norm": 1.0,
        "optim": "adamw_torch",
        "seed": settings.seed,
        "data_seed": settings.seed,
        "train_sampling_strategy": "sequential",
        "logging_strategy": "steps",
        "logging_steps": 1,
        "gradient_checkpointing": False,  # TRL's default is True, to save memory; ours was checked to suffice
        "save_strategy": "no",  # the callback says when
        "save_total_limit": 2,
        "report_to": "none",
        "disable_tqdm": True,
        "use_cpu": not torch.cuda.is_available(),
        "bf16": False,
        "dataloader_pin_memory": False,
    }


def _callback(run: Path, observe: Callable[[Progress], None]) -> Any:
    from transformers import TrainerCallback

    class Keeper(TrainerCallback):  # type: ignore[misc]
        """Writes the curve, and has a checkpoint saved every half minute."""

        def __init__(self) -> None:
            self.saved = self.stepped = time.monotonic()

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if time.monotonic() - self.saved >= SAVE_SECONDS:
                control.should_save = True

        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **_: Any) -> None:
            if "loss" not in logs:
                return
            with (run / CURVE).open("a") as file:
                file.write(json.dumps({"step": state.global_step, "loss": logs["loss"]}) + "\n")
            now = time.monotonic()
            observe(Progress(state.global_step, state.max_steps, logs["loss"], now - self.stepped))
            self.stepped = now

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            checkpoint = run / f"checkpoint-{state.global_step}"
            for file in checkpoint.iterdir():
                with file.open("rb") as written:
                    os.fsync(written.fileno())
            (checkpoint / COMPLETE).touch()
            self.saved = time.monotonic()

    return Keeper()


def _last_checkpoint(run: Path) -> Path | None:
    """Return the newest checkpoint that was written to its end, and delete those that were not."""
    found = sorted(run.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    for broken in [path for path in found if not (path / COMPLETE).is_file()]:
        shutil.rmtree(broken)
        found.remove(broken)
    return found[-1] if found else None


def _cut_curve(run: Path, step: int) -> None:
    """Drop what the curve says of steps that will be taken again."""
    file = run / CURVE
    kept = [line for line in file.read_text().splitlines() if line.endswith("}")] if file.is_file() else []
    kept = [line for line in kept if json.loads(line)["step"] <= step]
    file.write_text("".join(f"{line}\n" for line in kept))


def tokenizer_of(folder: Path) -> Any:
    """Return the tokenizer in a model's folder, with a token to pad with."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def import_torch() -> None:
    """Import what is heavy, silently and without looking for a network.

    Raises:
        UserError: the extra is not installed.
    """
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        import datasets
        import gguf  # noqa: F401
        import peft  # noqa: F401
        import torch  # noqa: F401
        import transformers
        import trl  # noqa: F401
    except ImportError as error:
        raise UserError(f"training needs {error.name}: {HINT}") from None
    datasets.disable_progress_bars()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
