# NAME: fill_disk
# KIND: script
# DOES: writes without end
# MUST: stopped by the size limit (ENOSPC, EFBIG or kill), host disk unharmed
# EXPECT: escaped=no
# BARE: no
n = 0
try:
    for i in range(64):
        with open(f"f{i}", "wb") as f:
            for _ in range(16):
                n += f.write(b"x" * (1 << 20))
except OSError:
    pass
if n > 256 << 20:
    print("ESCAPED wrote", n)
