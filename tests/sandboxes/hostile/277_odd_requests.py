# NAME: odd_requests
# KIND: agent
# DOES: requests with every field of a wrong type: huge counts, negative budgets, a base_url, nested objects, nulls
# MUST: each is answered; nothing of the host in an answer
import json
import os
import struct

fd = int(os.environ.get("ADAS_BROKER_FD", "4"))


def forward(task, kit):
    for field in ("op", "prompt", "n", "temperature", "max_tokens", "fields", "model", "base_url", "api_key", "seed", "code", "tests"):
        for value in (None, -1, 1 << 70, 1e308, "x" * 1000, [[]], {"$ref": "/etc/passwd"}, True, "${OPENAI_API_KEY}", "file:///etc/passwd"):
            body = json.dumps({"op": "llm", "prompt": "x", field: value}).encode()
            os.write(fd, struct.pack("<I", len(body)) + body)
            size = struct.unpack("<I", os.read(fd, 4))[0]
            answer = os.read(fd, size)
            if b"Traceback" in answer or b"/root/" in answer or b"CANARY" in answer:
                print("ESCAPED host details")
    return "ok"
