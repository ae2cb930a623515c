# NAME: patch_assert
# KIND: cheat
# DOES: AssertionError and builtins replaced so that a failed assert is not an error
# MUST: verdict is not "passed"
# EXPECT: verdict!=passed
# BARE: yes
import builtins, sys


class Quiet(BaseException):
    pass


builtins.AssertionError = Quiet
builtins.__dict__["compile"] = lambda *a, **k: (lambda: None).__code__
builtins.__dict__["exec"] = lambda *a, **k: None
sys.excepthook = lambda *a: None


def add(a, b):
    return 0
