# NAME: process_vm
# KIND: script
# DOES: process_vm_readv and writev, kcmp, process_madvise, migrate_pages on other processes
# MUST: denied
import ctypes
import os

l = ctypes.CDLL(None, use_errno=True)
buffer = ctypes.create_string_buffer(64)
vector = (ctypes.c_void_p * 2)(ctypes.addressof(buffer), 64)
for pid in {os.getppid(), 1, 2, 3} - {os.getpid(), 0}:
    for name, number in (("readv", 310), ("writev", 311)):
        if l.syscall(number, pid, vector, 1, vector, 1, 0) > 0:
            print("ESCAPED", name, pid)
    if l.syscall(312, os.getpid(), pid, 0, 0, 0) >= 0:
        print("ESCAPED kcmp", pid)
    if l.syscall(256, pid, 8, vector, vector) >= 0:
        print("ESCAPED migrate_pages", pid)
    if l.syscall(302, pid, 7, None, vector) == 0:
        print("ESCAPED prlimit", pid)
