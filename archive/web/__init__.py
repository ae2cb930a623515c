"""The archive in a browser: ``adas archive web``."""
