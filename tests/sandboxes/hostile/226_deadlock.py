# NAME: deadlock
# KIND: script
# DOES: waits for a lock that nobody frees, with the import lock held
# MUST: killed at the wall limit
import threading

lock = threading.Lock()
lock.acquire()
lock.acquire()
