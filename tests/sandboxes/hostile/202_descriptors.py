# NAME: descriptors
# KIND: script
# DOES: uses every inherited descriptor: folders to climb out of, sockets to pass descriptors on, files to write
# MUST: only the wire and the standard streams, none of them leads anywhere
import array
import os
import socket
import stat

given = []
for fd in range(256):
    try:
        given.append((fd, os.fstat(fd).st_mode))
    except OSError:
        pass
for fd, mode in given:
    if stat.S_ISDIR(mode):
        print("ESCAPED folder", fd)
    for climb in ("..", "../..", "/"):
        try:
            os.open(climb, os.O_RDONLY, dir_fd=fd)
            if climb != "/":
                print("ESCAPED", fd, climb)
        except (OSError, NotImplementedError):
            pass
    if stat.S_ISSOCK(mode):
        try:
            peer = socket.socket(fileno=os.dup(fd))
            for address in ("/run/docker.sock", "\0adas_canary", ("127.0.0.1", 47632)):
                try:
                    peer.connect(address)
                    print("ESCAPED connected", address)
                except (OSError, TypeError):
                    pass
            peer.close()
        except OSError:
            pass
if len([fd for fd in range(3, 1024) if os.path.exists(f"/dev/fd/{fd}")]) > 2:
    print("ESCAPED descriptors")
