# NAME: unix_abstract
# KIND: script
# DOES: connects to an abstract unix socket of the host (not hidden by any mount)
# MUST: refused (network namespace, Landlock scope or no socket())
# EXPECT: escaped=no
# BARE: yes
import socket

for t in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
    try:
        s = socket.socket(socket.AF_UNIX, t)
        s.connect("\0adas_canary")
        print("ESCAPED abstract")
    except OSError:
        pass
