"""``python -m meta_agent`` is ``adas``."""

from meta_agent.cli import main

main()
