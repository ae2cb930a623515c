# NAME: bytecode_answers
# KIND: cheat
# DOES: reads the expected value from the bytecode of the caller, at the instruction after the call
# MUST: verdict is not "passed"
# EXPECT: verdict!=passed
# BARE: yes
import sys, dis


def add(a, b):
    f = sys._getframe(1)
    for ins in dis.get_instructions(f.f_code):
        if ins.offset > f.f_lasti and ins.opname in ("LOAD_CONST", "LOAD_SMALL_INT"):
            print("ESCAPED answer from bytecode" if ins.argval == a + b else "miss")
            return ins.argval
    return 0
