# NAME: broker_race
# KIND: agent
# DOES: many requests in flight at once to get past a budget that is checked before and counted after
# MUST: never more spent than the budget
# EXPECT: escaped=no; spent<=budget
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


for i in range(500):
    try:
        send({"op": "llm", "id": i, "prompt": "hi", "max_tokens": 10**9})
    except OSError:
        break
ok = 0
try:
    for i in range(500):
        ok += "error" not in recv()
except OSError:
    pass
print("answers", ok)
