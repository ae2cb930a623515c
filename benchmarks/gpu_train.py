"""Training speed on a GPU: our preference trainer and TRL's SFT trainer against transformers' own Trainer, same batch.

    python benchmarks/gpu_train.py [--size 0.5b|1.5b|7b|tiny] [--steps 20] [--batch 8] [--length 1024]

Needs one CUDA GPU (``--size tiny`` runs anywhere, to see that it runs) and the extra ``learn``; no network and no
weights: models are randomly initialised at the size of Qwen2.5. Prints tokens per second, peak memory and model FLOP utilisation (FLOPs that LoRA training needs, forward and
through the frozen weights backward, over what the card does at its best in bfloat16).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from tempfile import TemporaryDirectory

import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, Qwen2Config, Trainer, TrainingArguments
from trl import SFTConfig, SFTTrainer

from meta_agent.learning.training.settings import MODULES, TrainSettings
from meta_agent.learning.training.trainers import AnswerTrainer, PreferenceTrainer, collate

SIZES = {
    "tiny": (64, 128, 2, 4, 2),  # hidden, inner, layers, heads, key-value heads
    "0.5b": (896, 4864, 24, 14, 2),
    "1.5b": (1536, 8960, 28, 12, 2),
    "7b": (3584, 18944, 28, 28, 4),
}
VOCABULARY = 151_936
PEAK = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "L40": 181e12, "4090": 165e12}
"""Dense bfloat16 FLOPs a second, from the makers' data sheets."""


def model(size: str, device: str):
    width, inner, layers, heads, kv = SIZES[size]
    config = Qwen2Config(
        hidden_size=width,
        intermediate_size=inner,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv,
        vocab_size=VOCABULARY,
        max_position_embeddings=4096,
    )
    torch.manual_seed(0)
    with torch.device(device):
        plain = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    return get_peft_model(
        plain, LoraConfig(r=16, lora_alpha=32, target_modules=list(MODULES), task_type="CAUSAL_LM")
    )


def flops_a_token(network, length: int) -> float:
    """Forward (2) and backward through frozen weights (2) for each weight, and attention (its 4 T d, thrice)."""
    matrices = sum(p.numel() for name, p in network.named_parameters() if p.ndim > 1 and "embed" not in name)
    config = network.config
    return 4 * matrices + 12 * config.num_hidden_layers * config.hidden_size * length / 2


def rows(count: int, length: int) -> list[dict[str, list[int]]]:
    draw = torch.Generator().manual_seed(1)
    ids = torch.randint(10, VOCABULARY, (count, length), generator=draw).tolist()
    return [{"input_ids": each, "labels": [-100] * (length // 2) + each[length // 2 :]} for each in ids]


def plain_collate(batch):
    return {key: torch.tensor([row[key] for row in batch]) for key in ("input_ids", "labels")}


def timed(make, steps: int, tokens_a_step: int, per_token: float, peak: float) -> dict[str, float]:
    make(2).train()  # compiles kernels, fills caches
    on_gpu = torch.cuda.is_available()
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    trainer = make(steps)
    started = time.perf_counter()
    trainer.train()
    if on_gpu:
        torch.cuda.synchronize()
    speed = steps * tokens_a_step / (time.perf_counter() - started)
    return {
        "tokens/s": round(speed),
        "MFU": round(speed * per_token / peak, 3),
        "peak GB": round(torch.cuda.max_memory_allocated() / 1e9, 1) if on_gpu else 0.0,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", choices=SIZES, default="1.5b")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--length", type=int, default=1024)
    given = parser.parse_args()
    if not torch.cuda.is_available() and given.size != "tiny":
        sys.exit("no CUDA GPU here: nothing to measure")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    card = torch.cuda.get_device_name() if device == "cuda" else "no GPU"
    peak = next((flops for name, flops in PEAK.items() if name in card), float("nan"))
    tokens, data = given.batch * given.length, rows(given.batch * given.steps, given.length)
    network = model(given.size, device).to(device)
    per_token = flops_a_token(network, given.length)
    with TemporaryDirectory() as folder:
        base = {
            "output_dir": folder,
            "per_device_train_batch_size": given.batch,
            "report_to": "none",
            "save_strategy": "no",
            "disable_tqdm": True,
            "logging_strategy": "no",
            "gradient_checkpointing": False,  # TRL's default is True: a quarter of the work again, for memory
            "learning_rate": 1e-4,
            "use_cpu": device == "cpu",
        }

        def transformers_trainer(steps: int) -> Trainer:
            arguments = TrainingArguments(**base, max_steps=steps)
            return Trainer(network, arguments, train_dataset=data, data_collator=plain_collate)

        def trl_trainer(steps: int, trainer: type[SFTTrainer] = SFTTrainer) -> SFTTrainer:
            arguments = SFTConfig(
                **base,
                max_steps=steps,
                bf16=False,
                max_length=None,
                dataset_kwargs={"skip_prepare_dataset": True},
            )
            return trainer(
                network,
                arguments,
                train_dataset=Dataset.from_list(data),
                data_collator=lambda batch: {
                    **plain_collate(batch),
                    "attention_mask": torch.ones(given.batch, given.length, dtype=torch.long),
                },
                processing_class=tokenizer(),
            )

        def preference_trainer(steps: int) -> PreferenceTrainer:
            half = given.batch // 2
            pairs = [
                {
                    "sequences": [(ids["input_ids"], [label >= 0 for label in ids["labels"]])] * 2,
                    "wrong": 0.0,
                    "degree": 0,
                }
                for ids in data[: half * given.steps]
            ]
            arguments = TrainingArguments(
                **{**base, "per_device_train_batch_size": half}, max_steps=steps, remove_unused_columns=False
            )
            return PreferenceTrainer(
                model=network,
                args=arguments,
                train_dataset=pairs,
                data_collator=lambda batch: collate(batch, 0),
                settings=TrainSettings(method="dpo"),
            )

        makers = {
            "transformers Trainer": transformers_trainer,
            "TRL SFTTrainer": trl_trainer,
            "SFT (ours)": lambda steps: trl_trainer(steps, AnswerTrainer),
            "DPO (ours; half as many pairs, and the reference's forward besides)": preference_trainer,
        }
        found = {name: timed(make, given.steps, tokens, per_token, peak) for name, make in makers.items()}
    print(json.dumps({"card": card, "torch": torch.__version__, "size": given.size, **found}, indent=2))


def tokenizer():
    """Return a tokenizer of one word, which TRL wants to see and nobody uses."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from transformers import PreTrainedTokenizerFast

    plain = Tokenizer(WordLevel({"<pad>": 0, "x": 1}, unk_token="<pad>"))
    return PreTrainedTokenizerFast(tokenizer_object=plain, pad_token="<pad>", eos_token="<pad>")


if __name__ == "__main__":
    main()
