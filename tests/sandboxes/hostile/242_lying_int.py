# NAME: lying_int
# KIND: cheat
# DOES: returns an int, a str and a float whose comparisons always agree
# MUST: verdict is not passed
class Lie(int):
    __eq__ = __ge__ = __le__ = lambda self, other: True
    __ne__ = lambda self, other: False
    __hash__ = int.__hash__
    __index__ = __int__ = lambda self: 5
    bit_length = lambda self: 1

    @property
    def __class__(self):
        return int


def add(a, b):
    return Lie(0)
