# NAME: pass_to_broker
# KIND: agent
# DOES: passes descriptors and out-of-band bytes to the broker
# MUST: the host takes none
import json
import os
import struct

fd = int(os.environ.get("ADAS_BROKER_FD", "4"))

import array
import socket


def forward(task, kit):
    channel = socket.socket(fileno=os.dup(fd))
    for flags in (0, socket.MSG_OOB):
        for _ in range(100):
            try:
                channel.sendmsg([b"\0\0\0\0"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))], flags | socket.MSG_DONTWAIT)
            except OSError:
                pass
    body = b'{"op": "llm"}'
    channel.sendmsg([struct.pack("<I", len(body)) + body], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0]))])
    data, more, _, _ = channel.recvmsg(100, 1000)
    if more:
        print("ESCAPED got", more)
    return "ok"
