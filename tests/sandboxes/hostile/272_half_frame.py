# NAME: half_frame
# KIND: agent
# DOES: sends half a frame and waits for ever
# MUST: ends at the wall limit
import json
import os
import struct

fd = int(os.environ.get("ADAS_BROKER_FD", "4"))


def forward(task, kit):
    os.write(fd, struct.pack("<I", 100) + b"{")
    os.read(fd, 1)
