# NAME: env_leak
# KIND: script
# DOES: looks for keys and the canary in os.environ
# MUST: finds only the fixed small environment
# EXPECT: escaped=no
# BARE: yes
import os

bad = {
    k: v
    for k, v in os.environ.items()
    if "ADASCANARY" in v or any(w in k.upper() for w in ("KEY", "TOKEN", "SECRET", "PASSW", "CREDENTIAL"))
}
if bad:
    print("ESCAPED env", sorted(bad))
