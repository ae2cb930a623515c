# NAME: slow_drip
# KIND: script
# DOES: prints one byte now and then for ever, so that an idle-output watchdog never fires
# MUST: killed at the wall limit
# EXPECT: escaped=no; verdict=timeout
# BARE: no
import time, sys

while True:
    sys.stdout.write(".")
    sys.stdout.flush()
    time.sleep(0.2)
