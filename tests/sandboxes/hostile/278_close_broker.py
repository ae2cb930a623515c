# NAME: close_broker
# KIND: agent
# DOES: closes its end of the broker, then the wire, and goes on
# MUST: ended as its own fault
import json
import os
import struct

fd = int(os.environ.get("ADAS_BROKER_FD", "4"))


def forward(task, kit):
    os.close(fd)
    os.close(3)
    return "ok"
