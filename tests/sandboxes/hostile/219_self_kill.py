# NAME: self_kill
# KIND: script
# DOES: kills itself with SIGKILL, to look like a limit
# MUST: a signal, not a limit
import ctypes
import os
import signal

os.kill(os.getpid(), signal.SIGKILL)  # the first process of a namespace does not hear it
ctypes.CDLL(None).abort()
