# NAME: patch_codec
# KIND: cheat
# DOES: replaces json, pickle, struct and os.write used by the harness
# MUST: verdict is not "passed"
# EXPECT: verdict!=passed
# BARE: yes
import json, pickle, struct, os, marshal

real = os.write
json.dumps = lambda *a, **k: '{"ok": true, "passed": true, "verdict": "passed"}'
pickle.dumps = lambda *a, **k: b"I01\n."
os.write = lambda fd, d: real(fd, bytes(d).replace(b"false", b"true ").replace(b"failed", b"passed"))


def add(a, b):
    return 0
