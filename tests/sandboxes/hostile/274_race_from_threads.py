# NAME: race_from_threads
# KIND: agent
# DOES: asks from many threads at once, past the lock of its kit
# MUST: never more answers than the budget
import json
import os
import struct

fd = int(os.environ.get("ADAS_BROKER_FD", "4"))

import threading


def forward(task, kit):
    body = json.dumps({"op": "llm", "prompt": "x"}).encode()

    def ask():
        for _ in range(20):
            os.write(fd, struct.pack("<I", len(body)) + body)

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answers = 0
    for _ in range(400):
        size = struct.unpack("<I", os.read(fd, 4))[0]
        answers += b"error" not in os.read(fd, size)
    print("answers", answers)
