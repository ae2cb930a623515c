# NAME: cpu_threads
# KIND: script
# DOES: many threads burning CPU outside the GIL
# MUST: CPU use bounded by the limit
# EXPECT: escaped=no; verdict=timeout
# BARE: no
import threading, hashlib


def burn():
    b = b"x" * (1 << 20)
    while True:
        hashlib.sha256(b).digest()


for _ in range(8):
    try:
        threading.Thread(target=burn).start()
    except (RuntimeError, MemoryError):
        break
while True:
    pass
