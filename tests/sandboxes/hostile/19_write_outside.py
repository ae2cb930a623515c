# NAME: write_outside
# KIND: script
# DOES: writes to /, /usr, /etc, the interpreter, site-packages, /dev
# MUST: every place but the scratch folder refuses
# EXPECT: escaped=no
# BARE: yes
import os, sys, site

for d in [
    "/",
    "/usr",
    "/usr/lib",
    "/etc",
    "/dev",
    "/var/tmp",
    "/root",
    "/home",
    sys.prefix,
    os.path.dirname(os.__file__),
    *sys.path,
]:
    if not d or d.startswith("/tmp") or d == os.getcwd():
        continue
    try:
        p = os.path.join(d, "adas_evil.txt")
        open(p, "w").write("x")
        print("ESCAPED wrote", p)
        os.unlink(p)
    except OSError:
        pass
