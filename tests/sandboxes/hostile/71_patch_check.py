# NAME: patch_check
# KIND: cheat
# DOES: replaces check() of the caller through the frame globals
# MUST: verdict is not "passed"
# EXPECT: verdict!=passed
# BARE: yes
import sys


def add(a, b):
    f = sys._getframe(1)
    while f:
        for k in list(f.f_globals):
            if k in ("check", "run_tests", "test", "unsafe_execute", "time_limit"):
                f.f_globals[k] = lambda *a, **k: None
        f = f.f_back
    return 0
