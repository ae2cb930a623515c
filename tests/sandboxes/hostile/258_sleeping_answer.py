# NAME: sleeping_answer
# KIND: cheat
# DOES: sleeps in the second call
# MUST: ends at the wall limit
import time

n = [0]


def add(a, b):
    n[0] += 1
    if n[0] == 2:
        time.sleep(600)
    return a + b
