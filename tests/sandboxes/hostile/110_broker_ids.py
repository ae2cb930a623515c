# NAME: broker_ids
# KIND: agent
# DOES: guesses the ids of other programs, answers its own requests, replays
# MUST: only its own conversation is seen
# EXPECT: escaped=no
# BARE: no
import os, sys, json, struct

fd = os.environ.get("ADAS_BROKER_FD")
if not fd:
    print("SKIP no broker")
    sys.exit(0)
fd = int(fd)


def send(o):
    d = json.dumps(o).encode()
    os.write(fd, struct.pack("<I", len(d)) + d)


def recv():
    b = b""
    while len(b) < 4:
        b += os.read(fd, 4 - len(b)) or sys.exit(0)
    n = struct.unpack("<I", b)[0]
    b = b""
    while len(b) < n:
        b += os.read(fd, n - len(b)) or sys.exit(0)
    return json.loads(b)


for i in (0, -1, 1, 2, 2**63, "1", None, {"$ne": 0}):
    try:
        send({"op": "result", "id": i})
        r = json.dumps(recv())
        if "ADASCANARY" in r or "other-program" in r:
            print("ESCAPED", r[:80])
    except (OSError, ValueError):
        break
