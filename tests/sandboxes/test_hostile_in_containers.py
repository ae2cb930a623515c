"""The programs that attack, against bubblewrap and gVisor; what they see there of the container itself is named."""

from __future__ import annotations

import shutil

import pytest

from sandboxes import open_sandbox
from tests.sandboxes import attacks

ENDS = {
    "self_kill": "kill is refused to a program without children",
    "inode_flood": "the number of files is not bounded, and the processor's limit ends it",
}
OTHERWISE = {
    "bwrap": ENDS,
    "gvisor": {
        **ENDS,
        "dev_nodes": "gVisor has devices of its own",
        "process_list": "the container's own processes are in its /proc",
        "sysfs": "the container's own /sys and /proc/sys, which tell nothing of the machine",
        "descriptors": "its own descriptors are in /dev/fd",
        "never_reads": "slower: the processor's limit ends it first",
        "x32_i386": "refused, but not by a signal",
    },
}
"""Programs that see or end otherwise than in the process sandbox, and why that is no escape."""


@pytest.fixture(scope="module", params=["bwrap", "gvisor"])
def sandbox(request):
    if not shutil.which({"bwrap": "bwrap", "gvisor": "runsc"}[request.param]):
        pytest.skip(f"{request.param} is not installed")
    with open_sandbox(request.param) as sandbox:
        yield sandbox


@pytest.mark.slow
@pytest.mark.parametrize("name", attacks.PROGRAMS)
def test_attack(sandbox, name):
    if name in OTHERWISE[sandbox.level]:
        pytest.xfail(OTHERWISE[sandbox.level][name])
    attacks.attack(sandbox, name)
