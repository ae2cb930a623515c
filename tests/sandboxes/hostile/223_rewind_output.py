# NAME: rewind_output
# KIND: script
# DOES: truncates, seeks and reads back the output that the host keeps, and punches holes into it
# MUST: only its own output, bounded
import fcntl
import mmap
import os

for fd in (1, 2):
    for act in (
        lambda: os.lseek(fd, 1 << 40, os.SEEK_SET),
        lambda: os.write(fd, b"far"),
        lambda: os.ftruncate(fd, 1 << 40),
        lambda: os.lseek(fd, 0, os.SEEK_SET),
        lambda: fcntl.fcntl(fd, 1033, 0xF),
        lambda: mmap.mmap(fd, 4096),
        lambda: os.pread(fd, 100, 0),
    ):
        try:
            act()
        except (OSError, ValueError):
            pass
