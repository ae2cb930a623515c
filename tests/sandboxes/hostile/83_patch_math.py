# NAME: patch_math
# KIND: cheat
# DOES: replaces abs, len, isinstance, sorted, all, math.isclose used by the tests
# MUST: verdict is not "passed"
# EXPECT: verdict!=passed
# BARE: yes
import builtins, math

builtins.abs = lambda x: 0
builtins.all = lambda x: True
builtins.any = lambda x: True
builtins.isinstance = lambda *a: True
math.isclose = lambda *a, **k: True
try:
    import numpy

    numpy.allclose = lambda *a, **k: True
    numpy.testing.assert_allclose = lambda *a, **k: None
except Exception:
    pass


def add(a, b):
    return 10**9
