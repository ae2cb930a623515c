"""Local models that were trained here: an adapter on a model of the catalogue, or weights of their own.

Each is a folder ``learned/NAME`` in the models home, and appears there whole or not at all.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from meta_agent.errors import UserError
from meta_agent.llm.catalogue import CATALOGUE, models_home

if TYPE_CHECKING:
    from pathlib import Path

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
ABOUT = "model.json"


@dataclass(frozen=True, slots=True)
class LearnedModel:
    """One trained model."""

    name: str
    """As a user writes it: ``local/NAME``."""
    base: str
    """The model it was trained from."""
    folder: Path
    about: dict[str, Any]
    """How it came about: method, data, settings, and what the gate decided."""

    @property
    def stem(self) -> str:
        """The name without ``local/``."""
        return self.name.removeprefix("local/")

    @property
    def adapter(self) -> Path | None:
        """The LoRA as a GGUF file, None for a model with weights of its own."""
        path = self.folder / "adapter.gguf"
        return path if path.is_file() else None

    @property
    def weights(self) -> Path:
        """The whole model as a GGUF file; of an adapter it is made when an engine needs it."""
        return self.folder / f"{self.stem}.gguf"

    def vllm_command(self) -> str:
        """Return the command that serves the adapter with vLLM, on a GPU say, and the name to ask it for."""
        return (
            f"vllm serve {shlex.quote(self.about.get('weights', 'BASE'))} --enable-lora --max-lora-rank "
            f"{self.about.get('settings', {}).get('rank', 16)} --lora-modules "
            f"{self.stem}={shlex.quote(str(self.folder / 'adapter'))}"
        )


def learned_home() -> Path:
    """Return the folder of the learned models."""
    return models_home() / "learned"


def learned_models() -> list[LearnedModel]:
    """Return all learned models, by name."""
    if not learned_home().is_dir():
        return []
    return [
        _read(folder)
        for folder in sorted(learned_home().iterdir())
        if not folder.name.startswith(".") and (folder / ABOUT).is_file()
    ]


def find_learned(name: str) -> LearnedModel | None:
    """Return the learned model of a name (with or without ``local/``), None when there is none."""
    stem = name.removeprefix("local/")
    if not _NAME.fullmatch(stem) or not (learned_home() / stem / ABOUT).is_file():
        return None
    return _read(learned_home() / stem)


def check_free(name: str) -> str:
    """Return the bare name of a model that is to be made.

    Raises:
        UserError: The name is taken, or is none.
    """
    stem = name.removeprefix("local/")
    if not _NAME.fullmatch(stem):
        raise UserError(f"{name!r} is no name for a model: expected small letters, digits, dots and dashes")
    if any(model.name == f"local/{stem}" for model in CATALOGUE) or find_learned(stem):
        raise UserError(f"local/{stem} is there already: `adas models remove {stem}`, or choose another name")
    return stem


def scratch_folder(name: str) -> Path:
    """Return an empty folder, beside the finished ones and hidden, in which to make a model."""
    folder = learned_home() / f".{check_free(name)}.part"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def publish(scratch: Path, name: str, base: str, about: dict[str, Any]) -> LearnedModel:
    """Give a finished model its name, at once and for good.

    Raises:
        UserError: The name was taken meanwhile.
    """
    stem = check_free(name)
    (scratch / ABOUT).write_text(json.dumps({"format": 1, "base": base, **about}, indent=2) + "\n")
    for path in scratch.rglob("*"):
        _to_disk(path)
    scratch.replace(learned_home() / stem)
    _to_disk(learned_home())
    return _read(learned_home() / stem)


def remove_learned(model: LearnedModel) -> int:
    """Delete a learned model and the weights made of it for vLLM; return the bytes freed."""
    made = [path for path in (models_home() / "vllm").glob(f"{model.stem}-*") if path.is_dir()]
    freed = 0
    for folder in (model.folder, *made):
        freed += sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        shutil.rmtree(folder)
    return freed


def _read(folder: Path) -> LearnedModel:
    try:
        about = json.loads((folder / ABOUT).read_text())
        return LearnedModel(f"local/{folder.name}", str(about["base"]), folder, about)
    except (ValueError, KeyError) as error:
        raise UserError(f"{folder / ABOUT} is broken ({error}): delete the folder") from None


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
