"""The subcommands of ``adas``, one file each, imported only when they are called."""
