from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING, Any

import pytest

from archive import Program
from domains import load_domain
from meta_agent.assistant.agents import Agent
from meta_agent.assistant.assistant import Answer
from meta_agent.assistant.conversation import as_task
from meta_agent.assistant.redaction import redact, redact_all
from meta_agent.assistant.traces import Traces
from meta_agent.errors import UserError
from meta_agent.llm import Message

if TYPE_CHECKING:
    from pathlib import Path

AGENT = Agent("direct", Program(source="def forward(task, kit): return 1", name="direct"), "m")
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-abcdefghij0123456789",
        "ghp_0123456789abcdefghij0123456789abcdef",
        "github_pat_11ABCDEFG0123456789_abcdefghij",
        "hf_abcdefghijklmnopqrstuvwx",
        "xoxb-123456789012-abcdefghijkl",
        "AKIAIOSFODNN7EXAMPLE",
        "AIzaSyA-1234567890abcdefghijklmnopqrstu",
        "glpat-abcdefghij0123456789",
        JWT,
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nabc=\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA",
    ],
)
def test_keys_are_known_by_their_form(secret: str) -> None:
    said = redact(f"before {secret} after")
    assert "[redacted]" in said
    assert not any(part in said for part in secret.split() if len(part) > 8 and "KEY" not in part)
    assert said.startswith("before ")


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ('api_key = "swordfish-99"', 'api_key = "[redacted]"'),
        ("PASSWORD=swordfish", "PASSWORD=[redacted]"),
        ("db_password: swordfish, user: ann", "db_password: [redacted], user: ann"),
        ('{"client_secret": "swordfish"}', '{"client_secret": "[redacted]"}'),
        ("Authorization: Bearer abcdefgh12345678", "Authorization: Bearer [redacted]"),
        ("postgresql://ann:swordfish@host/db", "postgresql://[redacted]@host/db"),
        ("export AWS_SECRET_ACCESS_KEY=abc/def+ghi", "export AWS_SECRET_ACCESS_KEY=[redacted]"),
    ],
)
def test_what_a_name_says_is_a_secret(text: str, kept: str) -> None:
    assert redact(text) == kept


@pytest.mark.parametrize(
    "text",
    [
        "def tokenize(text): return text.split()",
        "token = None",
        "api_key: str",
        "kit.llm(prompt, max_tokens=512)",
        "tokenizer = load('x')",
        'key = os.environ["X"]; password = os.environ["P"]',
        "for key, value in d.items(): print(key)",
        "assert count_tokens('a b') == 2",
        "sk-learn and pk are short",
        "https://example.org/path?x=1",
        "the secret of life",
    ],
)
def test_code_and_words_stay(text: str) -> None:
    assert redact(text) == text


def test_values_of_the_environment_go_wherever_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "plain words 123")
    monkeypatch.setenv("OTHER", "unrelated words")
    value = {"a": ["x plain words 123 y", 1, None, ("unrelated words",)]}
    assert redact_all(value) == {"a": ["x [redacted] y", 1, None, ["unrelated words"]]}


def answer(text: str = "ok") -> Answer:
    return Answer(
        text, text, "", 1, 10, 5, 0.0, 0.1, ({"op": "llm", "prompt": "p", "reply": f"token={JWT}"},)
    )


def ask(text: str, **more: Any) -> Any:
    return as_task([Message("user", text)], **more)


def test_answers_are_kept_and_tasks_that_can_be_marked_become_a_domain(tmp_path: Path) -> None:
    folder = tmp_path / "traces"
    traces = Traces(folder)
    for n in range(3):
        task = ask(f"Write `f{n}(x)`. password=swordfish\n>>> f{n}(1)\n{n}")
        traces.keep(AGENT, task, answer(f"def f{n}(x): return {n}"))
        traces.keep(AGENT, task, answer())
    traces.keep(AGENT, ask("Where is Paris?"), answer("France"))
    rows = [json.loads(line) for line in (folder / "traces.jsonl").read_text().splitlines()]
    assert len(rows) == 7
    assert rows[-1]["task"]["prompt"] == "Where is Paris?"
    assert rows[-1]["answer"] == "France"
    everything = "".join(path.read_text() for path in folder.iterdir())
    assert "swordfish" not in everything
    assert JWT not in everything
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    domain = load_domain(str(folder / "tasks.jsonl"))
    tasks = [task for split in ("search", "selection", "test") for task in domain.tasks(split)]  # type: ignore[arg-type]
    assert {task.entry_point for task in tasks} == {"f0", "f1", "f2"}
    again = Traces(folder)
    again.keep(AGENT, ask("Write `f1(x)`. password=swordfish\n>>> f1(1)\n1"), answer())
    assert len((folder / "tasks.jsonl").read_text().splitlines()) == 3


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="traces cannot be kept"):
        Traces(tmp_path / "file")
    (tmp_path / "traces").mkdir()
    (tmp_path / "traces/traces.jsonl").symlink_to(tmp_path / "file")
    with pytest.raises(UserError, match="traces cannot be kept"):
        Traces(tmp_path / "traces")
