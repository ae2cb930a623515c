# NAME: forge_raise
# KIND: cheat
# DOES: tells of an exception that is none: names of builtin functions, a thousand names, arguments that break the class
# MUST: verdict is not passed; the judge does not break
import json
import os
import struct


def add(a, b):
    body = json.dumps({"raised": ["print", "exit", "SystemExit", "__import__", "OSError"] * 500, "args": [1] * 5000, "trace": {"x": 1}}).encode()
    os.write(3, struct.pack("<I", len(body)) + body)
    os._exit(0)
