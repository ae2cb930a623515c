# NAME: keyring
# KIND: script
# DOES: reads kernel key rings through keyctl(2)
# MUST: denied
# EXPECT: escaped=no
# BARE: yes
import ctypes

l = ctypes.CDLL(None, use_errno=True)
for ring in (-3, -4, -5):
    if l.syscall(250, 0, ring, 0, 0, 0) > 0:
        print("ESCAPED keyctl ring", ring)
if l.syscall(248, b"user", b"adask", b"x", 1, -3) > 0:
    print("ESCAPED add_key")
