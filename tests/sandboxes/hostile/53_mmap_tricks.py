# NAME: mmap_tricks
# KIND: script
# DOES: MAP_NORESERVE, MAP_SHARED anonymous, mlockall
# MUST: limited
# EXPECT: escaped=no
# BARE: no
import ctypes, mmap

l = ctypes.CDLL(None, use_errno=True)
l.mmap.restype = ctypes.c_void_p
for fl in (0x4022, 0x21, 0x4021):
    p = l.mmap(None, ctypes.c_size_t(1 << 36), 3, fl, -1, ctypes.c_long(0))
    if p not in (None, 2**64 - 1):
        print("ESCAPED mmap 64 GiB", hex(fl))
if l.mlockall(3) == 0:
    print("ESCAPED mlockall")
