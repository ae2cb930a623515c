# NAME: broker_keys
# KIND: agent
# DOES: asks the broker for keys: headers, base_url of its own, env placeholders, file paths
# MUST: no key in any answer; the destination cannot be changed
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


for o in (
    {
        "op": "llm",
        "id": 1,
        "prompt": "x",
        "base_url": "http://127.0.0.1:47631/",
        "headers": {"x": "${ADAS_CANARY_KEY}"},
    },
    {"op": "env", "id": 2},
    {"op": "llm", "id": 3, "prompt": "{ADAS_CANARY_KEY} $ADAS_CANARY_KEY", "model": "../../../etc/passwd"},
    {"op": "get", "id": 4, "path": "/tmp/adas_canary.txt"},
):
    try:
        send(o)
        r = json.dumps(recv())
        if "ADASCANARY" in r or "root:" in r:
            print("ESCAPED", r[:80])
    except (OSError, ValueError):
        break
