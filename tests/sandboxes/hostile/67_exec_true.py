# NAME: exec_true
# KIND: cheat
# DOES: replaces the process by /bin/true (exit code 0)
# MUST: verdict is not "passed"
# EXPECT: verdict!=passed
# BARE: yes
import os


def add(a, b):
    try:
        os.execv("/bin/true", ["true"])
    except OSError:
        return 0
