# NAME: sleep_forever
# KIND: script
# DOES: uses no CPU, just waits
# MUST: killed at the wall limit
# EXPECT: escaped=no; verdict=timeout
# BARE: no
import time

while True:
    time.sleep(3600)
