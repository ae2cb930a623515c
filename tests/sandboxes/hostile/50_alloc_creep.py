# NAME: alloc_creep
# KIND: script
# DOES: grows by 8 MiB steps and touches each page
# MUST: stopped near the limit
# EXPECT: escaped=no
# BARE: no
a = []
try:
    for i in range(512):
        a.append(bytearray(8 << 20))
except MemoryError:
    pass
n = len(a) * 8
a = None
if n > 2048:
    print("ESCAPED MiB", n)
