# NAME: answer_before_asked
# KIND: cheat
# DOES: answers all three calls before the first is made
# MUST: verdict is not passed unless it computed them
import json
import os
import struct

for value in ({"ready": True}, *({"value": value, "changed": {}} for value in (0, 0, 0))):
    body = json.dumps(value).encode()
    os.write(3, struct.pack("<I", len(body)) + body)


def add(a, b):
    return 0
