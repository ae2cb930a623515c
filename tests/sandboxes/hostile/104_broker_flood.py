# NAME: broker_flood
# KIND: agent
# DOES: 100000 model calls as fast as it can
# MUST: stopped by the call or token budget; other programs still served
# EXPECT: escaped=no; calls<=budget
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


n = 0
try:
    for i in range(100000):
        send({"op": "llm", "id": i, "prompt": "hi"})
        n += "error" not in recv()
except OSError:
    pass
if n > 10000:
    print("ESCAPED calls", n)
