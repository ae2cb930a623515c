"""The seccomp program against an interpreter of BPF written from the kernel's documentation."""

from __future__ import annotations

import struct

import pytest

from sandboxes import kernel

ALLOW, KILL, EPERM, ENOSYS = 0x7FFF0000, 0x80000000, 0x50001, 0x50026
X86_64, AARCH64 = 0xC000003E, 0xC00000B7
NUMBERS = {
    row[0]: {X86_64: row[1], AARCH64: row[2]} for row in (entry.split(":") for entry in kernel._TABLE.split())
}
ARCH = {"x86_64": X86_64, "aarch64": AARCH64}.get(kernel._MACHINE or "")

pytestmark = pytest.mark.skipif(ARCH is None, reason="the filter knows x86_64 and aarch64")


def interpret(program: bytes, number: int, arguments=(0,) * 6, arch: int | None = None) -> int:
    """Return what a seccomp program answers to one system call (Linux: Documentation/networking/filter.rst)."""
    words = [value & 0xFFFFFFFFFFFFFFFF for value in arguments]
    data = struct.pack("=II Q 6Q", number, ARCH if arch is None else arch, 0, *words)
    at = accumulator = steps = 0
    while True:
        steps += 1
        assert steps < 200, "a filter walks forwards only"
        code, yes, no, operand = struct.unpack_from("=HBBI", program, 8 * at)
        at += 1
        if code == 0x06:
            return operand
        if code == 0x20:
            (accumulator,) = struct.unpack_from("=I", data, operand)
        elif code == 0x54:
            accumulator &= operand
        elif code == 0x05:
            at += operand
        elif code in (0x15, 0x35):
            at += yes if (accumulator == operand if code == 0x15 else accumulator >= operand) else no
        else:
            raise AssertionError(f"an instruction the oracle does not know: {code:#x}")


def number(name: str) -> int:
    text = NUMBERS[name][ARCH]
    if text == "-":
        pytest.skip(f"{name} does not exist here")
    return int(text)


@pytest.mark.parametrize("processes", [False, True])
@pytest.mark.parametrize("inside", [False, True])
def test_every_number_gets_the_answer_of_the_table(processes, inside):
    program = kernel.system_call_filter(processes=processes, changes=inside, signals=inside)
    names = {int(row[ARCH]): name for name, row in NUMBERS.items() if row[ARCH] != "-"}
    refused = set() if processes else kernel._STARTING
    refused |= set() if inside else kernel._CHANGING | kernel._SIGNALLING
    by_argument = {"clone", "prctl", "ioctl", "fcntl", "prlimit64", "socketpair"}
    for nr in range(1200):
        name = names.get(nr)
        if name in by_argument:
            continue
        expected = ENOSYS if name is None or name in kernel._NEVER else EPERM if name in refused else ALLOW
        assert interpret(program, nr) == expected, (nr, name)


def test_dangerous_calls_are_on_no_list():
    listed = set(NUMBERS) - kernel._NEVER
    assert not listed & {
        "socket", "connect", "bind", "ptrace", "process_vm_readv", "process_vm_writev", "mount", "unshare", "setns",
        "keyctl", "add_key", "bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "memfd_create", "shmget",
        "open_by_handle_at", "pidfd_open", "pidfd_getfd", "setuid", "setresuid", "capset", "mknod", "mknodat", "chroot",
        "init_module", "kexec_load", "splice", "vmsplice", "inotify_init1", "fanotify_init", "sched_setattr",
        "setpriority",
        "sched_setscheduler", "personality", "modify_ldt", "iopl", "ioperm", "syslog", "setrlimit", "setxattr",
        "msgget", "semget", "mq_open", "chown", "fchown", "fchownat", "mlock", "mlockall", "clone3", "tee",
    }  # fmt: skip


def test_other_architectures_are_killed_and_x32_unknown():
    program = kernel.system_call_filter(processes=True, changes=True, signals=True)
    for arch in (0x40000003, 0x40000028, AARCH64 if ARCH == X86_64 else X86_64, 0):
        assert interpret(program, number("getpid"), arch=arch) == KILL
    assert interpret(program, 0x40000000 | number("getpid")) == ENOSYS
    assert interpret(program, 0xFFFFFFFF) == ENOSYS


THREAD = 0x3D0F00
CLONES = [(THREAD, ALLOW, ALLOW), (17, EPERM, ALLOW), (0x4111, EPERM, ALLOW), (0x10000000 | THREAD, EPERM, EPERM),
          (0x20000011, EPERM, EPERM), (0x40000011, EPERM, EPERM), (0x8011, EPERM, EPERM)]  # fmt: skip


@pytest.mark.parametrize(("flags", "alone", "family"), CLONES)
def test_clone(flags, alone, family):
    for processes, expected in ((False, alone), (True, family)):
        program = kernel.system_call_filter(processes=processes, changes=True, signals=True)
        assert interpret(program, number("clone"), (flags, 0, 0, 0, 0, 0)) == expected


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("prctl", (15,), ALLOW), ("prctl", (39,), ALLOW), ("prctl", (4, 1), EPERM), ("prctl", (1, 0), EPERM),
        ("prctl", (22, 2), EPERM), ("ioctl", (0, 0x5401), ALLOW), ("ioctl", (0, 0x5412), EPERM),
        ("ioctl", (0, 0x5401 | 1 << 32), ALLOW), ("fcntl", (1, 3), ALLOW), ("fcntl", (1, 1031, 1 << 20), EPERM),
        ("fcntl", (1, 8, 1), EPERM), ("prlimit64", (0, 7), ALLOW), ("prlimit64", (1, 7), EPERM),
        ("socketpair", (1, 1), ALLOW), ("socketpair", (1, 0o2000001), ALLOW), ("socketpair", (1, 2), EPERM),
        ("socketpair", (2, 1), EPERM), ("socketpair", (16, 1), EPERM), ("socketpair", (1, 5), EPERM),
    ],
)  # fmt: skip
def test_arguments(name, arguments, expected):
    program = kernel.system_call_filter(processes=True, changes=True, signals=True)
    assert interpret(program, number(name), (*arguments, *(0,) * (6 - len(arguments)))) == expected


def test_a_long_branch_is_reached_by_a_trampoline():
    leaves = [(n, [(0x06, 0, 0, n)] * 1 + [(0x20, 0, 0, 0)] * 40) for n in range(64)]
    program = b"".join(struct.pack("=HBBI", *code) for code in [(0x20, 0, 0, 0), *kernel._tree(leaves)])
    assert [interpret(program, n) for n in range(64)] == list(range(64))
