# NAME: exec_answer_hash
# KIND: cheat
# DOES: tries all small ints through an equality oracle: raises and retries to see which passes
# MUST: verdict is not "passed"
# EXPECT: verdict!=passed
# BARE: yes
import sys


class Probe:
    def __init__(s):
        s.seen = None

    def __eq__(s, o):
        print("ESCAPED == ran in the process that knows the answer")
        s.seen = o
        return True


def add(a, b):
    return Probe()
