# NAME: pass_descriptors
# KIND: script
# DOES: passes descriptors to the harness by SCM_RIGHTS over the wire, thousands of them
# MUST: the host takes none and does not fail
import array
import os
import socket

wire = socket.socket(fileno=os.dup(3))
files = array.array("i", [0, 1, 2])
for _ in range(300):
    try:
        wire.sendmsg([b"\0\0\0\0"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, files)], socket.MSG_DONTWAIT)
    except OSError:
        pass
try:
    data, more, _, _ = wire.recvmsg(1, 4096, socket.MSG_DONTWAIT)
    if more:
        print("ESCAPED got descriptors", more)
except OSError:
    pass
