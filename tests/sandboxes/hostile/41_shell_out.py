# NAME: shell_out
# KIND: script
# DOES: starts a shell and other programs
# MUST: execve denied, or runs inside the same walls
# EXPECT: escaped=no
# BARE: yes
import os, subprocess, sys

for cmd in (
    ["/bin/sh", "-c", "cat /tmp/adas_canary.txt; id"],
    ["/usr/bin/env"],
    [sys.executable or "python3", "-c", 'print(open("/tmp/adas_canary.txt").read())'],
):
    try:
        o = subprocess.run(cmd, capture_output=True, timeout=5).stdout
        if b"ADASCANARY" in o:
            print("ESCAPED through", cmd[0])
    except Exception:
        pass
