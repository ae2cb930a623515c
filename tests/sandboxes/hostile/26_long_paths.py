# NAME: long_paths
# KIND: script
# DOES: very deep folders and odd names, to break the cleaner
# MUST: the scratch folder goes away all the same
# EXPECT: escaped=no
# BARE: yes
import os

try:
    for i in range(600):
        os.mkdir("d" * 200)
        os.chdir("d" * 200)
except OSError:
    pass
try:
    os.chdir("/tmp")
    open("bad\udcff\n\x1b[31m", "w").close()
    os.mkdir("locked")
    os.chmod("locked", 0)
except (OSError, ValueError, UnicodeError):
    pass
