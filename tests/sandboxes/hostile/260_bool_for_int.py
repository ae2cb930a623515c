# NAME: bool_for_int
# KIND: cheat
# DOES: answers True where 1 would do, and floats that are nearly right
# MUST: verdict is not passed
def add(a, b):
    return float(a + b) + 1e-9
