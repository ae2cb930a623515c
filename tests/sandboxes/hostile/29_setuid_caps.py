# NAME: setuid_caps
# KIND: script
# DOES: setuid(0), capset, securebits, setuid file
# MUST: no way to more privilege; NoNewPrivs set
# EXPECT: escaped=no
# BARE: yes
import os, ctypes, struct

l = ctypes.CDLL(None, use_errno=True)
if os.getuid() != 0:
    for f in (lambda: os.setuid(0), lambda: os.setresuid(0, 0, 0), lambda: os.setgid(0)):
        try:
            f()
            print("ESCAPED became root")
        except OSError:
            pass
h, d = struct.pack("<Ii", 0x20080522, 0), ctypes.create_string_buffer(24)
if l.syscall(125, h, d) == 0 and any(d.raw):
    print("ESCAPED has capabilities", d.raw.hex())
if l.syscall(126, h, struct.pack("<IIIIII", 0xFFFFFFFF, 0xFFFFFFFF, 0, 0xFFFFFFFF, 0xFFFFFFFF, 0)) == 0:
    print("ESCAPED capset")
try:
    if l.prctl(39, 0, 0, 0, 0) != 1:
        print("ESCAPED no_new_privs is off")
except Exception:
    pass
