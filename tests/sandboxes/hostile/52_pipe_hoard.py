# NAME: pipe_hoard
# KIND: script
# DOES: kernel memory through many full pipes and socket pairs
# MUST: bounded by RLIMIT_NOFILE and the pipe limits
# EXPECT: escaped=no
# BARE: no
import os, fcntl, socket

tot = 0
keep = []
try:
    while tot < 1 << 30:
        r, w = os.pipe()
        keep += [r, w]
        try:
            fcntl.fcntl(w, 1031, 1 << 20)
        except OSError:
            pass
        os.set_blocking(w, False)
        try:
            while True:
                tot += os.write(w, b"x" * 65536)
        except BlockingIOError:
            pass
except OSError:
    pass
if tot > 256 << 20:
    print("ESCAPED MiB", tot >> 20)
