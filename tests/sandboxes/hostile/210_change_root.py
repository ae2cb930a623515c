# NAME: change_root
# KIND: script
# DOES: chroot, pivot_root, setns on every descriptor, fsopen, open_tree, open_by_handle_at, name_to_handle_at
# MUST: denied
import ctypes
import os

l = ctypes.CDLL(None, use_errno=True)
for name, call in (
    ("chroot", lambda: l.chroot(b".")),
    ("pivot_root", lambda: l.syscall(155, b".", b".")),
    ("setns", lambda: min(l.setns(fd, 0) for fd in range(10))),
    ("open_tree", lambda: l.syscall(428, -100, b"/", 1)),
    ("move_mount", lambda: l.syscall(429, 3, b"", -100, b"/", 4)),
    ("fsopen", lambda: l.syscall(430, b"tmpfs", 0)),
    ("fsmount", lambda: l.syscall(432, 3, 0, 0)),
    ("open_by_handle_at", lambda: l.syscall(304, -100, bytes([8, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]), 0)),
    ("name_to_handle_at", lambda: l.syscall(303, -100, b"/", bytes(140), bytes(4), 0)),
    ("umount", lambda: l.umount2(b"/", 2)),
    ("mount", lambda: l.mount(b"none", b"/box", b"proc", 0, None)),
    ("swapon", lambda: l.swapon(b"x", 0)),
    ("acct", lambda: l.acct(None)),
):
    try:
        if call() >= 0:
            print("ESCAPED", name)
    except (OSError, ValueError):
        pass
