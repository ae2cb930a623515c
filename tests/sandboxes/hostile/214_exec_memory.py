# NAME: exec_memory
# KIND: script
# DOES: runs a program out of memory: memfd and execveat, a copied interpreter, a written script, ld.so
# MUST: no exec
import ctypes
import os
import sys

l = ctypes.CDLL(None, use_errno=True)
fd = l.syscall(319, b"x", 0)
if fd >= 0:
    print("ESCAPED memfd")
for act in (
    lambda: os.execve("/lib64/ld-linux-x86-64.so.2", ["ld", sys.executable, "-c", "print('ESCAPED ld')"], {}),
    lambda: os.execve(sys.executable, ["python", "-c", "print('ESCAPED exec')"], {}),
    lambda: os.posix_spawn(sys.executable, ["python", "-c", "print('ESCAPED spawn')"], {}),
):
    try:
        act()
    except OSError:
        pass
try:
    with open("run", "wb") as file:
        file.write(b"#!" + sys.executable.encode() + b"\nprint('ESCAPED script')")
    os.chmod("run", 0o777)
    os.execv("./run", ["run"])
except OSError:
    pass
