# NAME: one_line
# KIND: script
# DOES: prints one line of many megabytes without a newline, on both streams, and through raw descriptors
# MUST: cut; bounded on the host
import os
import sys

for _ in range(4):
    sys.stdout.write("o" * (1 << 20))
    sys.stderr.write("e" * (1 << 20))
    os.write(1, b"r" * (1 << 20))
    os.write(2, b"\r\x1b]0;title\x07" * 1000)
