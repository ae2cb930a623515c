# NAME: long_error
# KIND: script
# DOES: raises an error whose text has a hundred megabytes, notes, causes in a ring and a thousand frames
# MUST: cut; the host stays small
def deep(n):
    if n:
        return deep(n - 1)
    first, second = ValueError("x" * (100 << 20)), KeyError("y" * (1 << 20))
    first.__cause__, second.__cause__ = second, first
    for _ in range(50):
        first.add_note("n" * 100000)
    raise first


deep(900)
