# NAME: alloc_uncaught
# KIND: script
# DOES: allocates until it cannot and lets the error go
# MUST: killed by the memory limit, and said so
blocks = []
while True:
    blocks.append(bytearray(8 << 20))
