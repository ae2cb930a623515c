# NAME: deep_result
# KIND: script
# DOES: sends a result so deep that reading it could break the host's stack
# MUST: an error of this program, never of the host
import os
import struct

body = b'{"value": ' + b"[" * 200000 + b"]" * 200000 + b"}"
os.write(3, struct.pack("<I", len(body)) + body)
