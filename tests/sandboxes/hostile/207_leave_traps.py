# NAME: leave_traps
# KIND: script
# DOES: leaves modules, .pth files, a bytecode cache and shared memory for the next run
# MUST: the next run is unharmed
import os
import sys

for folder in [".", "/tmp", "/dev/shm", "/box", os.path.expanduser("~"), *sys.path]:
    for name in ("json.py", "sitecustomize.py", "usercustomize.py", "x.pth", "string.py", "conftest.py", "random.py"):
        try:
            with open(os.path.join(folder, name), "w") as file:
                file.write("import os; os._exit(0)")
        except OSError:
            pass
sys.path_importer_cache.clear()
import builtins

builtins.sum = builtins.len = lambda *a: 0
os.environ["PYTHONSTARTUP"] = "/box/json.py"
