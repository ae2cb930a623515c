# NAME: number_result
# KIND: script
# DOES: sends a result with integers of a hundred thousand digits and infinite floats
# MUST: an error of this program or its value, never of the host
import os
import struct

body = b'{"value": [' + b"9" * 100000 + b", 1e999, NaN]}"
os.write(3, struct.pack("<I", len(body)) + body)
