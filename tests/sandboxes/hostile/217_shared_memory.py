# NAME: shared_memory
# KIND: script
# DOES: memory that no address space limit counts: memfd, SysV segments, POSIX queues and shared memory, huge pages
# MUST: denied or bounded
import ctypes
import mmap

l = ctypes.CDLL(None, use_errno=True)
l.mmap.restype = ctypes.c_long
total = 0
for _ in range(64):
    fd = l.syscall(319, b"x", 0)
    if fd >= 0:
        print("ESCAPED memfd")
        break
    segment = l.syscall(29, 0, 16 << 20, 0o1600)
    if segment >= 0:
        print("ESCAPED shm")
        break
try:
    from multiprocessing import shared_memory

    shared_memory.SharedMemory(create=True, size=64 << 20)
    print("ESCAPED shared memory")
except OSError:
    pass
blocks = []
try:
    for _ in range(64):
        block = mmap.mmap(-1, 16 << 20, mmap.MAP_SHARED)
        block.write(b"x" * (16 << 20))
        blocks.append(block)
        total += 16
except (OSError, MemoryError, ValueError):
    pass
if total > 512:
    print("ESCAPED MiB", total)
del blocks[:]
