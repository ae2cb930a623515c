# NAME: error_answer
# KIND: cheat
# DOES: raises errors of the judge's own: AssertionError without text, an error group, a class named like one of its own
# MUST: verdict is not passed
class _Gone(BaseException):
    pass


class Assertion(AssertionError):
    def __bool__(self):
        return False


errors = [_Gone(), ExceptionGroup("x", [AssertionError()]), Assertion("passed")]


def add(a, b):
    raise errors.pop()
