# NAME: inode_flood
# KIND: script
# DOES: creates very many files
# MUST: stopped by an inode limit
# EXPECT: escaped=no
# BARE: no
import os

n = 0
try:
    os.mkdir("d")
    for i in range(200000):
        os.close(os.open(f"d/{i}", os.O_CREAT | os.O_WRONLY))
        n += 1
except OSError:
    pass
if n >= 100000:
    print("ESCAPED files", n)
