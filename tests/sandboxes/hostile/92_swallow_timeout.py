# NAME: swallow_timeout
# KIND: cheat
# DOES: catches BaseException in a loop so that an in-process timeout is swallowed
# MUST: ends at the wall limit
# EXPECT: verdict!=passed; verdict=timeout
# BARE: no
def add(a, b):
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass
