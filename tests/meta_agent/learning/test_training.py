"""Training a tiny real model, and serving what it learned through llama.cpp."""

# ruff: noqa: E402
from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

torch = pytest.importorskip("torch")
for package in ("transformers", "peft", "trl", "gguf"):
    pytest.importorskip(package)

from click.testing import CliRunner

from meta_agent.commands.learn import learn
from meta_agent.commands.models import models
from meta_agent.errors import UserError
from meta_agent.learning import combine
from meta_agent.learning.training import train as training
from meta_agent.learning.training.lessons import Renderer, damage, in_order, read_lessons
from meta_agent.learning.training.memory import adapter_parameters
from meta_agent.learning.training.settings import load_settings
from meta_agent.llm.engines import vllm
from meta_agent.llm.engines.llamacpp import LlamaCpp
from meta_agent.llm.learned import find_learned, learned_models
from meta_agent.llm.llm import Message, Request
from meta_agent.llm.local import open_local
from tests.meta_agent.learning.tiny import write_tiny

if TYPE_CHECKING:
    from collections.abc import Iterator

    from meta_agent.llm.learned import LearnedModel
    from tests.meta_agent.conftest import Bench

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(600)]  # other people's warnings

WORDS = ("one", "two", "three", "four")
ASKED, SAID = [f"Say {word}" for word in WORDS], [f"{word} it is" for word in WORDS]
PAST = "def f():\n    return 0  # zero zero zero zero"
QUICK = {"rank": 8, "rate": 0.01, "batch": 4, "micro": 2, "epochs": 25}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A models home with a tiny Qwen2 and a tiny Llama in it."""
    folder = tmp_path_factory.mktemp("models")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ADAS_MODELS", str(folder))
        patch.setenv("OMP_NUM_THREADS", "1")
        torch.set_num_threads(1)
        # float32, so that both engines compute alike to the last bits
        patch.setattr(training, "fastest_training_format", lambda: "float32")
        for architecture in ("qwen2", "llama"):
            write_tiny(folder / f"{architecture}.gguf", architecture)
        yield folder


def turns(role: str, text: str) -> list[dict[str, str]]:
    return [{"role": role, "content": text}]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    rows: dict[str, list[dict[str, Any]]] = {
        "sft": [
            {"prompt": turns("user", asked), "completion": turns("assistant", said)}
            for asked, said in zip(ASKED, SAID, strict=True)
        ],
        "repair": [
            {
                "prompt": turns("user", f"Mend this:\n{PAST}\nIt fails."),
                "completion": turns("assistant", "def f(): return 1"),
                "past": PAST,
            }
        ],
        "preference": [
            {
                "prompt": turns("user", f"Say {word}"),
                "chosen": turns("assistant", f"{word}\nit\nis\nnow"),
                "rejected": turns("assistant", f"never {word}"),
                "wrong": 0.0,
            }
            for word in WORDS
        ],
        "splice": [
            {
                "messages": [
                    *turns("user", "Go"),
                    *turns("assistant", "wrong way"),
                    *turns("user", "No"),
                    *turns("assistant", "right way"),
                ],
                "train": [False, False, False, True],
            }
        ],
    }
    for kind, lines in rows.items():
        (folder / f"{kind}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "card.json").write_text(json.dumps({"digest": "d1"}))
    return folder


def settings(home: Path, architecture: str = "qwen2", **more: object) -> Any:
    return load_settings({"base": f"local/{home}/{architecture}.gguf", "kinds": "sft", **QUICK, **more})


@pytest.fixture(scope="module")
def said(home: Path, data: Path) -> LearnedModel:
    """A model that learned to say the words."""
    return training.train("said", data, settings(home))


def curve(name: str) -> list[float]:
    model = find_learned(name)
    assert model is not None
    return list(model.about["curve"])


def by_llamacpp(prompts: list[str], base: Path, adapter: Path | None = None) -> list[str]:
    llm = LlamaCpp(base, adapter=adapter, context=256, concurrency=1, threads=1)
    try:
        requests = [Request("x", (Message("user", prompt),), max_tokens=24) for prompt in prompts]
        return [plain(llm.complete(request).text) for request in requests]
    finally:
        llm.close()


def by_transformers(prompts: list[str], base: Path, adapter: Path) -> list[str]:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    folder = training.dequantised(base, Path(sys.executable), "float32")
    tokenizer = training.tokenizer_of(folder)
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(folder), adapter)
    return [plain(tokenizer.decode(greedy(model, tokenizer, prompt))) for prompt in prompts]


def greedy(model: Any, tokenizer: Any, prompt: str) -> list[int]:
    ids = list(Renderer(tokenizer).asked(turns("user", prompt)).ids)
    said: list[int] = []
    with torch.no_grad():
        while len(said) < 24:
            token = int(model(torch.tensor([ids + said])).logits[0, -1].argmax())
            if token == tokenizer.eos_token_id:
                break
            said.append(token)
    return said


def plain(text: str) -> str:
    return text.encode("ascii", "ignore").decode()


# Lessons


@pytest.fixture(scope="module")
def renderer(home: Path) -> Renderer:
    return Renderer(
        training.tokenizer_of(training.dequantised(home / "qwen2.gguf", Path(sys.executable), "float32"))
    )


def learned_text(renderer: Renderer, lesson: Any) -> list[str]:
    return [
        renderer.tokenizer.decode([t for t, yes in zip(tokens.ids, tokens.learned, strict=True) if yes])
        for tokens in lesson.sequences
    ]


def test_only_answers_are_learned(home: Path, data: Path, renderer: Renderer) -> None:
    lessons = read_lessons(data, renderer, settings(home, kinds="sft,repair,splice"))
    assert [learned_text(renderer, lesson) for lesson in lessons] == [
        *([f"{word} it is<|im_end|>"] for word in WORDS),
        ["def f(): return 1<|im_end|>"],
        ["right way<|im_end|>"],
    ]
    whole = renderer.tokenizer.decode(lessons[-1].sequences[0].ids)
    assert whole == (
        "<|im_start|>user\nGo<|im_end|>\n<|im_start|>assistant\nwrong way<|im_end|>\n"
        "<|im_start|>user\nNo<|im_end|>\n<|im_start|>assistant\nright way<|im_end|>"
    )


def test_earlier_code_is_hidden_and_nothing_else(home: Path, data: Path, renderer: Renderer) -> None:
    chosen = settings(home, kinds="repair", hide=0.5, epochs=40)
    (lesson,) = read_lessons(data, renderer, chosen)
    (tokens,) = lesson.sequences
    assert renderer.tokenizer.decode([t for t, p in zip(tokens.ids, tokens.past, strict=True) if p]) == PAST
    hidden = renderer.tokenizer.pad_token_id
    shares = []
    for one in in_order([lesson], chosen, hidden):
        changed = [a != b for a, b in zip(one.sequences[0].ids, tokens.ids, strict=True)]
        assert not any(
            c and (not p or learned)
            for c, p, learned in zip(changed, tokens.past, tokens.learned, strict=True)
        )
        shares.append(sum(changed) / sum(tokens.past))
    assert 0.4 < sum(shares) / len(shares) < 0.6
    assert len(set(shares)) > 5
    untouched = in_order([lesson], settings(home, hide=0.0), hidden)
    assert all(one == lesson for one in untouched)


def test_what_is_asked_can_be_left_out(home: Path, data: Path, renderer: Renderer) -> None:
    lesson = read_lessons(data, renderer, settings(home, response_only=True))[0]
    assert "Say" not in renderer.tokenizer.decode(lesson.sequences[0].ids)
    assert learned_text(renderer, lesson) == ["one it is<|im_end|>"]


def test_the_order_depends_on_the_seed_alone(home: Path, data: Path, renderer: Renderer) -> None:
    lessons = read_lessons(data, renderer, settings(home))
    first, again, other = (in_order(lessons, settings(home, seed=s), 0) for s in (0, 0, 1))
    assert first == again
    assert first != other
    assert sorted(map(str, first)) == sorted(map(str, other))
    assert len(in_order(lessons, settings(home, steps=3), 0)) == 12


def test_rows_that_are_too_long_are_left_out(home: Path, data: Path, renderer: Renderer) -> None:
    told: list[str] = []
    lessons = read_lessons(data, renderer, settings(home, kinds="sft,repair", length=64), told.append)
    assert len(lessons) == 4
    assert told == ["1 of 5 rows are longer than 64 tokens"]
    with pytest.raises(UserError, match="nothing to learn"):
        read_lessons(data, renderer, settings(home, length=16))


def test_revisions_and_damage(home: Path, data: Path, renderer: Renderer) -> None:
    import random

    lesson = read_lessons(data, renderer, settings(home, method="srpo"))[0]
    better, worse = "one\nit\nis\nnow<|im_end|>", "never one<|im_end|>"
    assert learned_text(renderer, lesson) == [better, worse, better, worse, better, worse]
    assert "never one" in renderer.tokenizer.decode(lesson.sequences[2].ids).partition("Improve")[0]
    damaged = read_lessons(data, renderer, settings(home, method="dpo", degree_weight=0.1))
    assert all(len(one.sequences) == 3 for one in damaged)
    assert len({one.degree for one in damaged}) > 1
    assert damage("a\nb\nc", 2, random.Random(0))[1] == 2
    assert damage("a", 3, random.Random(0)) == ("a", 0)


# Training and serving


def test_it_learns_and_is_registered_whole(home: Path, said: LearnedModel) -> None:
    seen = curve("said")
    assert len(seen) == 25
    assert seen[-1] < 0.5 < 3 < seen[0]
    assert {p.name for p in said.folder.iterdir()} == {"adapter", "adapter.gguf", "loss.jsonl", "model.json"}
    assert not (home / "training" / "said").exists()
    assert said in learned_models()
    listed = json.loads(CliRunner().invoke(models, ["list", "--json"]).output)
    assert next(one for one in listed if one["name"] == "local/said")["method"] == "sft"
    shown = CliRunner().invoke(models, ["path", "said"]).output
    assert f"--lora-modules said={said.folder / 'adapter'}" in shown


def test_llama_cpp_serves_it_by_name(said: LearnedModel) -> None:
    llm = open_local("local/said", engine="llamacpp")
    try:
        requests = [Request("local/said", (Message("user", asked),), max_tokens=24) for asked in ASKED]
        assert [llm.complete(request).text for request in requests] == SAID
    finally:
        llm.close()


@pytest.mark.parametrize("architecture", ["qwen2", "llama"])
def test_both_engines_say_the_same_with_the_adapter(
    home: Path, data: Path, said: LearnedModel, architecture: str
) -> None:
    """Greedy, weights in float32 on both sides, on prompts that were learned and others."""
    model = said if architecture == "qwen2" else training.train("llama-said", data, settings(home, "llama"))
    base, adapter = home / f"{architecture}.gguf", model.adapter
    assert adapter is not None
    prompts = [f"Say {word}" for word in (*WORDS, "five", "six")] + ["Tell me", "one two three"]
    ours = by_llamacpp(prompts, base, adapter)
    assert ours == by_transformers(prompts, base, model.folder / "adapter")
    assert ours[:4] == SAID
    assert not set(SAID) & set(by_llamacpp(prompts, base))


def test_an_adapter_written_into_its_base_says_the_same(said: LearnedModel) -> None:
    assert by_llamacpp(ASKED, combine.merged(said)) == SAID


def test_what_two_need_at_once_is_made_once(home: Path, said: LearnedModel) -> None:
    base = Path(shutil.copy(home / "qwen2.gguf", home / "shared.gguf"))
    said.weights.unlink(missing_ok=True)
    with ThreadPoolExecutor(2) as pair:
        folders = list(pair.map(lambda _: vllm.dequantised(base, Path(sys.executable), "bfloat16"), range(2)))
        weights = list(pair.map(lambda _: combine.merged(said), range(2)))
    assert (folders[0] / "model.safetensors").is_file()
    assert folders[0] == folders[1]
    assert by_llamacpp(ASKED, weights[0]) == SAID
    assert not list(home.rglob("*.part"))


def test_models_are_merged_and_grafted(home: Path, said: LearnedModel) -> None:
    invoke = CliRunner().invoke
    done = invoke(models, ["merge", "alone", "said", "--type", "f32"])
    assert done.exit_code == 0, done.output
    assert by_llamacpp(ASKED, home / "learned" / "alone" / "alone.gguf") == SAID
    assert invoke(models, ["graft", "said", "whole", "--share", "1", "--type", "f32"]).exit_code == 0
    assert by_llamacpp(ASKED, home / "learned" / "whole" / "whole.gguf") == SAID
    small = combine.graft_model("said", "sparse", share=0.05, stored="f32")
    shape = {"hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 4, "num_key_value_heads": 2}
    everything = 2 * (64 * (64 + 32 + 32 + 64) + 3 * 64 * 128)
    assert small.weights == pytest.approx(0.05 * everything, abs=2)
    assert 0.05 < small.moved < 0.6
    assert combine.skill_overlap("said", "said") == 1.0
    assert adapter_parameters({**shape, "num_hidden_layers": 2}, settings(home)) == trainable(home)
    with pytest.raises(UserError, match="no adapter that was trained here"):
        combine.merge_models(["sparse"], "more")
    assert invoke(models, ["remove", "sparse"]).exit_code == 0
    assert find_learned("sparse") is None


def trainable(home: Path) -> int:
    folder = training.dequantised(home / "qwen2.gguf", Path(sys.executable), "float32")
    return sum(p.numel() for p in training._adapted(folder, settings(home)).parameters() if p.requires_grad)


@pytest.mark.parametrize("method", ["rpo", "sppo", "srpo"])
def test_preferences_are_learned(home: Path, data: Path, method: str) -> None:
    beta = 0.05 if method == "sppo" else 0.0
    model = training.train(
        f"by-{method}", data, settings(home, method=method, epochs=10, rate=0.003, beta=beta)
    )
    seen = curve(model.name)
    assert len(seen) == 10
    assert seen[-1] < 0.7 * seen[0]


def test_answers_are_learned_as_trl_learns_them(
    home: Path, data: Path, renderer: Renderer, tmp_path: Path
) -> None:
    from datasets import Dataset
    from transformers import set_seed
    from trl import SFTConfig, SFTTrainer

    chosen = settings(home, epochs=4, rate=0.003, kinds="sft,repair", hide=0.0)
    training.train("by-sft", data, chosen)
    rows = [
        {
            "input_ids": list(tokens.ids),
            "labels": [t if yes else -100 for t, yes in zip(tokens.ids, tokens.learned, strict=True)],
        }
        for lesson in in_order(read_lessons(data, renderer, chosen), chosen, 0)
        for tokens in lesson.sequences
    ]
    set_seed(chosen.seed)
    folder = training.dequantised(home / "qwen2.gguf", Path(sys.executable), "float32")
    trainer = SFTTrainer(
        model=training._adapted(folder, chosen),
        args=SFTConfig(**training._arguments(tmp_path, chosen), max_length=None),
        train_dataset=Dataset.from_list(rows),
        processing_class=renderer.tokenizer,
    )
    trainer.train()
    theirs = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert curve("by-sft") == pytest.approx(theirs, rel=1e-4)


def test_dpo_is_trls(home: Path, data: Path, renderer: Renderer, tmp_path: Path) -> None:
    """The same curve as TRL's own trainer on the same rows in the same order."""
    from datasets import Dataset
    from transformers import set_seed
    from trl import DPOConfig, DPOTrainer

    chosen = settings(home, method="dpo", epochs=4, rate=0.003)
    training.train("by-dpo", data, chosen)
    lessons = in_order(read_lessons(data, renderer, chosen), chosen, 0)
    rows = []
    for lesson in lessons:
        better, worse = lesson.sequences
        start = better.learned.index(True)
        rows.append(
            {
                "prompt_ids": list(better.ids[:start]),
                "chosen_ids": list(better.ids[start:]),
                "rejected_ids": list(worse.ids[start:]),
            }
        )

    class Prepared(DPOTrainer):  # type: ignore[misc]
        def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
            return dataset

    set_seed(chosen.seed)
    folder = training.dequantised(home / "qwen2.gguf", Path(sys.executable), "float32")
    model = training._adapted(folder, chosen)
    trainer = Prepared(
        model=model,
        args=DPOConfig(**training._arguments(tmp_path, chosen), beta=0.1, max_length=None),
        train_dataset=Dataset.from_list(rows),
        processing_class=renderer.tokenizer,
    )
    trainer.train()
    theirs = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert curve("by-dpo") == pytest.approx(theirs, rel=1e-4)
    assert curve("by-dpo")[-1] < 0.6


def test_the_task_of_degrees_changes_what_is_learned(home: Path, data: Path) -> None:
    training.train("by-degrees", data, settings(home, method="dpo", epochs=4, rate=0.003, degree_weight=0.5))
    assert curve("by-degrees")[0] > curve("by-dpo")[0] + 0.3


def test_tuning_reports_on_other_seeds(home: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("optuna")
    from meta_agent.learning.training import tuning

    monkeypatch.setattr(tuning, "_held_back", lambda row: "one" in str(row) or "two" in str(row))
    seeds: list[int] = []
    loss = tuning._Bench.loss

    def noted(bench: Any, chosen: Any, seed: int) -> float:
        seeds.append(seed)
        return loss(bench, chosen, seed)

    monkeypatch.setattr(tuning._Bench, "loss", noted)
    found = tuning.tune(data, settings(home, steps=2, epochs=5), trials=3)
    assert seeds == [*tuning.TUNING_SEEDS * 3, *tuning.REPORTED_SEEDS * 2]
    assert found.trainings == len(seeds)
    assert not set(tuning.TUNING_SEEDS) & set(tuning.REPORTED_SEEDS)
    assert found.parameters in {parameters for _, parameters in found.front}
    ordered = sorted(found.front)
    assert [p for _, p in ordered] == sorted(
        (p for _, p in ordered), reverse=True
    )  # nobody beats anybody in both
    with pytest.raises(UserError, match="needs method=sft and the steps"):
        tuning.tune(data, settings(home), trials=1)


def test_the_loop_command(home: Path, lived: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One round for real: llama.cpp draws and is measured, the adapter is trained on an older archive's rows."""
    monkeypatch.setenv("ADAS_CACHE", str(tmp_path / "cache.db"))
    given = {
        "name": "looped",
        "base": f"local/{home}/qwen2.gguf",
        "domains": lived.domain.name,
        "search": "",
        "unrelated": "",
        "rounds": 1,
        "draws": 2,
        "pool": 2,
        "search_tasks": 3,
        "selection_tasks": 3,
        "test_tasks": 3,
        "temperatures": "0.5,1.0",
        "train.steps": 1,
        "train.rank": 4,
    }
    pairs = [f"{key}={value}" for key, value in given.items()]
    folder, report = tmp_path / "loop", tmp_path / "report.md"
    command = ["loop", str(folder), *pairs, "--engine", "llamacpp", "--archive", lived.archive.name]
    done = CliRunner().invoke(learn, [*command, "--report", str(report), "--json"])
    assert done.exit_code == 0, done.output
    state = json.loads(done.stdout.splitlines()[-1])
    assert [one["model"] for one in state["results"]] == [given["base"], "local/looped-1"]
    assert state["rounds"]["1"]["gate"]["decision"] == "rolled back"
    assert state["model"] == given["base"]
    assert "A null result" in report.read_text()
    with pytest.raises(UserError, match="unknown setting 'speed'"):
        CliRunner().invoke(learn, ["loop", str(folder), "train.speed=1"], catch_exceptions=False)


# What can go wrong


def test_a_training_that_would_not_fit_is_refused(
    home: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "available_memory", lambda: 300_000_000)
    with pytest.raises(UserError, match=r"training needs about \d\.\d GB of memory, 0\.3 GB are free"):
        training.train("large", data, settings(home))
    assert find_learned("large") is None


def test_tuning_that_would_not_fit_is_refused(
    home: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("optuna")
    from meta_agent.learning.training import tuning

    monkeypatch.setattr(training, "available_memory", lambda: 300_000_000)
    monkeypatch.setattr(tuning, "_held_back", lambda row: "one" in str(row) or "two" in str(row))
    with pytest.raises(UserError, match=r"training needs about \d\.\d GB of memory, 0\.3 GB are free"):
        tuning.tune(data, settings(home, steps=2), trials=1)


def test_names_and_settings_are_checked_first(home: Path, data: Path, said: LearnedModel) -> None:
    with pytest.raises(UserError, match="local/said is there already"):
        training.train("said", data, settings(home))
    with pytest.raises(UserError, match="is no name for a model"):
        training.train("../up", data, settings(home))
    with pytest.raises(UserError, match="unknown setting 'speed'"):
        load_settings({"speed": 3})
    with pytest.raises(UserError, match="unknown modules x_proj"):
        training.train("odd", data, settings(home, modules="x_proj"))
    result = CliRunner().invoke(learn, ["train", "new", str(data), "epochs"])
    assert isinstance(result.exception, UserError)


def test_half_an_adapter_never_gets_a_name(home: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash while the files are written leaves the catalogue as it was; the next attempt has nothing left to train."""
    before = learned_models()
    with monkeypatch.context() as patch:

        def crash(*_: object) -> None:
            raise OSError("disk full")

        patch.setattr(training, "write_adapter", crash)
        with pytest.raises(OSError, match="disk full"):
            training.train("late", data, settings(home, epochs=2))
    assert learned_models() == before
    with pytest.raises(UserError, match="begun with other data or settings"):
        training.train("late", data, settings(home, epochs=3))
    steps: list[object] = []
    training.train("late", data, settings(home, epochs=2), observe=steps.append)
    assert steps == []
    assert len(curve("late")) == 2


KILLED = """
import sys
from pathlib import Path
from meta_agent.learning.training import train as training
from meta_agent.learning.training.settings import load_settings
training.SAVE_SECONDS = 0.0
training.fastest_training_format = lambda: "float32"
import json
training.train("killed", Path(sys.argv[1]), load_settings(json.loads(sys.argv[2])))
"""


@pytest.mark.parametrize("method", ["sft", "dpo"])
def test_a_killed_training_goes_on_with_the_same_curve(home: Path, data: Path, method: str) -> None:
    chosen = settings(
        home, method=method, epochs=12, rate=0.003, kinds="sft,repair", degree_weight=0.1 * (method == "dpo")
    )
    training.train(f"calm-{method}", data, chosen)
    run = home / "training" / "killed"
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(data), chosen.model_dump_json()],
        env={**os.environ, "ADAS_MODELS": str(home)},
        stderr=subprocess.DEVNULL,
    )
    while len(training.curve(run)) < 4:
        assert child.poll() is None
        time.sleep(0.02)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    (run / "checkpoint-999").mkdir()  # what a kill in the middle of a save leaves
    steps: list[Any] = []
    training.train("killed", data, chosen, observe=steps.append)
    assert steps[0].step >= 3
    assert curve("killed") == curve(f"calm-{method}")
    CliRunner().invoke(models, ["remove", "killed"])
