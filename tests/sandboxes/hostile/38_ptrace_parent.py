# NAME: ptrace_parent
# KIND: script
# DOES: ptrace attach/seize of the parent and of pid 1
# MUST: ptrace denied
# EXPECT: escaped=no
# BARE: no
import ctypes, os

l = ctypes.CDLL(None, use_errno=True)
for p in {os.getppid(), 1} - {0}:
    for req in (16, 0x4206):
        if l.syscall(101, req, p, 0, 0) == 0:
            print("ESCAPED ptrace", p)
            l.syscall(101, 17, p, 0, 0)
if l.syscall(101, 0, 0, 0, 0) == 0:
    print("ESCAPED traceme")
