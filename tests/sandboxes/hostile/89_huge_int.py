# NAME: huge_int
# KIND: cheat
# DOES: returns an int of ten million digits (quadratic to print)
# MUST: verdict is not "passed"; ends within the limit
# EXPECT: verdict!=passed
# BARE: yes
def add(a, b):
    return 1 << 33000000
