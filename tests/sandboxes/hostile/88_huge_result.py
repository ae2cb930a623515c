# NAME: huge_result
# KIND: cheat
# DOES: returns 200 MB of text
# MUST: verdict is not "passed"; the host does not take it in
# EXPECT: verdict!=passed
# BARE: yes
def add(a, b):
    return "x" * (200 << 20)
