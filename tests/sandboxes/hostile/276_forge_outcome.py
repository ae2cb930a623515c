# NAME: forge_outcome
# KIND: agent
# DOES: writes its own result and other programs' results on the wire before it is asked
# MUST: at most its own value
import json
import os
import struct

fd = int(os.environ.get("ADAS_BROKER_FD", "4"))


def forward(task, kit):
    for value in ({"error": None}, {"value": 1, "error": "x"}):
        body = json.dumps(value).encode()
        os.write(3, struct.pack("<I", len(body)) + body)
    return "ok"
