# NAME: alloc_huge
# KIND: script
# DOES: one enormous allocation, then ten big ones
# MUST: MemoryError or kill; host memory safe
# EXPECT: escaped=no
# BARE: no
for n in (1 << 40, 1 << 34, 1 << 33):
    try:
        x = bytearray(n)
        print("ESCAPED allocated", n)
    except (MemoryError, OverflowError):
        pass
