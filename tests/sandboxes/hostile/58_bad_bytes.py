# NAME: bad_bytes
# KIND: script
# DOES: invalid UTF-8, lone surrogates, NUL, terminal escapes in output and in the exception
# MUST: host stores and shows them safely
# EXPECT: escaped=no; verdict!=sandbox_error
# BARE: yes
import sys, os

os.write(1, b"\xff\xfe\x00\x1b]0;pwned\x07\x1b[2J" + bytes(range(256)))


class E(Exception):
    pass


raise E("\ud800 \x00 \x1b[31m" + "z" * 100000)
