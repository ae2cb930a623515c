"""New models out of trained ones, without training: merged, grafted, or one adapter written into its base."""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from meta_agent.errors import UserError
from meta_agent.learning.gguf_files import HINT, Stored, lora_pairs, write_model
from meta_agent.learning.grafting import base_patch, graft, overlap
from meta_agent.learning.merging import merge
from meta_agent.llm.learned import LearnedModel, check_free, find_learned, publish, scratch_folder
from meta_agent.llm.local import model_path

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt

    Tensor = npt.NDArray[np.float32]
    Pairs = dict[str, tuple[Tensor, Tensor]]


@dataclass(frozen=True, slots=True)
class Graft:
    """How little of a training holds its skill."""

    model: LearnedModel
    share: float
    """Of the weights that training could change."""
    weights: int
    """That were grafted."""
    moved: float
    """Share of the squared change that they hold."""


def merged(model: LearnedModel) -> Path:
    """Return an adapter's model as one file, made on first use: for engines that cannot put a LoRA on its base.

    Raises:
        UserError: the extra is not installed.
    """
    if model.weights.is_file():
        return model.weights
    base = model_path(model.base)
    pairs = _pairs([model], base)
    part = model.weights.with_suffix(".part")
    with part.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # another process may be writing the same file: wait for it
        if model.weights.is_file():
            part.unlink(missing_ok=True)
        else:
            write_model(base, part, lambda name, values: _summed(name, values, pairs, {"alpha": 1.0}))
            part.replace(model.weights)
    return model.weights


def merge_models(
    names: Sequence[str],
    name: str,
    *,
    alpha: float = 1.0,
    keep: float = 1.0,
    remove: float = 0.0,
    stored: Stored = "q8_0",
) -> LearnedModel:
    """Add what several trainings taught one base to it, and register the sum; see :func:`merging.merge`.

    Raises:
        UserError: a model is unknown or no adapter, the bases differ, the name is taken, or the extra is missing.
    """
    stem = check_free(name)
    models = [_adapter(each) for each in names]
    base = _common_base(models)
    settings = {"alpha": alpha, "keep": keep, "remove": remove}
    pairs = _pairs(models, model_path(base))
    return _register(
        stem,
        base,
        lambda tensor, values: _summed(tensor, values, pairs, settings),
        stored,
        {"method": "merge", "models": [model.name for model in models], "settings": settings},
    )


def graft_model(name: str, new: str, *, share: float = 1e-4, stored: Stored = "q8_0") -> Graft:
    """Put the ``share`` of the weights that a training moved most onto its base, and register that.

    The base patch of skill localisation: :func:`grafting.base_patch`, over all tensors together.

    Raises:
        UserError: as for :func:`merge_models`.
    """
    stem, model = check_free(new), _adapter(name)
    (pairs,) = _pairs([model], model_path(model.base))
    if not 0 < share <= 1:
        raise UserError(f"expected a share of the weights within 0 to 1, got {share}")
    deltas = {tensor: second @ first for tensor, (first, second) in pairs.items()}
    masks = base_patch(deltas, share)
    total = sum(float((delta.astype(np.float64) ** 2).sum()) for delta in deltas.values())
    held = sum(float((deltas[t][mask].astype(np.float64) ** 2).sum()) for t, mask in masks.items())

    def change(tensor: str, values: Tensor) -> Tensor:
        if tensor not in masks:
            return values
        return graft(values, values + deltas[tensor], masks[tensor]).astype(np.float32)

    count = sum(int(mask.sum()) for mask in masks.values())
    about = {"method": "graft", "models": [model.name], "settings": {"share": share}, "weights": count}
    made = _register(stem, model.base, change, stored, about)
    return Graft(made, share, count, held / total if total else 0.0)


def skill_overlap(first: str, second: str, share: float = 1e-3) -> float:
    """Return how much of the most moved weights two trainings have in common: :func:`grafting.overlap`.

    Raises:
        UserError: as for :func:`merge_models`.
    """
    models = [_adapter(first), _adapter(second)]
    pairs = _pairs(models, model_path(_common_base(models)))
    masks = [base_patch({t: b @ a for t, (a, b) in each.items()}, share) for each in pairs]
    return overlap(*masks)


def _register(stem: str, base: str, change: Any, stored: Stored, about: dict[str, object]) -> LearnedModel:
    scratch = scratch_folder(stem)
    write_model(model_path(base), scratch / f"{stem}.gguf", change, stored)
    return publish(scratch, stem, base, about)


def _summed(name: str, values: Tensor, pairs: Sequence[Pairs], settings: dict[str, float]) -> Tensor:
    deltas = [each[name][1] @ each[name][0] for each in pairs if name in each]
    return merge(values, deltas, **settings) if deltas else values


def _pairs(models: Sequence[LearnedModel], base: Path) -> list[Pairs]:
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    try:
        return [lora_pairs(model.folder / "adapter", base) for model in models]
    except ImportError as error:
        raise UserError(f"this needs {error.name}: {HINT}") from None


def _adapter(name: str) -> LearnedModel:
    model = find_learned(name)
    if model is None or model.adapter is None:
        raise UserError(f"{name!r} is no adapter that was trained here: `adas models list` shows those")
    return model


def _common_base(models: Sequence[LearnedModel]) -> str:
    bases = {model.base for model in models}
    if len(bases) != 1:
        raise UserError(f"expected adapters of one base, these have {', '.join(sorted(bases)) or 'none'}")
    return bases.pop()
