# NAME: never_reads
# KIND: agent
# DOES: asks without end and never reads an answer
# MUST: bounded memory on the host; ends at a limit or by itself
import json
import os
import struct

fd = int(os.environ.get("ADAS_BROKER_FD", "4"))


def forward(task, kit):
    body = json.dumps({"op": "llm", "prompt": "x"}).encode()
    os.set_blocking(fd, False)
    sent = 0
    for _ in range(200000):
        try:
            sent += os.write(fd, struct.pack("<I", len(body)) + body)
        except BlockingIOError:
            break
    return "sent" if sent else "none"
