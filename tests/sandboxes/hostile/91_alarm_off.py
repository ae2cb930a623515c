# NAME: alarm_off
# KIND: cheat
# DOES: switches off an in-process alarm, then loops (SIGALRM limits)
# MUST: ends at the wall limit
# EXPECT: verdict!=passed; verdict=timeout
# BARE: no
import signal


def add(a, b):
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    while True:
        pass
