# NAME: endless_result
# KIND: cheat
# DOES: returns a list that grows while it is encoded
# MUST: verdict is not passed; ends at a limit
class Endless(list):
    def __iter__(self):
        while True:
            yield from ()


def add(a, b):
    return Endless()
