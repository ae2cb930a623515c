# NAME: hang_at_exit
# KIND: script
# DOES: hangs after its end: atexit handlers, finalizers, a thread that never ends
# MUST: killed at the wall limit
import atexit
import threading
import time


class Sticky:
    def __del__(self):
        time.sleep(600)


keep = Sticky()
atexit.register(time.sleep, 600)
threading.Thread(target=time.sleep, args=(600,)).start()
print("done")
