# NAME: pickle_bomb
# KIND: cheat
# DOES: returns an object that runs code when it is unpickled, copied or shown
# MUST: verdict is not passed; nothing of it runs in the judge
class Bomb:
    def __reduce__(self):
        return print, ("ESCAPED unpickled",)

    def __repr__(self):
        raise SystemExit(0)

    __deepcopy__ = __copy__ = __getstate__ = __reduce__


def add(a, b):
    return Bomb()
