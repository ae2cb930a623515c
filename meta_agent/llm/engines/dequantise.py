"""Turns a GGUF file into a folder of safetensors that vLLM serves. Run by the Python of vLLM's environment.

``python dequantise.py MODEL.gguf FOLDER FORMAT``, where FORMAT is what the linear layers become:

- ``bfloat16``, ``float16``, ``float32``: the values of the GGUF, rounded to that type (float32: not at all beyond
  bfloat16, the type the published weights had before they were quantised).
- ``int8``: one scale per output channel (W8A8 of compressed-tensors; activations are quantised per token as the
  model runs), for processors that multiply bytes faster than floats. Everything else stays float32.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file  # type: ignore[import-not-found, unused-ignore]
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

INT8_MAX = 127


def main(source: Path, folder: Path, weight_format: str) -> None:
    """Write the model of ``source`` to ``folder``, which appears only when it is complete."""
    scratch = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(scratch, ignore_errors=True)
    dequantise(source, scratch, "bfloat16" if weight_format == "int8" else weight_format)
    if weight_format == "int8":
        quantise(scratch)
    scratch.replace(folder)


def dequantise(source: Path, folder: Path, dtype: str) -> None:
    """Read the GGUF as a plain model of one floating type, with its tokenizer and chat template."""
    tokenizer = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
    model = AutoModelForCausalLM.from_pretrained(
        source.parent,
        gguf_file=source.name,
        dtype=getattr(torch, dtype),
        quantization_config=GgufConfig(dequantize=True),
    )
    model.hf_quantizer = None  # else save_pretrained refuses: it takes the model for a quantised one
    model.is_quantized = False
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.save_pretrained(folder, max_shard_size="1TB")
    tokenizer.save_pretrained(folder)


def quantise(folder: Path) -> None:
    """Replace the linear layers of the model in ``folder`` by bytes with a scale per output channel."""
    weights = {}
    for name, tensor in load_file(folder / "model.safetensors").items():
        if name.endswith("_proj.weight") or name == "lm_head.weight":
            scale = tensor.float().abs().amax(dim=1, keepdim=True).clamp_min(1e-12) / INT8_MAX
            weights[name] = (tensor.float() / scale).round().to(torch.int8)
            weights[f"{name}_scale"] = scale
        else:
            weights[name] = tensor.float()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    byte = {"num_bits": 8, "type": "int", "symmetric": True}
    config["dtype"] = "float32"
    config["quantization_config"] = {
        "quant_method": "compressed-tensors",
        "format": "int-quantized",
        "quantization_status": "compressed",
        "ignore": [] if "lm_head.weight" in weights else ["lm_head"],
        "config_groups": {
            "linear": {
                "targets": ["Linear", "ParallelLMHead"],
                "weights": {**byte, "strategy": "channel", "dynamic": False},
                "input_activations": {**byte, "strategy": "token", "dynamic": True},
            }
        },
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
