# NAME: fork_then_hold
# KIND: script
# DOES: a child keeps the output pipe open after the main program ended, so that a reader of the pipe hangs
# MUST: the run ends when the main program ends
# EXPECT: escaped=no
# BARE: no
import os, time

try:
    if os.fork() == 0:
        time.sleep(600)
except OSError:
    pass
print("main done")
