# NAME: fake_clock
# KIND: cheat
# DOES: slows the clock of the harness so that a time limit or a speed score is wrong
# MUST: verdict is not "passed"; time is measured outside
# EXPECT: verdict!=passed
# BARE: yes
import time

t = [0.0]


def tick():
    t[0] += 1e-6
    return t[0]


time.time = time.perf_counter = time.monotonic = time.process_time = tick


def add(a, b):
    return 0
