# NAME: lazy_answer
# KIND: cheat
# DOES: returns something that changes after it was compared: generator, iterator, mutable with hooks
# MUST: verdict is not passed
class Late(list):
    def __iter__(self):
        yield 5

    def __len__(self):
        return 1


n = [0]


def add(a, b):
    n[0] += 1
    return [(x for x in [5]), Late(), lambda: 5][n[0] % 3]
