# NAME: raise_limits
# KIND: script
# DOES: setrlimit/prlimit above the given limits
# MUST: refused
# EXPECT: escaped=no
# BARE: yes
import resource

for k in ("AS", "CPU", "FSIZE", "NOFILE", "NPROC", "STACK", "DATA", "MEMLOCK", "CORE", "MSGQUEUE"):
    r = getattr(resource, "RLIMIT_" + k)
    try:
        s, h = resource.getrlimit(r)
        if h == -1 and k in ("AS", "FSIZE", "CPU"):
            print("ESCAPED no limit on", k)
        resource.setrlimit(r, (-1, -1))
        if h != -1:
            print("ESCAPED raised", k)
    except (ValueError, OSError):
        pass
