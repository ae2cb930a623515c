"""Programs that attack, at both levels, as whoever runs the tests and as a user without rights."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from pathlib import Path

import pytest

from sandboxes import ProcessSandbox
from tests.sandboxes import attacks
from tests.sandboxes.nobody import run_as_nobody


@pytest.fixture(scope="module")
def bait():
    """Put secrets and listeners where an escaped program would find them."""
    file = Path("/tmp/adas_canary.txt")  # the places that the programs look into
    with contextlib.ExitStack() as stack:
        monkeypatch = stack.enter_context(pytest.MonkeyPatch.context())
        monkeypatch.setenv("ADAS_CANARY_KEY", attacks.CANARY)
        file.write_text(attacks.CANARY)
        stack.callback(file.unlink, missing_ok=True)
        doors = []
        for kind, address in (
            (socket.SOCK_DGRAM, ("127.0.0.1", 47632)),
            (socket.SOCK_STREAM, ("127.0.0.1", 47632)),
            (socket.SOCK_STREAM, "\0adas_canary"),
        ):
            family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
            door = stack.enter_context(socket.socket(family, kind))
            with contextlib.suppress(OSError):  # another run of the tests may hold it
                door.bind(address)
                if kind == socket.SOCK_STREAM:
                    door.listen()
                doors.append(door)
            door.setblocking(False)
        yield
        for door in doors:
            with pytest.raises(BlockingIOError):
                door.recv(1) if door.type == socket.SOCK_DGRAM else door.accept()


@pytest.fixture(scope="module", params=["L2", "L1"])
def level(request):
    return request.param


@pytest.fixture(scope="module", params=["the user", "nobody"])
def found(request, level, bait):
    if request.param == "the user":
        with ProcessSandbox(level=level) as sandbox:
            return attacks.findings(sandbox)
    if os.geteuid() != 0:
        pytest.skip("only root can become nobody")
    done = run_as_nobody("attacks", level, env={"ADAS_CANARY_KEY": attacks.CANARY})
    if done is None:
        pytest.skip("this Python neither can be read by other users nor works as a copy")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_suite_is_whole():
    adopted = [path for path in attacks.PROGRAMS.values() if int(path.name.split("_")[0]) < 200]
    assert len(adopted) == 74


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", [*attacks.PROGRAMS, "survivors"])
def test_hostile_program(found, level, name):
    if level == "L1" and name in attacks.AT_L1:
        assert "ESCAPED" in found[name], "it is held now: take it off the list"
    else:
        assert found[name] == ""
