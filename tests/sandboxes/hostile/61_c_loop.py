# NAME: c_loop
# KIND: script
# DOES: long C calls that never look at signals (pow, regex, str multiply)
# MUST: killed at the wall or CPU limit
# EXPECT: escaped=no; verdict=timeout
# BARE: no
import re

re.match(r"(a|aa)+$", "a" * 60 + "b")
10**10**9
