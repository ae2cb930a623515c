"""`adas chat` in a real terminal."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from tests.meta_agent.commands.test_code import REPAIRS, repository
from tests.meta_agent.test_cli import ROOT, environment

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["repository"]


def read_until(fd: int, words: str, seen: str = "") -> str:
    """Read what a terminal shows until it shows some words; answers the terminal's questions about itself."""
    deadline = time.monotonic() + 100
    while words not in re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", seen):
        if time.monotonic() > deadline or not select.select([fd], [], [], 100)[0]:
            raise AssertionError(f"{words!r} not in {seen!r}")
        piece = os.read(fd, 1 << 16).decode(errors="replace")
        if "\x1b[6n" in piece:
            os.write(fd, b"\x1b[1;1R")
        seen += piece
    return seen


def test_a_conversation_with_a_change(repository: Path) -> None:
    ours, theirs = pty.openpty()
    variables = {
        **environment(repository.parent),
        "XDG_DATA_HOME": str(repository.parent / "data"),
        "TERM": "xterm",
    }
    command = [
        sys.executable,
        "-m",
        "meta_agent",
        "chat",
        "direct",
        "--model",
        REPAIRS,
        "--repo",
        str(repository),
    ]
    process = subprocess.Popen(
        command, cwd=ROOT, env=variables, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    try:
        read_until(ours, "/help lists the commands")
        os.write(ours, b"/code add subtracts\r")
        read_until(ours, "Apply? [y/N]")
        os.write(ours, b"y\r")
        read_until(ours, "/undo takes it back")
        assert "a + b" in (repository / "sums.py").read_text()
        os.write(ours, b"/undo\r")
        read_until(ours, "Took back the change of sums.py")
        os.write(ours, b"/quit\r")
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    assert "a - b" in (repository / "sums.py").read_text()
    assert "/code add subtracts" in (repository.parent / "data/adas/chat_history").read_text()
