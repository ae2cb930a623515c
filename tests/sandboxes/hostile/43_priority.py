# NAME: priority
# KIND: script
# DOES: real-time scheduling, negative nice, CPU affinity
# MUST: no better priority than given
# EXPECT: escaped=no
# BARE: yes
import os

for f in (
    lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50)),
    lambda: os.nice(-10),
    lambda: os.setpriority(os.PRIO_PROCESS, os.getppid(), 19),
):
    try:
        f()
        print("ESCAPED priority changed")
    except OSError:
        pass
