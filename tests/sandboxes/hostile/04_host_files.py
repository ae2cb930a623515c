# NAME: host_files
# KIND: script
# DOES: reads /etc/shadow, home directories and the canary file
# MUST: none can be opened
# EXPECT: escaped=no
# BARE: yes
import os, glob

for p in [
    "/etc/shadow",
    "/root/.bashrc",
    "/root/.ssh/id_rsa",
    "/tmp/adas_canary.txt",
    "/var/log",
    "/proc/1/root/etc/shadow",
    "/proc/self/root/../tmp/adas_canary.txt",
    "/etc/machine-id",
] + glob.glob("/home/*"):
    try:
        if os.path.isdir(p):
            os.listdir(p)
        else:
            open(p, "rb").read(10)
        print("ESCAPED read", p)
    except OSError:
        pass
