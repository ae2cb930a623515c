# NAME: broker_garbage
# KIND: agent
# DOES: not JSON, deep JSON, wrong types, unknown operations, duplicate keys, NaN
# MUST: each is an error answer or a closed connection; no trace of the host in the message
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


for d in (
    b"\xff\xfe",
    b"[" * 100000,
    b"null",
    b"[]",
    b'{"op": 5}',
    b'{"op":"llm","op":"env"}',
    b'{"op":"llm","id":NaN,"prompt":{}}',
    b'{"op":"__class__"}',
    json.dumps({"op": "llm", "id": 1, "prompt": "x" * (5 << 20)}).encode(),
):
    try:
        os.write(fd, struct.pack("<I", len(d)) + d)
        r = json.dumps(recv())
        if "Traceback" in r or "ADASCANARY" in r or "/root/" in r:
            print("ESCAPED host details", r[:80])
    except (OSError, ValueError):
        break
