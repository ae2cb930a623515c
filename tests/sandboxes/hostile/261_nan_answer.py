# NAME: nan_answer
# KIND: cheat
# DOES: answers NaN and infinities, which break careless comparisons
# MUST: verdict is not passed
def add(a, b):
    return [float("nan"), float("inf"), complex("nan")][a % 3]
