# NAME: hostname_leak
# KIND: script
# DOES: reads the host name, boot id, machine id
# MUST: sees only fixed values
# EXPECT: escaped=no
# BARE: yes
import os, socket

n = os.uname().nodename
if n not in ("sandbox", "localhost", "", "NSJAIL", "isolate", "gvisor"):
    print("ESCAPED nodename", n)
for p in ("/etc/hostname", "/proc/sys/kernel/random/boot_id", "/var/lib/dbus/machine-id"):
    try:
        print("ESCAPED", p, open(p).read(8))
    except OSError:
        pass
