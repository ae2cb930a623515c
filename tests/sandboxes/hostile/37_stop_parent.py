# NAME: stop_parent
# KIND: script
# DOES: SIGSTOP and SIGCONT to the supervisor to defeat its clock
# MUST: supervisor not stopped; the wall limit holds
# EXPECT: escaped=no; verdict=timeout
# BARE: no
import os, signal, time

while True:
    for p in {os.getppid(), 1}:
        try:
            os.kill(p, signal.SIGSTOP)
        except OSError:
            pass
    time.sleep(0.01)
