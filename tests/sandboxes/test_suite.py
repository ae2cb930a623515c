"""Tests of repositories, run in the sandbox: found, told of, bounded, and not believed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sandboxes import Limits, ProcessSandbox
from sandboxes.bwrap import BwrapSandbox
from sandboxes.snapshot import Snapshot
from sandboxes.suite import SuiteRun, run_suite

SUMS = "def add(a, b):\n    if a:\n        return a + b\n    return b\n\n\ndef unused():\n    return 0\n"
PLAIN = """
import unittest
from package.sums import add

def test_right(): assert add(1, 2) == 3
def test_wrong(): assert add(1, 2) == 4, "three"
def test_compared():
    assert add(2, 2) == 5
def test_fixture(tmp_path): pass
def test_default(n=1): assert add(0, n) == 1
def helper(): raise RuntimeError

class Cases(unittest.TestCase):
    @classmethod
    def setUpClass(cls): cls.one = 1
    def setUp(self): self.two = 2
    def test_sum(self): self.assertEqual(add(self.one, self.two), 3)
    def test_error(self): add(None)
    @unittest.skip("not now")
    def test_skipped(self): pass
    @unittest.expectedFailure
    def test_expected(self): self.fail()
    def test_parts(self):
        for n in (1, 2):
            with self.subTest(n=n): self.assertEqual(n, 1)
"""


def snapshot(**files: str) -> Snapshot:
    return Snapshot({path.replace("__", "/") + ".py": text.encode() for path, text in files.items()})


@pytest.fixture(scope="module", params=["process", "bwrap"])
def sandbox(request):
    if request.param == "bwrap" and not shutil.which("bwrap"):
        pytest.skip("bubblewrap is not installed")
    with ProcessSandbox(level="L2") if request.param == "process" else BwrapSandbox() as sandbox:
        yield sandbox


def outcomes(run: SuiteRun) -> dict[str, str]:
    return {name.partition("::")[2]: verdict.outcome for name, verdict in run.verdicts.items()}


def test_functions_and_cases_are_found_and_told_of(sandbox):
    package = Snapshot(
        {
            "package/__init__.py": b"",
            "package/sums.py": SUMS.encode(),
            "tests/test_sums.py": PLAIN.encode(),
            "tests/other.py": b"def test_not(): assert 0",
            "broken_test.py": b"import nowhere",
        }
    )
    run = run_suite(sandbox, package)
    assert run.runner == "unittest"
    assert run.fault == ""
    assert not run.passed
    assert {name.partition("::")[0] for name in run.verdicts} == {"tests/test_sums.py", "broken_test.py"}
    assert outcomes(run) == {
        "": "failed",
        "test_right": "passed",
        "test_wrong": "failed",
        "test_compared": "failed",
        "test_fixture": "skipped",
        "test_default": "passed",
        "Cases::test_sum": "passed",
        "Cases::test_error": "failed",
        "Cases::test_skipped": "skipped",
        "Cases::test_expected": "passed",
        "Cases::test_parts": "failed",
    }
    message = run.verdicts["tests/test_sums.py::test_wrong"].message
    assert 'File "tests/test_sums.py", line 6' in message
    assert message.endswith("AssertionError: three")
    assert run.verdicts["tests/test_sums.py::test_compared"].message.endswith(
        "AssertionError\nadd(2, 2) is 4"
    )
    assert "No module named 'nowhere'" in run.verdicts["broken_test.py"].message
    assert "needs pytest, for tmp_path" in run.verdicts["tests/test_sums.py::test_fixture"].message


def test_some_tests_are_selected(sandbox):
    files = snapshot(
        package____init__="", package__sums=SUMS, tests__test_sums=PLAIN, test_more="def test_a(): pass"
    )
    names = ["tests/test_sums.py::test_right", "tests/test_sums.py::Cases::test_sum"]
    run = run_suite(sandbox, files, select=names)
    assert list(run.verdicts) == names
    assert run.passed
    assert len(run_suite(sandbox, files, select=["tests/test_sums.py::Cases"]).verdicts) == 5


def test_lines_are_noted_for_each_test(sandbox):
    files = snapshot(
        sums=SUMS, test_sums="from sums import add\ndef test_a(): add(1, 2)\ndef test_b(): add(0, 2)"
    )
    run = run_suite(sandbox, files, coverage=True)
    lines = {name.partition("::")[2]: verdict.lines for name, verdict in run.verdicts.items()}
    assert lines == {"test_a": {"sums.py": (1, 2, 3)}, "test_b": {"sums.py": (1, 2, 4)}}


def test_what_takes_too_long_is_stopped(sandbox):
    loops = "def test_{}():\n    try:\n        while True: pass\n    except Exception: pass\n"
    files = snapshot(test_a="def test_0(): pass\n" + "".join(loops.format(n) for n in range(1, 6)))
    run = run_suite(sandbox, files, seconds=0.2)
    assert list(outcomes(run).values()) == ["passed", "failed", "failed", "failed"]
    assert "stopped: more than 0.2 s" in run.verdicts["test_a.py::test_1"].message
    assert run.fault == "ended early: too many tests took too long"
    assert not run.passed


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("", "there are no tests that can be run"),
        ("import os\ndef test_a(): pass\ndef test_b(): os._exit(0)", "ended its process"),
        ("def test_a(): pass\ndef test_b():\n    import time\n    time.sleep(60)", "wall clock"),
        ("import sys\ndef test_a(): pass\ndef test_b(): sys.exit(0)", ""),
    ],
)
def test_a_run_that_is_not_whole_says_so_and_is_not_passed(sandbox, source, fault):
    run = run_suite(sandbox, snapshot(test_a=source), limits=Limits(wall_s=2, file_mb=8))
    assert fault in run.fault
    assert bool(fault) == bool(run.fault)
    assert not run.passed


def test_tests_see_nothing_of_the_host(sandbox, tmp_path):
    canary = tmp_path / "canary"
    canary.write_text("SBXCANARY")
    source = f"""
import os, socket, subprocess, pathlib
def test_environment(): assert not [k for k in os.environ if "PATH" in k or "KEY" in k or "TOKEN" in k], dict(os.environ)
def test_file(): assert not os.path.exists({str(canary)!r})
def test_etc():
    try: text = open("/etc/passwd").read()
    except OSError: text = ""
    assert "root" not in text
def test_network():
    try: socket.create_connection(("127.0.0.1", 80), 1)
    except OSError: return
    raise AssertionError("connected")
def test_command():
    try: subprocess.run(["/bin/sh", "-c", "true"], check=True)
    except (OSError, subprocess.CalledProcessError): return
    raise AssertionError("a shell ran")
"""
    run = run_suite(sandbox, snapshot(test_host=source))
    assert set(outcomes(run).values()) == {"passed"}, run


def test_lies_are_bounded(sandbox):
    source = """
import json, os, struct
fd = int(os.environ["ADAS_BROKER_FD"])
def say(message):
    body = json.dumps(message).encode()
    os.write(fd, struct.pack("<I", len(body)) + body)
    (size,) = struct.unpack("<I", os.read(fd, 4))
    os.read(fd, size)
def test_liar():
    for number in range(6000): say({"test": f"fake{number}", "outcome": "passed", "message": ""})
    say({"test": "test_a.py::test_bad", "outcome": "failed", "message": "x"})
    say({"test": 1, "outcome": [], "message": None, "lines": 7})
    say({"test": "fake1", "outcome": "great", "message": "\\x1b[2J"})
"""
    run = run_suite(sandbox, snapshot(test_a=source))
    assert len(run.verdicts) == 5000
    assert "\x1b" not in repr(run)


def test_a_failure_is_not_talked_away(sandbox):
    source = """
import json, os, struct
def test_bad(): assert 0
def test_later():
    fd = int(os.environ["ADAS_BROKER_FD"])
    body = json.dumps({"test": "test_a.py::test_bad", "outcome": "passed", "message": ""}).encode()
    os.write(fd, struct.pack("<I", len(body)) + body)
    (size,) = struct.unpack("<I", os.read(fd, 4))
    os.read(fd, size)
"""
    run = run_suite(sandbox, snapshot(test_a=source))
    assert outcomes(run) == {"test_bad": "failed", "test_later": "passed"}


@pytest.fixture(scope="module")
def with_pytest(tmp_path_factory):
    """A virtual environment whose packages are pytest and what it needs, linked from this one."""
    folder = tmp_path_factory.mktemp("environment")
    place = folder / f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    place.mkdir(parents=True)
    for package in ("pytest", "_pytest", "pluggy", "iniconfig", "packaging", "pygments"):
        module = sys.modules.get(package) or __import__(package)
        shutil.copytree(Path(str(module.__file__)).parent, place / package)
    shutil.copy(Path(pytest.__file__).parents[1] / "py.py", place)
    with ProcessSandbox(level="L2", environment=folder) as sandbox:
        yield sandbox


def test_pytest_runs_the_tests_where_it_is(with_pytest):
    source = """
import pytest
from sums import add

@pytest.mark.parametrize("a, b", [(1, 2), (0, 3), (3, 3)])
def test_three(a, b): assert add(a, b) == 3

def test_fixture(tmp_path): (tmp_path / "x").write_text("y")

@pytest.mark.skip(reason="not now")
def test_skipped(): pass

def test_forever():
    while True: pass

class TestGroup:
    def test_inside(self): pass
"""
    config = "[pytest]\naddopts = --nonsense\n"
    files = Snapshot(
        {"sums.py": SUMS.encode(), "test_sums.py": source.encode(), "pytest.ini": config.encode()}
    )
    run = run_suite(with_pytest, files, coverage=True, seconds=1.0)
    assert run.runner == "pytest", run
    assert outcomes(run) == {
        "test_three[1-2]": "passed",
        "test_three[0-3]": "passed",
        "test_three[3-3]": "failed",
        "test_fixture": "passed",
        "test_skipped": "skipped",
        "test_forever": "failed",
        "TestGroup::test_inside": "passed",
    }
    assert run.verdicts["test_sums.py::test_three[0-3]"].lines == {"sums.py": (1, 2, 4)}
    assert "assert 6 == 3" in run.verdicts["test_sums.py::test_three[3-3]"].message
    assert not run.fault
    one = run_suite(with_pytest, files, select=["test_sums.py::test_three[1-2]"])
    assert one.passed
    broken = run_suite(with_pytest, Snapshot({"test_x.py": b"import nowhere"}))
    assert "nowhere" in broken.verdicts["test_x.py"].message
    assert not broken.passed


def test_the_guest_needs_the_standard_library_only():
    from sandboxes import suite_guest

    code = f"exec(compile(open({suite_guest.__file__!r}).read(), 'guest', 'exec'), {{'__name__': 'guest'}})"
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True)
