"""Every backend that starts containers: for real where its engine is installed, else against a stand-in."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sandboxes import BACKENDS, Limits, SandboxFaultError, SandboxUnavailableError, open_sandbox
from sandboxes.bwrap import BwrapSandbox
from sandboxes.docker import DockerSandbox
from sandboxes.e2b import E2BSandbox
from sandboxes.promises import PROMISES, examine
from tests.sandboxes import contract, image, standins

KEY = "e2b_0123456789abcdef"


@pytest.fixture(scope="module")
def patch():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def docker(patch, tmp_path_factory):
    """Put the stand-in on the path as the command ``docker``."""
    folder = tmp_path_factory.mktemp("bin")
    root = Path(__file__).parents[2]
    script = f'#!/bin/sh\nPYTHONPATH={root} exec {sys.executable} {standins.__file__} "$@"\n'
    (folder / "docker").write_text(script)
    (folder / "docker").chmod(0o755)
    patch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


@pytest.fixture(scope="module")
def cloud(patch):
    """Stand in for E2B on loopback."""
    pytest.importorskip("e2b")
    with standins.Cloud(KEY) as cloud:
        patch.setenv("E2B_API_KEY", KEY)
        patch.setenv("E2B_HTTP_VERSION", "1.1")
        for name in ("E2B_API_URL", "E2B_SANDBOX_URL"):
            patch.setenv(name, cloud.url)
        yield cloud
        cloud.shutdown()


def opened(name, request):
    """Return a sandbox, or skip where its engine (or the stand-in's bubblewrap) is not there."""
    if name not in ("gvisor", "podman") and not shutil.which("bwrap"):
        pytest.skip("bubblewrap is not installed")
    if name in ("docker", "e2b"):
        request.getfixturevalue({"docker": "docker", "e2b": "cloud"}[name])
    if name == "podman":
        if not shutil.which("podman"):
            pytest.skip("podman is not installed")
        name = f"podman:{image.build('podman')}"
    try:
        return open_sandbox(name)
    except SandboxUnavailableError as error:
        if name in ("bwrap", "docker", "e2b"):
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="module", params=["bwrap", "docker", "e2b"])
def sandbox(request):
    with opened(request.param, request) as sandbox:
        yield sandbox


@pytest.fixture(scope="module", params=["bwrap", "gvisor", "podman", "docker"])
def engine(request):
    with opened(request.param, request) as sandbox:
        yield sandbox


@pytest.mark.parametrize("promise", PROMISES)
def test_promise(sandbox, promise):
    assert PROMISES[promise](sandbox)


@pytest.mark.slow
@pytest.mark.parametrize("promise", contract.CONTRACT, ids=lambda promise: promise.__name__)
def test_contract(engine, promise):
    promise(engine)


def test_a_container_that_ends_without_a_word_is_no_verdict(docker, tmp_path, monkeypatch):
    (tmp_path / "docker").write_text(
        '#!/bin/sh\n[ "$1" = image ] && exit 0\necho "no space left" >&2; exit 125\n'
    )
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(SandboxUnavailableError, match="docker: the container did not start: no space left"):
        open_sandbox("docker")


def test_the_walls_of_a_container(docker):
    with DockerSandbox() as sandbox:
        assert sandbox.options(Limits()) == standins.WALLS
        larger = sandbox.options(Limits(memory_mb=1000, processes=5, file_mb=100))
    changed = [new for old, new in zip(standins.WALLS, larger, strict=True) if old != new]
    assert changed == ["/box:rw,noexec,nosuid,nodev,size=100m,mode=1777", "1264m", "1264m", "13"]


def test_an_image_that_is_not_there(docker):
    with pytest.raises(SandboxUnavailableError, match=r"No such image: other:1; .*`docker pull other:1`"):
        DockerSandbox(image="other:1")


def test_no_key_goes_into_a_machine_and_no_machine_has_internet(cloud):
    cloud.requests.clear()
    with E2BSandbox("mine") as sandbox:
        sandbox.run("")
    inside = [request for request in cloud.requests if request[0].startswith("/process.Process/")]
    assert {path for path, _, _ in inside} == {"/process.Process/Start", "/process.Process/SendInput"}
    assert KEY not in str(inside)
    wanted = [machine.wanted for machine in cloud.machines.values()][-1]
    assert wanted["templateID"] == "mine"
    assert wanted["allow_internet_access"] is False
    assert not wanted["envVars"]
    assert 600 < wanted["timeout"] <= 3600
    assert not any(machine.alive for machine in cloud.machines.values())


def test_a_wrong_key_is_told(cloud, monkeypatch):
    monkeypatch.setenv("E2B_API_KEY", "e2b_ffff")
    with pytest.raises(SandboxUnavailableError, match="Invalid API key"):
        E2BSandbox()


def test_a_cloud_that_cannot_be_reached(cloud, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
    monkeypatch.setenv("E2B_API_URL", url)
    with pytest.raises(SandboxUnavailableError, match="E2B gives no machine"):
        E2BSandbox()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("bwrap", "apt install bubblewrap"),
        ("gvisor", "apt install runsc"),
        ("docker", "docs.docker.com"),
        ("podman", "apt install podman"),
        ("e2b", "set E2B_API_KEY"),
        ("vm", "expected one of process, bwrap"),
        ("bwrap:x", "expected one of"),
    ],
)
def test_what_is_absent_says_how_to_get_it(name, words, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("E2B_API_KEY", raising=False)
    with pytest.raises(SandboxUnavailableError, match=words):
        open_sandbox(name)


def test_every_backend_has_a_name():
    assert set(BACKENDS) >= {"process", "bwrap", "docker"}
    with open_sandbox("process:L1") as sandbox:
        assert sandbox.level == "L1"


def test_close_ends_what_is_under_way():
    from concurrent.futures import ThreadPoolExecutor

    if not shutil.which("bwrap"):
        pytest.skip("bubblewrap is not installed")
    sandbox = BwrapSandbox()
    before = contract.descendants(os.getpid())
    with ThreadPoolExecutor(1) as pool:
        under_way = pool.submit(sandbox.run, "import time; time.sleep(60)", limits=Limits(wall_s=90))
        assert contract.eventually(lambda: len(contract.descendants(os.getpid()) - before) >= 3)
        sandbox.close()
        with pytest.raises(SandboxFaultError):
            under_way.result(20)
    assert contract.eventually(lambda: contract.descendants(os.getpid()) <= before)
    with pytest.raises(SandboxFaultError, match="closed"):
        sandbox.run("")


@pytest.mark.parametrize(
    "name",
    ["bwrap", pytest.param("gvisor", marks=pytest.mark.slow), pytest.param("podman", marks=pytest.mark.slow)],
)
def test_everything_ends_with_the_host(name):
    """A host that is killed without warning takes its containers along."""
    command = {"gvisor": "runsc"}.get(name, name)
    if not shutil.which(command):
        pytest.skip(f"{command} is not installed")
    code = """
import sys
from sandboxes import Limits, open_sandbox

def broker(request):
    print("running", flush=True)
    return {}

program = "import time\\ndef forward(task, kit): kit({}); time.sleep(600)"
kit = "def build(task, call): return task, call"
open_sandbox(sys.argv[1]).session(program, {}, broker, kit=kit, limits=Limits(wall_s=600))
"""
    backend = f"podman:{image.build('podman')}" if name == "podman" else name
    others = set(contract.processes())
    with subprocess.Popen([sys.executable, "-c", code, backend], stdout=subprocess.PIPE, text=True) as host:
        try:
            assert host.stdout.readline() == "running\n"
            guests = {pid for pid in set(contract.processes()) - others if is_guest(pid)}
            assert guests
        finally:
            host.kill()
    assert contract.eventually(lambda: not guests & set(contract.processes()))


def is_guest(pid):
    """Tell whether a process was started to be a porter."""
    with contextlib.suppress(OSError):
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
        return b"sandboxes.porter" in line or b"adas-gvisor-" in line
    return False


@pytest.mark.slow
def test_the_real_client_of_docker(tmp_path, monkeypatch):
    """Podman answers Docker's client as Docker's daemon would."""
    client = shutil.which("docker")
    if not client or not shutil.which("podman"):
        pytest.skip("needs Docker's client and Podman")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/podman.sock")
    name = image.build("podman")
    with subprocess.Popen(["podman", "system", "service", "-t", "0", os.environ["DOCKER_HOST"]]) as service:
        assert contract.eventually((tmp_path / "podman.sock").exists)
        with DockerSandbox("docker", name) as sandbox:
            broken = [finding for finding in examine(sandbox) if not finding.kept]
        service.terminate()
    assert broken == []
