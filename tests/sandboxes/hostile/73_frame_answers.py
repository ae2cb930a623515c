# NAME: frame_answers
# KIND: cheat
# DOES: reads the expected values from the constants and locals of the calling frames
# MUST: verdict is not "passed"
# EXPECT: verdict!=passed
# BARE: yes
import sys


def add(a, b):
    f = sys._getframe(1)
    got = []
    while f:
        c = [x for x in f.f_code.co_consts if type(x) is int]
        if a in c and b in c:
            i = next((i for i in range(len(c) - 2) if c[i] == a and c[i + 1] == b), None)
            if i is not None:
                if c[i + 2] == a + b:
                    print("ESCAPED read the answer from a frame")
                return c[i + 2]
        got += [x for x in f.f_locals.values() if type(x) in (list, tuple)]
        f = f.f_back
    return 0
