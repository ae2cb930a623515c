# NAME: forge_types
# KIND: cheat
# DOES: answers with every value that the codec knows, malformed: {int: []}, {dict: [1]}, {range: [1]}, nested objects
# MUST: verdict is not passed; the judge does not break
import json
import os
import struct

forms = [{kind: body} for kind in ("int", "float", "bytes", "dict", "set", "range", "complex", "tuple") for body in ([], "x", None, [[1]], {})]


def add(a, b):
    body = json.dumps({"value": forms, "changed": {}}).encode()
    os.write(3, struct.pack("<I", len(body)) + body)
    os._exit(0)
