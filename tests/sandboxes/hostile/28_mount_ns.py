# NAME: mount_ns
# KIND: script
# DOES: unshare(user, mount, net, pid) by ctypes, then mounts
# MUST: unshare and mount denied
# EXPECT: escaped=no
# BARE: yes
import ctypes

l = ctypes.CDLL(None, use_errno=True)
for f in (0x10000000, 0x10020000, 0x20000, 0x40000000, 0x50000000, 0x02000000):
    if l.unshare(f) == 0:
        print("ESCAPED unshare", hex(f))
        break
if l.mount(b"tmpfs", b"/tmp", b"tmpfs", 0, None) == 0:
    print("ESCAPED mount")
if l.syscall(430, b"tmpfs", 0) >= 0 or l.syscall(428, -100, b"/", 1) >= 0:
    print("ESCAPED new mount api")
