# NAME: evil_exception
# KIND: script
# DOES: exception whose __str__, __repr__ and __class__ hang or raise
# MUST: the harness does not format it inside the supervisor; ends at the limit
# EXPECT: escaped=no; verdict!=sandbox_error
# BARE: no
class E(Exception):
    def __str__(self):
        while True:
            pass

    __repr__ = __str__

    @property
    def __traceback__(self):
        raise RuntimeError


raise E
