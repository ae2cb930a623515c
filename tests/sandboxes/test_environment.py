from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from sandboxes import Limits, SandboxUnavailableError, open_sandbox

LIMITS = Limits(wall_s=30, cpu_s=20)


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Make the folder that ``python -m venv`` makes, with one package in it."""
    folder = tmp_path_factory.mktemp("environment")
    packages = folder / f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    (packages / "greeting").mkdir(parents=True)
    (packages / "greeting/__init__.py").write_text(
        "import greeting.words\ndef greet(): return greeting.words.HELLO"
    )
    (packages / "greeting/words.py").write_text("HELLO = 'hello'")
    (packages / "evil.pth").write_text("import os; os.environ['EVIL'] = '1'")
    (folder / "secret.txt").write_text("secret")
    return folder


@pytest.fixture(scope="module", params=["process:L2", "process:L1", "bwrap"])
def sandbox(request, environment):
    if request.param == "bwrap" and not shutil.which("bwrap"):
        pytest.skip("bubblewrap is not installed")
    with open_sandbox(request.param, environment) as sandbox:
        yield sandbox


def test_programs_find_the_packages_and_nothing_else(sandbox, environment):
    code = f"""
import os, sys, greeting
def f():
    found = []
    for path in [{str(environment / "secret.txt")!r}, greeting.__file__]:
        try:
            open(path, "a" if "greeting" in path else "r")
            found.append(path)
        except OSError: pass
    try:
        import pip
        found.append("pip")
    except ImportError: pass
    return [greeting.greet(), found, "EVIL" in os.environ]
"""
    outcome = sandbox.run(code, entry="f", limits=LIMITS)
    assert outcome.value == ["hello", [], False], outcome
    judged = sandbox.check(
        "import greeting\ndef f(): return greeting.greet()",
        ["assert f() == 'hello'"],
        entry="f",
        limits=LIMITS,
    )
    assert judged.passed == (True,), judged
    program = "def forward(task, kit):\n    import greeting\n    return greeting.greet()"
    kit = "def build(task, call): return task, call"
    assert sandbox.session(program, {}, lambda r: r, kit=kit, limits=LIMITS).value == "hello"


def test_a_real_package_with_shared_libraries():
    """Where NumPy is installed beside the tests, programs can be given it."""
    pytest.importorskip("numpy")
    code = "import numpy\ndef f(): return (numpy.eye(3) @ numpy.arange(9.0).reshape(3, 3)).trace().item()"
    for name in ("process", *(["bwrap"] if shutil.which("bwrap") else [])):
        with open_sandbox(name, Path(sys.prefix)) as sandbox:
            outcome = sandbox.run(code, entry="f", limits=LIMITS)
            assert outcome.value == 12.0, outcome


def test_an_environment_that_is_none(tmp_path):
    for name in ("process", "bwrap", "gvisor"):
        if name != "process" and not shutil.which({"bwrap": "bwrap", "gvisor": "runsc"}[name]):
            continue
        with pytest.raises(SandboxUnavailableError, match="no environment of this Python"):
            open_sandbox(name, tmp_path)
    with pytest.raises(SandboxUnavailableError, match="takes packages from its image"):
        open_sandbox("docker", tmp_path)
