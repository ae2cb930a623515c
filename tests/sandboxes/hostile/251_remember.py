# NAME: remember
# KIND: cheat
# DOES: keeps what it learned in files, modules and the environment for the next run of the same task
# MUST: the next run knows nothing
import builtins
import os
import sys

state = getattr(builtins, "_left", None) or os.environ.get("LEFT") or sys.modules.get("left")
try:
    state = state or open("left").read()
except OSError:
    pass
if state:
    print("ESCAPED state of an earlier run")
builtins._left = "x"
os.environ["LEFT"] = "x"
sys.modules["left"] = sys
try:
    open("left", "w").write("x")
except OSError:
    pass


def add(a, b):
    return 0
