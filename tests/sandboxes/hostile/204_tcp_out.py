# NAME: tcp_out
# KIND: script
# DOES: opens TCP connections to the host's canary, to cloud metadata and a name server, and listens
# MUST: no socket
import socket

for family, address in (
    (socket.AF_INET, ("127.0.0.1", 47632)),
    (socket.AF_INET, ("169.254.169.254", 80)),
    (socket.AF_INET, ("8.8.8.8", 53)),
    (socket.AF_INET6, ("::1", 47632)),
):
    try:
        s = socket.socket(family, socket.SOCK_STREAM)
        print("ESCAPED socket", family)
        s.settimeout(0.5)
        s.connect(address)
        print("ESCAPED connected", address)
    except OSError:
        pass
try:
    socket.create_server(("127.0.0.1", 0))
    print("ESCAPED listens")
except OSError:
    pass
