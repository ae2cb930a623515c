# NAME: daemon
# KIND: script
# DOES: double fork, setsid, closes its descriptors and lives on
# MUST: no process of the run is alive after it
# EXPECT: escaped=no; survivors=0
# BARE: no
import os, time

try:
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for fd in range(0, 64):
                try:
                    os.close(fd)
                except OSError:
                    pass
            time.sleep(120)
        os._exit(0)
except OSError:
    pass
print("parent done")
