# NAME: kill_by_number
# KIND: script
# DOES: signals pid 1, its parent, its group, its session, real-time signals by tgkill and rt_sigqueueinfo
# MUST: at most itself
import ctypes
import os
import signal

l = ctypes.CDLL(None, use_errno=True)
for number in signal.valid_signals():
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
me, others = os.getpid(), [os.getppid(), 2, 3, 100]
for pid in others:
    if pid in (0, me):
        continue
    for number in (0, signal.SIGTERM, signal.SIGSTOP, signal.SIGKILL, signal.SIGRTMIN):
        try:
            os.kill(pid, number)
            print("ESCAPED kill", pid, number)
        except OSError:
            pass
        if l.syscall(234, pid, pid, int(number)) == 0:
            print("ESCAPED tgkill", pid)
        if l.syscall(129, pid, int(number), bytes(128)) == 0:
            print("ESCAPED rt_sigqueueinfo", pid)
    try:
        os.pidfd_open(pid)
        print("ESCAPED pidfd", pid)
    except OSError:
        pass
