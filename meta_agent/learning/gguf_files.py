"""Adapters and merged models as GGUF files, written with the ``gguf`` package.

A LoRA of Hugging Face ``peft`` becomes what llama.cpp calls an adapter; a model with changed weights becomes a model
file with the metadata (tokenizer, chat template) of its base.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from meta_agent.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy.typing as npt

    Tensor = npt.NDArray[np.float32]

Stored = Literal["f16", "q8_0", "f32"]

HINT = 'pip install "meta-agent-search[learn]"'
_PREFIX = "base_model.model."


def lora_pairs(adapter: Path, base: Path) -> dict[str, tuple[Tensor, Tensor]]:
    """Return the two factors of each tensor that an adapter changes, under the tensor's GGUF name.

    The change is ``second @ first``, shape (out, in); the scale of the adapter is in the second factor.

    Args:
        adapter: folder that ``peft`` wrote.
        base: GGUF file of the model that it was trained on.

    Raises:
        UserError: The adapter changes something that the base does not have.
    """
    from safetensors.numpy import load_file

    config = json.loads((adapter / "adapter_config.json").read_text())
    scale = config["lora_alpha"] / (config["r"] ** 0.5 if config.get("use_rslora") else config["r"])
    tensors = load_file(adapter / "adapter_model.safetensors")
    name_of, heads = _names(base)
    pairs = {}
    for key in sorted(key for key in tensors if key.endswith(".lora_A.weight")):
        module = key.removeprefix(_PREFIX).removesuffix(".lora_A.weight")
        name = name_of(module)
        if name is None:
            raise UserError(f"{base.name} has no {module}: the adapter was trained on another model")
        first = tensors[key].astype(np.float32)
        second = tensors[key.replace("lora_A", "lora_B")].astype(np.float32) * scale
        pairs[f"{name}.weight"] = first, _arranged(second, module, heads).astype(np.float32)
    return pairs


def write_adapter(pairs: dict[str, tuple[Tensor, Tensor]], base: Path, path: Path) -> None:
    """Write an adapter for llama.cpp."""
    import gguf

    rank = next(iter(pairs.values()))[0].shape[0]
    writer = gguf.GGUFWriter(path, _architecture(base))
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_float32(
        gguf.Keys.Adapter.LORA_ALPHA, float(rank)
    )  # the scale is alpha / rank, and it is in the factors
    for name, (first, second) in pairs.items():
        writer.add_tensor(f"{name}.lora_a", np.ascontiguousarray(first))
        writer.add_tensor(f"{name}.lora_b", np.ascontiguousarray(second))
    _write(writer)


def write_model(
    base: Path, path: Path, change: Callable[[str, Tensor], Tensor], stored: Stored = "f16"
) -> None:
    """Write the base with each matrix replaced by what ``change`` makes of its name and values.

    Tensors that it gives back as they are, and all vectors, are copied bit by bit.

    Args:
        base: GGUF file, quantised or not.
        path: where to write.
        change: returns the same array object for a tensor that stays.
        stored: how changed tensors are stored; one whose rows do not fit blocks of 32 becomes f16.
    """
    import gguf

    reader = gguf.GGUFReader(base)
    writer = gguf.GGUFWriter(path, _architecture(base))
    _copy_metadata(reader, writer)
    for tensor in reader.tensors:
        if tensor.data.ndim > 1:
            values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
            new = change(tensor.name, values)
            if new is not values:
                kind = _kind(stored, new.shape[-1])
                writer.add_tensor(tensor.name, gguf.quants.quantize(new, kind), raw_dtype=kind)
                continue
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    _write(writer)


def _names(base: Path) -> tuple[Callable[[str], str | None], tuple[int, int] | None]:
    """Return how modules are called in a GGUF file, and the numbers of heads where it stores them in another order."""
    import gguf

    reader = gguf.GGUFReader(base)
    name = _architecture(base)
    architecture = next(key for key, value in gguf.MODEL_ARCH_NAMES.items() if value == name)

    def number(key: str) -> int:
        return int(reader.fields[f"{name}.{key}"].contents())

    table = gguf.get_tensor_name_map(architecture, number("block_count"))
    heads = number("attention.head_count"), number("attention.head_count_kv")
    return table.get_name, heads if name == "llama" else None


def _arranged(second: Tensor, module: str, heads: tuple[int, int] | None) -> Tensor:
    """Return a factor with its rows as llama.cpp has them: of Llama's queries and keys, halves interleaved."""
    if heads is None or not module.endswith(("q_proj", "k_proj")):
        return second
    n = heads[0] if module.endswith("q_proj") else heads[1]
    rows, rank = second.shape
    return second.reshape(n, 2, rows // n // 2, rank).swapaxes(1, 2).reshape(rows, rank)


def _kind(stored: Stored, row: int) -> Any:
    import gguf

    kinds = gguf.GGMLQuantizationType
    if stored == "q8_0" and row % 32 == 0:
        return kinds.Q8_0
    return kinds.F32 if stored == "f32" else kinds.F16


def _architecture(base: Path) -> str:
    import gguf

    return str(gguf.GGUFReader(base).fields["general.architecture"].contents())


def _copy_metadata(reader: Any, writer: Any) -> None:
    import gguf

    for key, field in reader.fields.items():
        if key == "general.architecture" or key.startswith("GGUF."):
            continue
        kind, *inner = field.types
        writer.add_key_value(key, field.contents(), kind, sub_type=inner[-1] if inner else None)
    if "general.file_type" in reader.fields:
        writer.kv_data[0].pop("general.file_type")
        writer.add_file_type(gguf.LlamaFileType.GUESSED)


def _write(writer: Any) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
