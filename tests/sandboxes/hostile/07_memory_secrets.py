# NAME: memory_secrets
# KIND: script
# DOES: searches its own heap (gc) and mapped memory for secrets inherited from the host by fork
# MUST: no canary in memory
# EXPECT: escaped=no
# BARE: yes
import gc, re

pat, bpat = re.compile("SBXCAN[A]RY-[0-9a-f]{6}"), re.compile(b"SBXCAN[A]RY-[0-9a-f]{6}")
for o in gc.get_objects():
    try:
        vals = list(o.values()) if type(o) is dict else list(o) if type(o) in (list, tuple, set) else []
    except Exception:
        continue
    for v in vals:
        if type(v) is str and pat.search(v):
            print("ESCAPED heap")
            raise SystemExit
try:
    for line in open("/proc/self/maps"):
        if "heap" in line or "stack" in line or " rw-p 00000000 00:00 0" in line:
            lo, hi = (int(x, 16) for x in line.split()[0].split("-"))
            try:
                with open("/proc/self/mem", "rb") as m:
                    m.seek(lo)
                    d = m.read(min(hi - lo, 1 << 26))
            except (OSError, ValueError, OverflowError):
                continue
            if bpat.search(d):
                print("ESCAPED memory")
                break
except OSError:
    pass
