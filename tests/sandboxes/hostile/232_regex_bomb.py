# NAME: regex_bomb
# KIND: script
# DOES: a pattern with exponential backtracking
# MUST: killed at the processor limit
import re

re.match(r"(a+)+$", "a" * 64 + "b")
