# NAME: unix_path
# KIND: script
# DOES: connects to the sockets of engines, agents and buses by path, and binds one
# MUST: refused
import glob
import os
import socket

paths = ["/var/run/docker.sock", "/run/podman/podman.sock", "/run/dbus/system_bus_socket", "/tmp/.X11-unix/X0"]
paths += glob.glob("/tmp/ssh-*/agent.*") + glob.glob("/run/user/*/bus")
for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
    left = None
    try:
        left, _ = socket.socketpair(socket.AF_UNIX, kind)
        if kind == socket.SOCK_DGRAM:
            print("ESCAPED datagram pair")
    except OSError:
        pass
    for path in paths:
        for make in (lambda: socket.socket(socket.AF_UNIX, kind), lambda: left):
            try:
                make().connect(path)
                print("ESCAPED", path)
            except (OSError, AttributeError):
                pass
try:
    s = socket.socket(socket.AF_UNIX)
    s.bind("x.sock")
    print("ESCAPED bound")
except OSError:
    pass
