# NAME: loosen_filter
# KIND: script
# DOES: installs a seccomp filter or listener of its own, strict mode, speculation and dumpable settings, new Landlock rules
# MUST: nothing becomes looser
import ctypes
import struct

l = ctypes.CDLL(None, use_errno=True)
allow = ctypes.create_string_buffer(struct.pack("=HBBI", 6, 0, 0, 0x7FFF0000))
program = struct.pack("@HP", 1, ctypes.addressof(allow))
l.syscall(317, 1, 0, program)
l.prctl(22, 2, program, 0, 0)
if l.syscall(317, 1, 8, program) >= 0:
    print("ESCAPED listener")
if l.prctl(38, 0, 0, 0, 0) == 0:
    print("ESCAPED no_new_privs off")
for option in (4, 8, 24, 26, 28, 36, 47, 53, 62):
    if l.prctl(option, 1, 1, 0, 0) == 0:
        print("ESCAPED prctl", option)
if l.syscall(41, 2, 1, 0) >= 0:
    print("ESCAPED socket after all")
