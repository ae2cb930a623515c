# NAME: poison_stdlib
# KIND: script
# DOES: changes a stdlib source or .pyc so that the next run is infected
# MUST: read-only
# EXPECT: escaped=no
# BARE: yes
import os, glob

lib = os.path.dirname(os.__file__)
for p in [lib + "/this.py", *glob.glob(lib + "/__pycache__/this*.pyc")]:
    try:
        f = open(p, "r+b")
        print("ESCAPED writable", p)
        f.close()
    except OSError:
        pass
