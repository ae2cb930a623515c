# NAME: forge_garbage
# KIND: script
# DOES: writes frames that are too long, cut short or no JSON on the wire
# MUST: an error of this program, never of the host
import os

os.write(3, b"\xff\xff\xff\xff" + b"x" * 1000)
