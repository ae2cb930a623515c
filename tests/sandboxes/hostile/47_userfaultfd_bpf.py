# NAME: userfaultfd_bpf
# KIND: script
# DOES: asks for bpf, perf_event_open, userfaultfd, kexec, modules, quotas
# MUST: all denied
# EXPECT: escaped=no
# BARE: no
import ctypes

l = ctypes.CDLL(None, use_errno=True)
pe = ctypes.create_string_buffer(b"\x01\0\0\0\x70", 128)
for nm, nr, a in (
    ("bpf", 321, (0, ctypes.create_string_buffer(128), 128)),
    ("perf", 298, (pe, 0, -1, -1, 0)),
    ("userfaultfd", 323, (1,)),
    ("init_module", 175, (0, 0, b"")),
    ("kexec", 246, (0, 0, 0, 0)),
    ("acct", 163, (0,)),
    ("swapon", 167, (b"/x", 0)),
    ("reboot", 169, (0xFEE1DEAD, 672274793, 0, 0)),
    ("sethostname", 170, (b"evil", 4)),
    ("settimeofday", 164, (0, 0)),
    ("personality", 135, (0x0040000,)),
    ("io_setup", 206, (8, ctypes.create_string_buffer(8))),
    ("fanotify", 300, (0, 0)),
    (
        "name_to_handle",
        303,
        (-100, b"/", ctypes.create_string_buffer(b"\x80", 160), ctypes.create_string_buffer(4), 0),
    ),
):
    if nm in ("settimeofday",):
        continue
    if l.syscall(nr, *a) >= 0:
        print("ESCAPED", nm)
