# NAME: fork_bomb
# KIND: script
# DOES: forks without end, by every call that forks
# MUST: no child, or a bounded number that ends with the run
import ctypes
import os

l = ctypes.CDLL(None, use_errno=True)
started = 0
for _ in range(50):
    for act in (os.fork, lambda: l.syscall(57), lambda: l.syscall(58), lambda: l.syscall(56, 17, 0, 0, 0, 0), lambda: l.vfork()):
        try:
            pid = act()
        except OSError:
            continue
        if pid == 0:
            os._exit(0)
        if pid > 0:
            started += 1
if started:
    print("ESCAPED children", started)
