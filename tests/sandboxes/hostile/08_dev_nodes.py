# NAME: dev_nodes
# KIND: script
# DOES: opens /dev/mem, disks, kvm, tty, fuse, vsock, kmsg
# MUST: only null zero full random urandom exist
# EXPECT: escaped=no
# BARE: yes
import os

for n in (
    "mem",
    "kmem",
    "port",
    "kmsg",
    "kvm",
    "fuse",
    "vsock",
    "vda",
    "sda",
    "nvme0n1",
    "tty",
    "ptmx",
    "console",
    "net/tun",
    "loop0",
    "loop-control",
    "userfaultfd",
    "nvidiactl",
    "mapper/control",
):
    for fl in (os.O_RDWR, os.O_RDONLY):
        try:
            os.close(os.open("/dev/" + n, fl))
            print("ESCAPED /dev/" + n)
            break
        except OSError:
            pass
