# NAME: ring_answer
# KIND: cheat
# DOES: returns a list that contains itself and one nested ten thousand deep
# MUST: verdict is not passed; the judge does not break
def add(a, b):
    ring = []
    ring.append(ring)
    deep = []
    for _ in range(10000):
        deep = [deep]
    return ring if a == 2 else deep
