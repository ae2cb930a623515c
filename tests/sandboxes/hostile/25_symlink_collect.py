# NAME: symlink_collect
# KIND: script
# DOES: leaves symlinks, hard links, fifos and a device in place of result files, for a collector that follows them
# MUST: the host collects regular files only and never follows a link
# EXPECT: escaped=no; collect=result.txt,out.json,fifo
# BARE: yes
import os

for src, dst in (
    ("/tmp/adas_canary.txt", "result.txt"),
    ("/etc/shadow", "out.json"),
    ("/proc/self/environ", "log.txt"),
    ("/", "rootdir"),
):
    try:
        os.symlink(src, dst)
    except OSError as e:
        print(e)
for f in (lambda: os.mkfifo("fifo"), lambda: os.link("/etc/passwd", "hard")):
    try:
        f()
    except OSError:
        pass
try:
    os.mknod("dev", 0o20666, os.makedev(1, 1))
    open("dev", "rb").read(1)
    print("ESCAPED device node")
except OSError:
    pass
