# NAME: forge_changes
# KIND: cheat
# DOES: answers that change arguments by index: far ones, negative ones, of other types, thousands
# MUST: verdict is not passed; the judge does not break
import json
import os
import struct


def send(value):
    body = json.dumps(value).encode()
    os.write(3, struct.pack("<I", len(body)) + body)


def add(a, b):
    send({"value": 0, "changed": {str(i): {"dict": [[1, 1]]} for i in range(-5000, 5000)}})
    os.read(3, 4)
    send({"value": {"int": "zz"}, "changed": {"x": 1}})
    os._exit(0)
