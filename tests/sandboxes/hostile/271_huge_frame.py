# NAME: huge_frame
# KIND: agent
# DOES: sends frames near and beyond the cap, then one of 4 GiB that never comes
# MUST: refused; the host does not take it in
import json
import os
import struct

fd = int(os.environ.get("ADAS_BROKER_FD", "4"))


def forward(task, kit):
    for size in (1 << 19, (1 << 20) - 20):
        body = b'{"op": "' + b"x" * (size - 10) + b'"}'
        os.write(fd, struct.pack("<I", len(body)))
        view = memoryview(body)
        while view:
            view = view[os.write(fd, view) :]
        left = struct.unpack("<I", os.read(fd, 4))[0]
        while left:
            left -= len(os.read(fd, left))
    os.write(fd, b"\xff\xff\xff\xff")
    os.read(fd, 1)
