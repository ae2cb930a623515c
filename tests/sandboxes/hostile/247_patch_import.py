# NAME: patch_import
# KIND: cheat
# DOES: replaces __import__, exec, compile, open and print
# MUST: verdict is not passed
import builtins

builtins.__import__ = lambda *a, **k: None
builtins.exec = builtins.eval = builtins.compile = lambda *a, **k: None
builtins.print = builtins.open = builtins.getattr = lambda *a, **k: True


def add(a, b):
    return 0
