"""How often llama.cpp with a GGUF LoRA says the same tokens as transformers with the LoRA that it was made from.

    python benchmarks/lora_agreement.py local/NAME [--prompts 20] [--tokens 96]

Greedy answers to HumanEval search tasks. llama.cpp computes on the quantised weights and rounds activations to eight
bits, transformers computes on the same weights dequantised to float32: the same measure without the adapter says how
much of the difference is theirs.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from statistics import fmean

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from domains import load_domain
from meta_agent.llm.engines.llamacpp import LlamaCpp
from meta_agent.llm.engines.vllm import dequantised
from meta_agent.llm.learned import find_learned
from meta_agent.llm.llm import Message, Request
from meta_agent.llm.local import model_path

PROMPT = (
    "Complete this function. Reply with the whole function in one ```python block, without docstring or comments, "
    "and nothing else.\n\n```python\n{}\n```"
)


def by_llamacpp(prompts: list[str], base: Path, adapter: Path | None, tokens: int) -> list[str]:
    llm = LlamaCpp(base, adapter=adapter, context=2048, concurrency=1)
    texts = [llm.complete(Request("x", (Message("user", p),), max_tokens=tokens)).text for p in prompts]
    llm.close()
    return texts


def by_transformers(model, tokenizer, prompts: list[str], tokens: int) -> list[list[int]]:
    tokenizer.padding_side = "left"
    chats = [
        tokenizer.apply_chat_template(
            [{"role": "user", "content": p}], tokenize=False, add_generation_prompt=True
        )
        for p in prompts
    ]
    found = []
    for start in range(0, len(chats), 10):
        batch = tokenizer(
            chats[start : start + 10], return_tensors="pt", padding=True, add_special_tokens=False
        )
        with torch.no_grad():
            out = model.generate(
                **batch, max_new_tokens=tokens, do_sample=False, top_p=None, top_k=None, temperature=None
            )
        for row in out[:, batch["input_ids"].shape[1] :].tolist():
            end = row.index(tokenizer.eos_token_id) if tokenizer.eos_token_id in row else len(row)
            found.append(row[:end])
    return found


def agreement(ours: list[str], theirs: list[list[int]], tokenizer) -> dict[str, float]:
    shares, same = [], []
    for text, ids in zip(ours, theirs, strict=True):
        mine = tokenizer(text, add_special_tokens=False)["input_ids"]
        common = next(
            (i for i, (a, b) in enumerate(zip(mine, ids, strict=False)) if a != b), min(len(mine), len(ids))
        )
        shares.append(common / max(len(mine), len(ids), 1))
        same.append(mine == ids)
    return {"identical": fmean(same), "tokens before the first difference": fmean(shares)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("--prompts", type=int, default=20)
    parser.add_argument("--tokens", type=int, default=96)
    given = parser.parse_args()
    model = find_learned(given.name)
    if model is None or model.adapter is None:
        sys.exit(f"{given.name} is no adapter that was trained here")
    base = model_path(model.base)
    folder = dequantised(base, Path(sys.executable), "float32")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    prompts = [
        PROMPT.format(task.prompt) for task in load_domain("humaneval").tasks("search")[: given.prompts]
    ]
    plain = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    without = by_transformers(plain, tokenizer, prompts, given.tokens)
    adapted = PeftModel.from_pretrained(plain, model.folder / "adapter")
    with_adapter = by_transformers(adapted, tokenizer, prompts, given.tokens)
    rows = {
        "with the adapter": agreement(
            by_llamacpp(prompts, base, model.adapter, given.tokens), with_adapter, tokenizer
        ),
        "without it": agreement(by_llamacpp(prompts, base, None, given.tokens), without, tokenizer),
        "transformers with against without": agreement(
            [tokenizer.decode(ids) for ids in with_adapter], without, tokenizer
        ),
    }
    print(json.dumps({"model": model.name, "prompts": len(prompts), **rows}, indent=2))


if __name__ == "__main__":
    main()
