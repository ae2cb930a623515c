# NAME: ctypes_true
# KIND: cheat
# DOES: makes False look like True in memory
# MUST: verdict is not "passed"
# EXPECT: verdict!=passed
# BARE: yes
import ctypes


def add(a, b):
    ctypes.memmove(id(False) + 16, id(True) + 16, 12)
    return 0
