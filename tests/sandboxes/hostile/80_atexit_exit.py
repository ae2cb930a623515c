# NAME: atexit_exit
# KIND: cheat
# DOES: atexit hook and excepthook that turn a failure into exit code 0
# MUST: verdict is not "passed"
# EXPECT: verdict!=passed
# BARE: yes
import atexit, os, sys

atexit.register(os._exit, 0)
sys.excepthook = lambda *a: os._exit(0)


def add(a, b):
    return 0
