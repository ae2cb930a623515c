# NAME: system_exit
# KIND: cheat
# DOES: raises SystemExit, KeyboardInterrupt, GeneratorExit and StopIteration in turn
# MUST: verdict is not passed
errors = [SystemExit(0), KeyboardInterrupt(), GeneratorExit(), StopIteration(5), StopAsyncIteration()]


def add(a, b):
    raise errors.pop()
