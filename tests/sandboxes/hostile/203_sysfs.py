# NAME: sysfs
# KIND: script
# DOES: reads the machine's hardware, control groups, kernel settings and mounts
# MUST: none can be opened
import os

for path in ("/sys", "/sys/class/net", "/sys/fs/cgroup", "/sys/kernel/security", "/proc/sys/kernel/hostname", "/proc/mounts",
             "/proc/self/mountinfo", "/proc/self/cgroup", "/proc/net/tcp", "/proc/cpuinfo", "/proc/kallsyms", "/proc/keys",
             "/etc/passwd", "/etc/resolv.conf", "/etc/hosts", "/run", "/var/run/secrets", "/boot"):
    try:
        print("ESCAPED", path, os.listdir(path) if os.path.isdir(path) else open(path, "rb").read(9))
    except OSError:
        pass
