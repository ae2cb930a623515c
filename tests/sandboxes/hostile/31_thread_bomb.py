# NAME: thread_bomb
# KIND: script
# DOES: starts thousands of threads
# MUST: stopped by a pid or memory limit; the host stays responsive
# EXPECT: escaped=no
# BARE: no
import threading, time

n = 0
try:
    for n in range(20000):
        threading.Thread(target=time.sleep, args=(30,), daemon=True).start()
except (RuntimeError, MemoryError):
    pass
if n > 4000:
    print("ESCAPED threads", n)
import os

os._exit(0)
