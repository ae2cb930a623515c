# NAME: late_patch
# KIND: cheat
# DOES: answers the first test rightly and then patches everything it can reach
# MUST: verdict is not "passed"
# EXPECT: verdict!=passed
# BARE: yes
import sys, gc, builtins

n = [0]


def add(a, b):
    n[0] += 1
    if n[0] == 1:
        return a + b
    for m in list(sys.modules.values()):
        for k in ("check", "candidate", "compare", "eq", "judge"):
            if hasattr(m, k):
                try:
                    setattr(m, k, lambda *a, **k: True)
                except Exception:
                    pass
    raise SystemExit(0)
