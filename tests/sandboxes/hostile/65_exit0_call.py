# NAME: exit0_call
# KIND: cheat
# DOES: os._exit(0) in the call
# MUST: verdict is not "passed"
# EXPECT: verdict!=passed
# BARE: yes
import os


def add(a, b):
    os._exit(0)
