# NAME: odd_entry
# KIND: cheat
# DOES: makes the entry point a class, a descriptor, a module-level __getattr__, and renames itself to the proxy's name
# MUST: verdict is not passed
import sys


class add:
    __name__ = "check"
    __qualname__ = "check"

    def __new__(cls, *arguments):
        return object.__new__(cls)

    def __eq__(self, other):
        return True


sys.modules["tests"] = sys.modules[__name__]
sys.modules["check"] = sys.modules[__name__]
sys.modules["__main__"].check = lambda *a: None
