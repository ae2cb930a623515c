# NAME: busy_loop
# KIND: script
# DOES: burns processor time in a plain loop
# MUST: killed at the processor limit, and said so
while True:
    pass
