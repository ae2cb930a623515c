# NAME: forge_shm
# KIND: cheat
# DOES: writes through inherited descriptors of shared-memory files (multiprocessing arenas) where the harness keeps its verdict
# MUST: verdict is not "passed"
# EXPECT: verdict!=passed
# BARE: yes
import os, stat, struct


def add(a, b):
    for fd in range(3, 64):
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                continue
            os.pwrite(fd, struct.pack("<i", 3), 0)
            os.pwrite(fd, struct.pack("<i", 0), 8)
            os.pwrite(fd, b"\1" * 8, 16)
            print("ESCAPED shared file", fd)
        except OSError:
            pass
    os._exit(0)
