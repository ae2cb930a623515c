"""The Linux calls that build a jail, through ctypes: namespaces, mounts, Landlock, seccomp, capabilities.

Standard library only, because the guest imports it too. Every function raises :class:`OSError` with the name
of the call that the kernel refused. Nothing here decides a policy except the list of system calls a jailed
program may make.
"""

from __future__ import annotations

import ctypes
import os
import platform
import stat
import struct
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_libc = ctypes.CDLL(None, use_errno=True)
_libc_with_lock = ctypes.PyDLL(None, use_errno=True)

# Flags of clone(2), unshare(2) and setns(2).
NEWNS, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET = (
    0x20000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000,
)  # fmt: skip
_NEWCGROUP, _CLONE_THREAD, _CLONE_PARENT, _CLONE_PTRACE = 0x2000000, 0x10000, 0x8000, 0x2000
_NAMESPACES = NEWNS | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET | _NEWCGROUP

# Flags of mount(2) and umount2(2).
MS_NOSUID, MS_NODEV, MS_NOEXEC, _MS_REC, _MS_PRIVATE, _MNT_DETACH = 2, 4, 8, 0x4000, 1 << 18, 2

# Options of prctl(2).
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_KEEPCAPS, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 4, 8, 22, 38
_PR_CAPBSET_DROP = 24

CAP_DAC_READ_SEARCH = 2


_ZERO, _TWO = ctypes.c_ulong(0), ctypes.c_ulong(2)


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _call(name: str, *arguments: object) -> int:
    """Make a system call that libc has no function for."""
    number = _NUMBERS[name]
    return _check(_libc.syscall(ctypes.c_long(number), *arguments), name)


def prctl(option: int, value: int, what: str) -> None:
    """Set one property of this process."""
    _check(_libc.prctl(option, ctypes.c_ulong(value), _ZERO, _ZERO, _ZERO), what)


def die_with_parent() -> None:
    """Have the kernel kill this process when the thread that forked it ends."""
    prctl(_PR_SET_PDEATHSIG, 9, "PR_SET_PDEATHSIG")


def no_new_privileges() -> None:
    """Give up, for good, gaining rights by executing a file."""
    prctl(_PR_SET_NO_NEW_PRIVS, 1, "PR_SET_NO_NEW_PRIVS")


def close_from(first: int) -> None:
    """Close every descriptor from ``first`` on."""
    os.closerange(first, 1 << 20)


def share_one_heap() -> None:
    """Have all threads allocate from one heap, where glibc would reserve 64 MiB of addresses for each."""
    if hasattr(_libc, "mallopt"):
        _libc.mallopt(-8, 1)


def fork() -> int:
    """Fork without telling Python: ``os.fork`` makes locks and random states anew, which costs 130 page copies.

    Only for a process of one thread, whose locks are all free, and a child that goes on with the same state of
    :mod:`random`. The interpreter's lock is kept meanwhile.
    """
    return _check(_libc_with_lock.fork(), "fork")


# -- namespaces and identity ------------------------------------------------------------------------


def unshare(flags: int) -> None:
    """Move this process into new namespaces."""
    _check(_libc.unshare(flags), f"unshare({flags:#x})")


def enter(fd: int, flags: int) -> None:
    """Join the namespaces of the process behind a pidfd."""
    _check(_libc.setns(fd, flags), "setns")


def map_user(proc: int, inside: int, uid: int, gid: int) -> None:
    """Name this process's user and group ``inside`` in its new user namespace.

    Args:
        proc: A descriptor of a ``/proc`` folder (of any mount: it need not be reachable by name any more).
        inside: The number they have in the new namespace.
        uid: User outside.
        gid: Group outside.

    """
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{inside} {uid} 1"),
        ("gid_map", f"{inside} {gid} 1"),
    ):
        fd = os.open(f"self/{name}", os.O_WRONLY | os.O_CLOEXEC, dir_fd=proc)
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)


def become(uid: int, *, keep: int | None = None) -> None:
    """Turn root into ``uid``, without capabilities (but for ``keep``, if given) and without other groups."""
    if keep is not None:
        prctl(_PR_SET_KEEPCAPS, 1, "PR_SET_KEEPCAPS")
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    set_capabilities(() if keep is None else (keep,))
    prctl(_PR_SET_DUMPABLE, 1, "PR_SET_DUMPABLE")  # or its own /proc/self belongs to root


def set_capabilities(kept: Iterable[int]) -> None:
    """Reduce the permitted and effective capabilities to ``kept``; none is inheritable."""
    mask = sum(1 << capability for capability in kept)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    header = struct.pack("=Ii", 0x20080522, 0)
    _check(_libc.capset(header, struct.pack("=6I", low, low, 0, high, high, 0)), "capset")


def drop_bounding_set() -> None:
    """Take every capability out of what executing a file could ever give (needs CAP_SETPCAP)."""
    for capability in range(64):
        try:
            prctl(_PR_CAPBSET_DROP, capability, "PR_CAPBSET_DROP")
        except OSError:
            return


# -- mounts -----------------------------------------------------------------------------------------


def mount_tmpfs(path: str, options: str) -> None:
    """Mount an empty memory file system that runs no file and has no devices."""
    flags = MS_NOSUID | MS_NODEV | MS_NOEXEC
    _check(
        _libc.mount(b"tmpfs", path.encode(), b"tmpfs", ctypes.c_ulong(flags), options.encode()),
        f"mount {path}",
    )


def make_mounts_private() -> None:
    """Keep what this mount namespace does from reaching any other."""
    _check(
        _libc.mount(None, b"/", None, ctypes.c_ulong(_MS_REC | _MS_PRIVATE), None), "mount --make-rprivate /"
    )


def take_tree(path: str) -> int:
    """Return a descriptor of a detached, read-only copy of what is mounted at ``path`` (Linux 5.12)."""
    clone, cloexec, recursive, empty, here = 1, os.O_CLOEXEC, 0x8000, 0x1000, -100
    fd = _call("open_tree", here, path.encode(), ctypes.c_uint(clone | cloexec | recursive))
    read_only, nosuid = 1, 2
    attributes = struct.pack("=4Q", read_only | nosuid, 0, 0, 0)
    _call(
        "mount_setattr",
        fd,
        b"",
        ctypes.c_uint(empty | recursive),
        attributes,
        ctypes.c_size_t(len(attributes)),
    )
    return fd


def place_tree(fd: int, path: str) -> None:
    """Mount a tree taken with :func:`take_tree` at ``path`` and close it."""
    _call("move_mount", fd, b"", -100, path.encode(), ctypes.c_uint(4))
    os.close(fd)


def make_read_only(path: str) -> None:
    """Make what is mounted at ``path`` itself (nothing below it) read-only."""
    attributes = struct.pack("=4Q", 1, 0, 0, 0)
    _call(
        "mount_setattr", -100, path.encode(), ctypes.c_uint(0), attributes, ctypes.c_size_t(len(attributes))
    )


def change_root(path: str) -> None:
    """Make ``path``, a mount point, the root, and let go of the old one."""
    os.chdir(path)
    _call("pivot_root", b".", b".")
    _check(_libc.umount2(b".", _MNT_DETACH), "umount of the old root")
    os.chdir("/")


def set_hostname(name: str) -> None:
    """Name the machine, as seen in this UTS namespace."""
    _check(_libc.sethostname(name.encode(), ctypes.c_size_t(len(name))), "sethostname")


# -- Landlock ---------------------------------------------------------------------------------------

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_MAKE_CHAR, _MAKE_SOCK, _MAKE_FIFO, _MAKE_BLOCK = 1 << 6, 1 << 9, 1 << 10, 1 << 11
_FILE_RIGHTS = _EXECUTE | _WRITE_FILE | _READ_FILE | 1 << 14 | 1 << 15


def landlock_abi() -> int:
    """Return the kernel's Landlock version, 0 when it has none or it is switched off."""
    try:
        return _call("landlock_create_ruleset", None, ctypes.c_size_t(0), ctypes.c_uint(1))
    except OSError:
        return 0


class Landlock:
    """A rule set under which nothing in the file system may be touched but what is allowed here.

    It also refuses TCP, and (from version 6) signals and abstract sockets that lead out of the domain.
    """

    def __init__(self, abi: int) -> None:
        self._all = (1 << {1: 13, 2: 14, 3: 15, 4: 15}.get(abi, 16)) - 1
        network = 3 if abi >= 4 else 0
        scope = 3 if abi >= 6 else 0
        attributes = struct.pack("=3Q", self._all, network, scope)
        size = 8 if abi < 4 else 16 if abi < 6 else 24
        self._fd = _call("landlock_create_ruleset", attributes, ctypes.c_size_t(size), ctypes.c_uint(0))

    def _allow(self, path: str, rights: int) -> None:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            if not stat.S_ISDIR(os.fstat(fd).st_mode):
                rights &= _FILE_RIGHTS
            rule = struct.pack("=Qi", rights & self._all, fd)
            _call("landlock_add_rule", self._fd, ctypes.c_int(1), rule, ctypes.c_uint(0))
        finally:
            os.close(fd)

    def allow_reading(self, path: str) -> None:
        """Allow to read, list and execute ``path`` and everything below."""
        self._allow(path, _EXECUTE | _READ_FILE | _READ_DIR)

    def allow_device(self, path: str) -> None:
        """Allow to read and write one device node."""
        self._allow(path, _READ_FILE | _WRITE_FILE)

    def allow_writing(self, path: str) -> None:
        """Allow everything below ``path`` but to make devices, sockets and fifos."""
        self._allow(path, self._all & ~(_MAKE_CHAR | _MAKE_BLOCK | _MAKE_SOCK | _MAKE_FIFO))

    def enforce(self) -> None:
        """Put this process, and all it will start, under the rules, for good."""
        _call("landlock_restrict_self", self._fd, ctypes.c_uint(0))

    def close(self) -> None:
        """Free the rule set; processes that are under it stay so."""
        os.close(self._fd)


# -- seccomp ----------------------------------------------------------------------------------------

# Numbers on x86_64 and aarch64, "-" where the call does not exist.
_TABLE = """
read:0:63 write:1:64 close:3:57 fstat:5:80 poll:7:- lseek:8:62 mmap:9:222 mprotect:10:226 munmap:11:215
brk:12:214 rt_sigaction:13:134 rt_sigprocmask:14:135 rt_sigreturn:15:139 pread64:17:67 pwrite64:18:68
readv:19:65 writev:20:66 preadv:295:69 pwritev:296:70 preadv2:327:286 pwritev2:328:287 access:21:-
pipe:22:- pipe2:293:59 select:23:- sched_yield:24:124 mremap:25:216 msync:26:227 mincore:27:232
madvise:28:233 dup:32:23 dup2:33:- dup3:292:24 pause:34:- nanosleep:35:101 getitimer:36:102
setitimer:38:103 alarm:37:- getpid:39:172 sendfile:40:71 sendto:44:206 recvfrom:45:207 sendmsg:46:211
recvmsg:47:212 shutdown:48:210 getsockname:51:204 getpeername:52:205 getsockopt:55:209 setsockopt:54:208
exit:60:93 exit_group:231:94 wait4:61:260 waitid:247:95 uname:63:160 flock:73:32 fsync:74:82
fdatasync:75:83 getdents:78:- getdents64:217:61 getcwd:79:17 chdir:80:49 fchdir:81:50 readlink:89:-
readlinkat:267:78 umask:95:166 gettimeofday:96:169 getrlimit:97:163 getrusage:98:165 sysinfo:99:179
times:100:153 getuid:102:174 getgid:104:176 geteuid:107:175 getegid:108:177 getppid:110:173
getpgrp:111:- setsid:112:157 setpgid:109:154 getgroups:115:158 getresuid:118:148 getresgid:120:150
getpgid:121:155 getsid:124:156 capget:125:90 rt_sigpending:127:136 rt_sigtimedwait:128:137
rt_sigsuspend:130:133 sigaltstack:131:132 statfs:137:43 fstatfs:138:44 getpriority:140:141
gettid:186:178 futex:202:98 sched_getaffinity:204:123 sched_getparam:143:121 sched_getscheduler:145:120
sched_get_priority_max:146:125 sched_get_priority_min:147:126 set_tid_address:218:96
restart_syscall:219:128 fadvise64:221:223 clock_gettime:228:113 clock_getres:229:114
clock_nanosleep:230:115 time:201:- tgkill:234:131 tkill:200:130 kill:62:129 openat:257:56 open:2:-
stat:4:- lstat:6:- newfstatat:262:79 statx:332:291 faccessat:269:48 faccessat2:439:439 pselect6:270:72
ppoll:271:73 set_robust_list:273:99 get_robust_list:274:100 epoll_create:213:- epoll_create1:291:20
epoll_ctl:233:21 epoll_wait:232:- epoll_pwait:281:22 epoll_pwait2:441:441 eventfd:284:- eventfd2:290:19
fallocate:285:47 getcpu:309:168 getrandom:318:278 membarrier:324:283 copy_file_range:326:285
rseq:334:293 close_range:436:436 arch_prctl:158:- getxattr:191:8 lgetxattr:192:9 fgetxattr:193:10
listxattr:194:11 llistxattr:195:12 flistxattr:196:13 creat:85:- mkdir:83:- mkdirat:258:34 rmdir:84:-
rename:82:- renameat:264:38 renameat2:316:276 link:86:- linkat:265:37 symlink:88:- symlinkat:266:36
unlink:87:- unlinkat:263:35 truncate:76:45 ftruncate:77:46 chmod:90:- fchmod:91:52 fchmodat:268:53
fchmodat2:452:452 utime:132:- utimes:235:- utimensat:280:88 futimesat:261:- clone:56:220 fork:57:-
vfork:58:- execve:59:221 execveat:322:281 prctl:157:167 ioctl:16:29 fcntl:72:25 socketpair:53:199
prlimit64:302:261 clone3:435:435 open_tree:428:428 move_mount:429:429 mount_setattr:442:442
pivot_root:155:41 seccomp:317:277 landlock_create_ruleset:444:444 landlock_add_rule:445:445
landlock_restrict_self:446:446
"""
_MACHINES = {"x86_64": (1, 0xC000003E), "aarch64": (2, 0xC00000B7)}
_MACHINE = platform.machine() if platform.machine() in _MACHINES and sys.maxsize > 1 << 32 else None
_NUMBERS: dict[str, int] = {
    row[0]: int(row[_MACHINES[_MACHINE][0]])
    for row in (entry.split(":") for entry in _TABLE.split())
    if _MACHINE and row[_MACHINES[_MACHINE][0]] != "-"
}

_NEVER = {
    "clone3", "open_tree", "move_mount", "mount_setattr", "pivot_root", "seccomp",
    "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self",
}  # fmt: skip
_STARTING = {"fork", "vfork", "execve", "execveat"}
_SIGNALLING = {"kill", "tkill", "tgkill"}
# Landlock knows nothing of these, or older versions do not: they go where no folder is the program's own.
_CHANGING = {
    "chmod", "fchmod", "fchmodat", "fchmodat2", "utime", "utimes", "utimensat", "futimesat", "truncate",
    "creat", "mkdir", "mkdirat", "rmdir", "rename", "renameat", "renameat2", "link", "linkat", "symlink",
    "symlinkat", "unlink", "unlinkat",
}  # fmt: skip

_KILL, _ALLOW, _ERRNO = 0x80000000, 0x7FFF0000, 0x50000
_EPERM, _ENOSYS = _ERRNO | 1, _ERRNO | 38
_Code = list[tuple[int, int, int, int]]


def _load(offset: int) -> tuple[int, int, int, int]:
    return (0x20, 0, 0, offset)


def _return(action: int) -> _Code:
    return [(0x06, 0, 0, action)]


@dataclass(frozen=True)
class _Rule:
    """Compares the low 32 bits of an argument, under a mask, with values; one being equal gives ``found``."""

    argument: int
    values: tuple[int, ...]
    mask: int = 0xFFFFFFFF
    found: int = _ALLOW
    other: int = _EPERM

    def code(self) -> _Code:
        low = 16 + 8 * self.argument + (4 if sys.byteorder == "big" else 0)
        code = [_load(low), (0x54, 0, 0, self.mask)]
        count = len(self.values)
        code += [(0x15, count - index, 0, value) for index, value in enumerate(self.values)]
        return code + _return(self.other) + _return(self.found)


def _rules(*, processes: bool) -> dict[str, _Rule]:
    thread = _Rule(0, (_CLONE_THREAD,), mask=_CLONE_THREAD | _CLONE_PARENT | _CLONE_PTRACE | _NAMESPACES)
    process = _Rule(0, (0,), mask=_CLONE_PARENT | _CLONE_PTRACE | _NAMESPACES)
    return {
        "clone": process if processes else thread,
        # Set and get the name, get three flags, name a mapping.
        "prctl": _Rule(0, (15, 16, 3, 39, 23, 0x53564D41)),
        # Terminal questions (answered by ENOTTY), close-on-exec, non-blocking, bytes waiting.
        "ioctl": _Rule(1, (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)),
        # All but owners and signals of files, leases, notifications and bigger pipes.
        "fcntl": _Rule(1, (8, 10, 15, 1024, 1026, 1031), found=_EPERM, other=_ALLOW),
        "prlimit64": _Rule(0, (0,)),
    }


def _socketpair() -> _Code:
    """Allow AF_UNIX stream pairs only: a datagram socket could be pointed at any other socket."""
    stream = _Rule(1, (1,), mask=0xF).code()
    return [_load(16), (0x15, 0, len(stream), 1), *stream, *_return(_EPERM)]


def _tree(leaves: list[tuple[int, _Code]]) -> _Code:
    """Return a binary search over sorted ``(first number, code)``; a leaf holds up to the next one's number.

    A balanced tree, because the kernel walks the filter once for every number when it is installed.
    """
    if len(leaves) == 1:
        return leaves[0][1]
    middle = len(leaves) // 2
    low, high = _tree(leaves[:middle]), _tree(leaves[middle:])
    if len(low) <= 255:
        return [(0x35, len(low), 0, leaves[middle][0]), *low, *high]
    return [(0x35, 0, 1, leaves[middle][0]), (0x05, 0, 0, len(low)), *low, *high]


def _leaves(special: Mapping[int, _Code], allowed: Iterable[int]) -> list[tuple[int, _Code]]:
    allow, refuse = _return(_ALLOW), _return(_ENOSYS)
    codes = dict.fromkeys(allowed, allow) | dict(special)
    leaves: list[tuple[int, _Code]] = [(0, codes.get(0, refuse))]
    for number in range(1, max(codes) + 2):
        code = codes.get(number, refuse)
        if code is not leaves[-1][1]:
            leaves.append((number, code))
    return leaves


def system_call_filter(*, processes: bool, changes: bool, signals: bool) -> bytes:
    """Return a seccomp program that allows what a Python program needs and nothing else.

    A call that is not on the list answers ENOSYS, as an old kernel would; one with a refused argument EPERM;
    a call of another architecture kills.

    Args:
        processes: Whether fork and exec are allowed; threads are in any case.
        changes: Whether calls that change folders and attributes of files are allowed.
        signals: Whether ``kill`` is allowed (a namespace or Landlock must then hold it in).

    Raises:
        OSError: The machine's architecture is not known.

    """
    if _MACHINE is None:
        raise OSError(f"no list of system calls for {platform.machine()}, only for {', '.join(_MACHINES)}")
    names = set(_NUMBERS) - _NEVER
    refused = set()
    for wanted, group in ((processes, _STARTING), (changes, _CHANGING), (signals, _SIGNALLING)):
        refused |= set() if wanted else group
    special = {_NUMBERS[name]: rule.code() for name, rule in _rules(processes=processes).items()}
    special[_NUMBERS["socketpair"]] = _socketpair()
    refusal = _return(_EPERM)
    special |= {_NUMBERS[name]: refusal for name in refused & names}
    tree = _tree(_leaves(special, {_NUMBERS[name] for name in names}))
    head: _Code = [_load(4), (0x15, 1, 0, _MACHINES[_MACHINE][1]), *_return(_KILL), _load(0)]
    head += [(0x35, 0, 1, 0x40000000), *_return(_ENOSYS)]  # the x32 numbers of x86_64
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in head + tree)


class Filter:
    """A seccomp program, ready to be installed."""

    def __init__(self, program: bytes) -> None:
        self._program = ctypes.create_string_buffer(program, len(program))
        self._header = struct.pack("@HP", len(program) // 8, ctypes.addressof(self._program))

    def install(self) -> None:
        """Put this process, and all it will start, under the program, for good."""
        _check(_libc.prctl(_PR_SET_SECCOMP, _TWO, self._header, _ZERO, _ZERO), "PR_SET_SECCOMP")


def install_filter(program: bytes) -> None:
    """Put this process, and all it will start, under a seccomp program, for good."""
    Filter(program).install()
