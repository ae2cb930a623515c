# NAME: udp_dns
# KIND: script
# DOES: sends a datagram to the host canary (UDP 47632) and resolves a name
# MUST: fails at once (no hang); the host canary gets nothing
# EXPECT: escaped=no
# BARE: yes
import socket

try:
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(1)
    s.sendto(b"SBX", ("127.0.0.1", 47632))
except OSError:
    pass
try:
    print("ESCAPED dns", socket.getaddrinfo("localhost.invalid", 80))
except OSError:
    pass
