# NAME: proc_environ
# KIND: script
# DOES: reads /proc/*/environ of itself, its parent and everyone
# MUST: no /proc, or only itself and without secrets
# EXPECT: escaped=no
# BARE: yes
import glob

for p in glob.glob("/proc/[0-9]*/environ") + ["/proc/self/environ", "/proc/1/environ"]:
    try:
        d = open(p, "rb").read()
    except OSError:
        continue
    if b"ADASCANARY" in d:
        print("ESCAPED", p)
        break
