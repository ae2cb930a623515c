# NAME: drip_answer
# KIND: cheat
# DOES: sends its answer one byte a second
# MUST: ends at the wall limit
import os
import struct
import time


def add(a, b):
    body = b'{"value": 5, "changed": {}}' + b" " * 100000
    for byte in struct.pack("<I", len(body)) + body:
        os.write(3, bytes([byte]))
        time.sleep(0.2)
    return 0
