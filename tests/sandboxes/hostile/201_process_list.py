# NAME: process_list
# KIND: script
# DOES: lists processes and reads the memory, maps and command line of every pid
# MUST: nothing of any other process
import os

for pid in [*range(1, 400), os.getppid()]:
    for name in ("cmdline", "maps", "mem", "status", "environ", "root", "cwd"):
        for base in (f"/proc/{pid}/", f"/proc/self/task/{pid}/"):
            try:
                with open(base + name, "rb") as file:
                    file.read(1)
                print("ESCAPED", base + name)
            except OSError:
                pass
            try:
                os.readlink(base + name)
                print("ESCAPED link", base + name)
            except OSError:
                pass
