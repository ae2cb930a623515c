# NAME: old_calls
# KIND: script
# DOES: calls that few remember: personality, modify_ldt, iopl, ioperm, uselib, sysfs, ustat, vhangup, nfsservctl, lookup_dcookie
# MUST: denied
import ctypes

l = ctypes.CDLL(None, use_errno=True)
for name, number, arguments in (
    ("personality", 135, (0x0040000,)), ("modify_ldt", 154, (0, None, 0)), ("iopl", 172, (3,)), ("ioperm", 173, (0, 1, 1)),
    ("uselib", 134, (b"x",)), ("sysfs", 139, (3,)), ("ustat", 136, (1, bytes(64))), ("vhangup", 153, ()),
    ("syslog", 103, (3, bytes(64), 64)), ("sethostname", 170, (b"x", 1)), ("setdomainname", 171, (b"x", 1)),
    ("settimeofday", 164, (None, None)), ("clock_settime", 227, (0, bytes(16))), ("adjtimex", 159, (bytes(256),)),
    ("reboot", 169, (0xFEE1DEAD, 672274793, 0, None)), ("quotactl", 179, (0, None, 0, None)), ("inotify", 294, (0,)),
    ("fanotify", 300, (0, 0)), ("vmsplice", 278, (1, None, 0, 0)), ("remap_file_pages", 216, (0, 0, 0, 0, 0)),
    ("mbind", 237, (0, 0, 0, 0, 0, 0)), ("add_key", 248, (b"user", b"x", b"y", 1, -3)), ("io_setup", 206, (1, bytes(8))),
    ("signalfd", 289, (-1, bytes(8), 8, 0)), ("timer_create", 222, (0, None, bytes(8))), ("mq_open", 240, (b"x", 66, 384, None)),
    ("shmget", 29, (0, 4096, 0o1600)), ("semget", 64, (0, 1, 0o1600)), ("msgget", 68, (0, 0o1600)), ("memfd_secret", 447, (0,)),
    ("ptrace", 101, (0, 0, 0, 0)), ("rseq slice", 471, (0,)), ("map_shadow_stack", 453, (0, 4096, 0)),
    ("cachestat", 451, (0, bytes(16), bytes(64), 0)), ("lsm_set_self_attr", 460, (100, bytes(64), 64, 0)),
):  # fmt: skip
    if l.syscall(number, *arguments) >= 0:
        print("ESCAPED", name)
