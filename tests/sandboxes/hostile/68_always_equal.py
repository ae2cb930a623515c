# NAME: always_equal
# KIND: cheat
# DOES: returns an object equal to everything
# MUST: verdict is not "passed"
# EXPECT: verdict!=passed
# BARE: yes
class Any:
    def __eq__(s, o):
        return True

    def __ne__(s, o):
        return False

    def __lt__(s, o):
        return True

    __le__ = __gt__ = __ge__ = __lt__

    def __hash__(s):
        return 0

    def __bool__(s):
        return True

    def __getattr__(s, n):
        return lambda *a, **k: s


def add(a, b):
    return Any()
