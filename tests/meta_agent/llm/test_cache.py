from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meta_agent.errors import UserError
from meta_agent.llm import Cache, Completion, default_path

if TYPE_CHECKING:
    from pathlib import Path

completions = st.builds(
    Completion,
    text=st.text(st.characters(exclude_categories=["Cs"])),
    prompt_tokens=st.integers(0, 10**6),
    completion_tokens=st.integers(0, 10**6),
    cost_usd=st.none() | st.floats(0, 100),
    finish=st.sampled_from(["stop", "length"]),
    seconds=st.floats(0, 1000),
)

WRITER = """
import sys
from pathlib import Path
from meta_agent.llm import Cache, Completion
cache = Cache(Path(sys.argv[1]))
for i in range(int(sys.argv[2]), 10**6):
    cache.put(str(i), "m", Completion(f"text {i}", 1, 2, 0.0))
    print(i, flush=True)
"""


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.text("abc", max_size=3), completions))
def test_what_was_put_is_got_marked_as_cached(stored: dict[str, Completion]) -> None:
    cache = Cache()
    for key, completion in stored.items():
        assert cache.get(key) is None
        cache.put(key, "m", completion)
    for key, completion in stored.items():
        found = cache.get(key)
        assert found is not None
        assert found.cached
        assert (found.text, found.cost_usd, found.finish) == (
            completion.text,
            completion.cost_usd,
            completion.finish,
        )
        assert found.seconds == completion.seconds
    assert len(cache) == len(stored)
    cache.close()


def test_the_first_completion_stays() -> None:
    cache = Cache()
    cache.put("k", "m", Completion("first", 1, 1))
    cache.put("k", "m", Completion("second", 1, 1))
    found = cache.get("k")
    assert found is not None
    assert found.text == "first"


def test_64_threads_and_another_process_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "llm.db"
    cache = Cache(path)
    with subprocess.Popen([sys.executable, "-c", WRITER, path, "500000"], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"500000\n"

        def work(i: int) -> bool:
            cache.put(f"t{i}", "m", Completion(str(i), 1, 1))
            found = cache.get(f"t{i}")
            return found is not None and found.text == str(i)

        with ThreadPoolExecutor(64) as pool:
            assert all(pool.map(work, range(1000)))
        other.kill()
    assert cache.get("500000") is not None
    cache.close()


@pytest.mark.parametrize("seed", range(3))
def test_what_was_put_survives_kill_9(tmp_path: Path, seed: int) -> None:
    path, told = tmp_path / "llm.db", 0
    for _ in range(2):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, path, str(told)], stdout=subprocess.PIPE
        ) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline()
            time.sleep(random.Random(seed).uniform(0.0, 0.15))
            os.kill(writer.pid, signal.SIGKILL)
            rest = writer.stdout.read().split(b"\n")[:-1]
        told = int(rest[-1]) if rest else told
        cache = Cache(path)
        for i in range(told + 1):
            found = cache.get(str(i))
            assert found is not None
            assert found.text == f"text {i}"
        cache.close()


def test_a_full_disk_is_one_line_and_loses_nothing(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "llm.db")
    cache.put("k", "m", Completion("kept", 1, 1))
    cache._db.execute("PRAGMA max_page_count=3")
    with pytest.raises(UserError, match=r"full.*make room") as caught:
        cache.put("big", "m", Completion("x" * 100_000, 1, 1))
    assert "\n" not in str(caught.value)
    assert cache.get("k") is not None
    cache.close()


def test_a_file_that_is_no_cache_is_refused_in_one_line(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("these are my notes, not a database\n" * 50)
    with pytest.raises(UserError, match="ADAS_CACHE"):
        Cache(text)
    assert "my notes" in text.read_text()
    with pytest.raises(UserError, match="ADAS_CACHE"):
        Cache(text / "below" / "llm.db")


def test_a_newer_format_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "llm.db"
    Cache(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version=99")
    db.close()
    with pytest.raises(UserError, match="format 99"):
        Cache(path)


def test_the_default_place_can_be_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ADAS_CACHE", str(tmp_path / "mine.db"))
    assert default_path() == tmp_path / "mine.db"
    monkeypatch.delenv("ADAS_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_path() == tmp_path / "adas" / "llm.db"
