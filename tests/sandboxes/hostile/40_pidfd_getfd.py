# NAME: pidfd_getfd
# KIND: script
# DOES: pidfd_open + pidfd_getfd to take descriptors of the parent
# MUST: denied
# EXPECT: escaped=no
# BARE: yes
import ctypes, os

l = ctypes.CDLL(None, use_errno=True)
for p in {os.getppid(), 1} - {0, os.getpid()}:
    fd = l.syscall(434, p, 0)
    if fd < 0:
        continue
    for t in range(0, 32):
        g = l.syscall(438, fd, t, 0)
        if g >= 0:
            print("ESCAPED took fd", t, "of", p)
            break
