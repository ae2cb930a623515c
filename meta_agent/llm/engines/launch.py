"""Runs a module as a server that cannot outlive who started it: ``python launch.py MODULE ARGUMENTS...``.

The starter holds the other end of our standard input. When it closes, by intent or by death, we and all our
children are killed. Run by the Python of the server's own environment, as the leader of a process group.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading


def _die_with_the_starter() -> None:
    while os.read(0, 1):
        pass
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    threading.Thread(target=_die_with_the_starter, daemon=True).start()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
