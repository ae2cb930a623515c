# NAME: stdout_flood
# KIND: script
# DOES: prints without end
# MUST: output cut at the limit; bounded memory on the host; ends
# EXPECT: escaped=no
# BARE: no
import sys

try:
    for i in range(1 << 14):
        sys.stdout.write("x" * 65536)
    print("ESCAPED 1 GiB of output was taken")
except OSError:
    pass
