# NAME: sparse_file
# KIND: script
# DOES: makes files of a terabyte without writing them: truncate, fallocate, copy_file_range, holes
# MUST: bounded by the file limit
import os

try:
    file = open("big", "wb")
except OSError:
    raise SystemExit(0)
if True:
    for act in (
        lambda: file.truncate(1 << 40),
        lambda: os.posix_fallocate(file.fileno(), 0, 1 << 34),
        lambda: os.pwrite(file.fileno(), b"x", 1 << 40),
    ):
        try:
            act()
            print("ESCAPED")
        except OSError:
            pass
