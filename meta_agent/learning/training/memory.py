"""How much memory a training takes, told before it starts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from meta_agent.errors import UserError
from meta_agent.learning.training.lessons import SEQUENCES

if TYPE_CHECKING:
    from pathlib import Path

    from meta_agent.learning.training.settings import TrainSettings

FIXED = 900 << 20
"""Interpreter, PyTorch and its buffers."""
KEPT_WIDTHS = 12
"""Vectors of the model's width, and half as many of the inner width, that a layer keeps for its gradient."""


def adapter_parameters(shape: dict[str, int], settings: TrainSettings) -> int:
    """Return the number of parameters of an adapter.

    Args:
        shape: the ``config.json`` of a Llama-like model.
        settings: rank, modules and layers.
    """
    width, inner = shape["hidden_size"], shape["intermediate_size"]
    head = shape.get("head_dim") or width // shape["num_attention_heads"]
    queries, keys = shape["num_attention_heads"] * head, shape["num_key_value_heads"] * head
    sides = {
        "q_proj": width + queries,
        "k_proj": width + keys,
        "v_proj": width + keys,
        "o_proj": queries + width,
        "gate_proj": width + inner,
        "up_proj": width + inner,
        "down_proj": inner + width,
    }
    unknown = set(settings.modules) - set(sides)
    if unknown:
        raise UserError(f"unknown modules {', '.join(sorted(unknown))}: expected some of {', '.join(sides)}")
    layers = len(settings.layers) or shape["num_hidden_layers"]
    return layers * settings.rank * sum(sides[module] for module in settings.modules)


def needed(folder: Path, settings: TrainSettings, longest: int, weight_bytes: int) -> int:
    """Return the bytes that a training will take at most: an estimate that errs high.

    Args:
        folder: the model's safetensors and ``config.json``.
        settings: of the training.
        longest: tokens of the longest row.
        weight_bytes: bytes of a weight of the base as it is trained on.
    """
    shape = json.loads((folder / "config.json").read_text())
    stored = 4 if shape.get("dtype", shape.get("torch_dtype")) == "float32" else 2
    on_disk = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    base = on_disk * weight_bytes // stored
    adapter = 16 * adapter_parameters(shape, settings)  # value, gradient and two moments in float32
    sequences = SEQUENCES.get(settings.method, 1) + bool(settings.degree_weight)
    tokens = settings.micro * sequences * longest
    layer = KEPT_WIDTHS * shape["hidden_size"] + KEPT_WIDTHS // 2 * shape["intermediate_size"]
    activations = tokens * (shape["num_hidden_layers"] * layer * weight_bytes + 3 * 4 * shape["vocab_size"])
    return int(FIXED + base + adapter + activations)


def check_memory(wanted: int, available: int) -> None:
    """Refuse a training that would not fit.

    Raises:
        UserError: It says how much is needed and how much there is.
    """
    if wanted > available:
        raise UserError(
            f"training needs about {wanted / 1e9:.1f} GB of memory, {available / 1e9:.1f} GB are free: free some, or "
            "lower micro, length or rank"
        )
