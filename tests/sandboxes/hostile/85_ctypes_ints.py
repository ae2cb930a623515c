# NAME: ctypes_ints
# KIND: cheat
# DOES: overwrites cached small integers in memory so that 0 == anything small
# MUST: verdict is not "passed"
# EXPECT: verdict!=passed
# BARE: yes
import ctypes


def add(a, b):
    for i in range(-5, 200):
        if i != 0:
            ctypes.memmove(id(i) + 24, id(0) + 24, 4)
            ctypes.memmove(id(i) + 16, id(0) + 16, 8)
    return 0
