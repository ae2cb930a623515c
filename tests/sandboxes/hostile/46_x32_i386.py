# NAME: x32_i386
# KIND: script
# DOES: calls the kernel through int 0x80 and through x32 numbers, to pass under a 64-bit-only filter
# MUST: killed or ENOSYS
# EXPECT: escaped=no
# BARE: yes
import ctypes, mmap

l = ctypes.CDLL(None, use_errno=True)
r = l.syscall(0x40000000 + 41, 2, 1, 0)  # x32 socket()
if r >= 0:
    print("ESCAPED x32")
code = bytes.fromhex("53b867010000bb02000000b90100000031d2cd805bc3")  # i386 socket(AF_INET, SOCK_STREAM, 0)
try:
    m = mmap.mmap(-1, 4096, prot=7)
except OSError:
    raise SystemExit
m.write(code)
f = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(m)))
if f() >= 0:
    print("ESCAPED i386 socket")
