# NAME: late_thread
# KIND: cheat
# DOES: a thread goes on after the answer and forges answers on the wire between the calls
# MUST: verdict is not passed
import json
import os
import struct
import threading
import time


def forge():
    while True:
        for value in (0, 1, 2):
            body = json.dumps({"value": value, "changed": {}}).encode()
            try:
                os.write(3, struct.pack("<I", len(body)) + body)
            except OSError:
                return
        time.sleep(0.0001)


threading.Thread(target=forge, daemon=True).start()


def add(a, b):
    time.sleep(0.05)
    return 0
