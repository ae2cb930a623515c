# NAME: thread_exit
# KIND: script
# DOES: leaves by threads: pthread_exit of the main thread, an exit in a thread, a stopped world
# MUST: ended, with the right end told
import _thread
import os
import threading

threading.Thread(target=_thread.exit).start()
threading.Timer(0.1, os._exit, (0,)).start()
threading.Event().wait(5)
