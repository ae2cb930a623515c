# NAME: odd_sockets
# KIND: script
# DOES: raw, packet, netlink, vsock, alg, bluetooth, xdp sockets
# MUST: no family can be opened (strict profile: netlink in an own network namespace is harmless)
# EXPECT: escaped=no
# BARE: yes
import socket, ctypes

for fam, typ, pr in (
    (2, 3, 1),
    (17, 3, 768),
    (16, 3, 0),
    (40, 1, 0),
    (38, 5, 0),
    (31, 5, 0),
    (44, 3, 0),
    (10, 1, 0),
    (30, 5, 0),
    (15, 3, 2),
):
    try:
        socket.socket(fam, typ, pr).close()
        print("ESCAPED family", fam)
    except OSError:
        pass
