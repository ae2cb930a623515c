# NAME: forge_result
# KIND: script
# DOES: writes a result of its own on the wire, twice, then leaves
# MUST: at most its own value: a program that is run speaks for itself alone
import json
import os
import struct

for value in ({"value": "forged"}, {"failure": ""}, {"done": True}, [], None, {"error": {"deep": 1}}, {"error": None, "memory": 1}):
    body = json.dumps(value).encode()
    os.write(3, struct.pack("<I", len(body)) + body)
os._exit(0)
