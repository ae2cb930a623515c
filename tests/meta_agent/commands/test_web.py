"""`adas archive web` as a user starts it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx

from archive import Archive, Run
from tests.meta_agent.test_cli import ROOT, adas, environment

if TYPE_CHECKING:
    from pathlib import Path


def test_it_tells_its_address_answers_there_and_ends_in_good_order(tmp_path: Path) -> None:
    with Archive(tmp_path / "archive.db") as archive:
        archive.add_run(Run("r", "search", "quiz", "1"))
    process = subprocess.Popen(
        [sys.executable, "-m", "meta_agent", "archive", "web", "--port", "0", "--no-browser"],
        env=environment(tmp_path),
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr
    try:
        found = re.search(r"archive\.db at (http://127\.0\.0\.1:\d+/)", process.stderr.readline())
        assert found
        assert "quiz" in httpx.get(f"{found[1]}runs/r", timeout=60).text
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    assert process.stderr.read() == ""
    process.stderr.close()


def test_an_archive_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    done = adas(tmp_path, "archive", "web", "--no-browser", "--port", "0")
    assert done.returncode == 2
    assert "no archive at" in done.stderr
    assert not (tmp_path / "archive.db").exists()
