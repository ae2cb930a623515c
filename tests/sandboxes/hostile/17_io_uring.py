# NAME: io_uring
# KIND: script
# DOES: sets up an io_uring (its operations are not seen by seccomp)
# MUST: io_uring_setup denied
# EXPECT: escaped=no
# BARE: yes
import ctypes

l = ctypes.CDLL(None, use_errno=True)
if l.syscall(425, 4, ctypes.create_string_buffer(256)) >= 0:
    print("ESCAPED io_uring")
