# NAME: dotdot_paths
# KIND: script
# DOES: climbs with .. , /proc/self/cwd, /proc/self/root and dir fds
# MUST: never reaches the host root
# EXPECT: escaped=no
# BARE: yes
import os

for p in [
    "../" * 40 + "tmp/adas_canary.txt",
    "/proc/self/cwd/" + "../" * 20 + "tmp/adas_canary.txt",
    "/proc/self/root/tmp/adas_canary.txt",
    "/.old/tmp/adas_canary.txt",
    "/oldroot/tmp/adas_canary.txt",
]:
    try:
        print("ESCAPED", p, open(p).read(20))
    except OSError:
        pass
for fd in range(3, 256):
    for rel in ("tmp/adas_canary.txt", "adas_canary.txt", "../tmp/adas_canary.txt"):
        try:
            f = os.open(rel, os.O_RDONLY, dir_fd=fd)
            print("ESCAPED via dir fd", fd)
            os.close(f)
        except OSError:
            pass
