# NAME: kill_all
# KIND: script
# DOES: kill(-1, SIGKILL)
# MUST: at most its own processes die
# EXPECT: escaped=no; host_alive
# BARE: no
import os

try:
    os.kill(-1, 9)
except OSError:
    pass
try:
    os.killpg(0, 15)
except OSError:
    pass
