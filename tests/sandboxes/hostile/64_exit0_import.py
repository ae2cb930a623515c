# NAME: exit0_import
# KIND: cheat
# DOES: os._exit(0) at import
# MUST: verdict is not "passed"
# EXPECT: verdict!=passed
# BARE: yes
import os


def add(a, b):
    return 0


os._exit(0)
